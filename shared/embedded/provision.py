"""Makes and removes what one run of the platform needs: databases and roles, topics and their access rules.

Everything is named `<prefix><name>`, so that many runs share one server and one broker. Broker principals are shared
between prefixes; what each may do is ruled per prefixed topic and group, from `shared/events/topics.py`.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import asyncpg
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from shared.database.migrations import migrate
from shared.embedded.home import EmbeddedServerError, Home
from shared.embedded.kafka import PRINCIPALS, KafkaAccess
from shared.events.topics import SERVICES, TOPICS, TopicSpec

ORACLE = "oracle"
TIMEOUT_SECONDS = 30
DAY_MILLISECONDS = 86_400_000
SCRAM_ITERATIONS = 4096


@dataclass(frozen=True)
class ServiceDatabase:
    """One service's database: `url` of its runtime role (rows only), `owner_url` of the role that migrates."""

    url: str
    owner_url: str


async def provision_databases(
    admin_url: str, prefix: str, *, password: Callable[[str], str] | None = None
) -> dict[str, ServiceDatabase]:
    """Makes each service's database and roles, and brings its tables to the newest revision. Idempotent.

    `password` names a role's password (by default derived from the home's secret). Raises asyncpg.PostgresError.
    """
    password = password or Home().password
    databases: dict[str, ServiceDatabase] = {}
    for service in SERVICES:
        name = prefix + service
        databases[service] = await create_database(admin_url, name, role=name, password=password)
        # One after the other: Alembic's `op` is global to the process, two runs would write into each other's database.
        await migrate(databases[service].owner_url, f"services.{service}")
    return databases


async def create_database(
    admin_url: str, name: str, *, role: str, password: Callable[[str], str], template: str | None = None
) -> ServiceDatabase:
    """Makes a database, owned by `<role>_owner` and used by `<role>`, which may change rows but not tables.

    `template` copies another database of the same roles. What exists is kept, its passwords are set anew.
    """
    owner = f"{role}_owner"
    connection = await asyncpg.connect(admin_url)
    try:
        # Two runs with the same prefix wait for each other instead of failing on "already exists".
        await connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", role)
        for each in (owner, role):
            if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", each):
                await connection.execute(f"CREATE ROLE {quoted(each)} LOGIN")
            await connection.execute(f"ALTER ROLE {quoted(each)} PASSWORD {literal(password(each))}")
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
            source = f" TEMPLATE {quoted(template)}" if template else ""
            await connection.execute(f"CREATE DATABASE {quoted(name)} OWNER {quoted(owner)}{source}")
        await connection.execute(f"REVOKE ALL ON DATABASE {quoted(name)} FROM PUBLIC")
        await connection.execute(f"GRANT CONNECT ON DATABASE {quoted(name)} TO {quoted(role)}")
    finally:
        await connection.close()
    database = database_urls(admin_url, name, role=role, password=password)
    if template is None:
        await _set_default_rights(database.owner_url, role)
    return database


def database_urls(admin_url: str, name: str, *, role: str, password: Callable[[str], str]) -> ServiceDatabase:
    """The URLs of a service's database, whether or not it exists."""
    return ServiceDatabase(
        url=_url(admin_url, name, role, password), owner_url=_url(admin_url, name, f"{role}_owner", password)
    )


async def _set_default_rights(owner_url: str, role: str) -> None:
    """What the owner makes from now on, the runtime role may use, but not alter."""
    connection = await asyncpg.connect(owner_url)
    try:
        await connection.execute(
            f"""
            GRANT USAGE ON SCHEMA public TO {quoted(role)};
            ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO {quoted(role)};
            ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {quoted(role)};
            ALTER DEFAULT PRIVILEGES GRANT USAGE, SELECT ON SEQUENCES TO {quoted(role)};
            """
        )
    finally:
        await connection.close()


async def drop_database(admin_url: str, name: str) -> None:
    """Removes a database with whoever is connected to it; nothing when it does not exist."""
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")
    finally:
        await connection.close()


async def provision_topics(kafka: KafkaAccess, prefix: str, topics: Mapping[str, TopicSpec] = TOPICS) -> None:
    """Makes the catalogue's topics and access rules (or those of `topics` alone). Idempotent.

    Raises EmbeddedServerError when a topic exists with another number of partitions: changing it would break the order
    of every key.
    """
    await asyncio.to_thread(_provision_topics, kafka.admin(), prefix, topics)


def _provision_topics(admin: AdminClient, prefix: str, topics: Mapping[str, TopicSpec]) -> None:
    existing = admin.list_topics(timeout=TIMEOUT_SECONDS).topics
    new, known = [], []
    for spec in topics.values():
        name = prefix + spec.name
        if name not in existing:
            new.append(
                NewTopic(name, num_partitions=spec.partitions, replication_factor=-1, config=_topic_config(spec))
            )
        elif (count := len(existing[name].partitions)) != spec.partitions:
            raise EmbeddedServerError(f"topic {name} has {count} partitions, the catalogue says {spec.partitions}")
        else:
            entries = [
                ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
                for key, value in _topic_config(spec).items()
            ]
            known.append(ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=entries))
    if new:
        _settle(admin.create_topics(new, operation_timeout=TIMEOUT_SECONDS), ignore=(KafkaError.TOPIC_ALREADY_EXISTS,))
    if known:
        _settle(admin.incremental_alter_configs(known))
    rules = access_rules(prefix, topics)
    _settle(admin.create_acls(rules))
    # The controller has answered, the broker learns of it a moment later, in the order of the request.
    names = {prefix + spec.name for spec in topics.values()}
    wait_until(lambda: names <= admin.list_topics(timeout=TIMEOUT_SECONDS).topics.keys())
    wait_until(lambda: bool(admin.describe_acls(_matching(rules[-1])).result(timeout=TIMEOUT_SECONDS)))


def _topic_config(spec: TopicSpec) -> dict[str, str]:
    return {
        "retention.ms": str(spec.retention_days * DAY_MILLISECONDS),
        # Only whole segments are deleted: with the default of a week a record would stay for two.
        "segment.ms": str(DAY_MILLISECONDS),
        "max.message.bytes": str(spec.max_message_bytes),
        "cleanup.policy": "delete",
        # The broker's clock, so that a sender with a wrong or stepped clock cannot shorten or lengthen retention.
        "message.timestamp.type": "LogAppendTime",
    }


def access_rules(prefix: str, topics: Mapping[str, TopicSpec]) -> list[AclBinding]:
    """The access rules that the catalogue implies: writers write, readers and the oracle read, each with own groups.

    WRITE and READ imply DESCRIBE; the idempotent producer needs no cluster right since Kafka 3.0 (KIP-679).
    """
    rules: list[AclBinding] = []
    reading: set[str] = set()
    for spec in topics.values():
        readers = spec.readers | {ORACLE}
        reading |= readers
        for operation, principals in ((AclOperation.WRITE, spec.writers), (AclOperation.READ, readers)):
            for principal in sorted(principals):
                rules.append(_allow(principal, operation, ResourceType.TOPIC, prefix + spec.name))
    for principal in sorted(reading):
        group = prefix + principal
        rules.append(_allow(principal, AclOperation.READ, ResourceType.GROUP, group, ResourcePatternType.PREFIXED))
    return rules


def _allow(
    principal: str,
    operation: AclOperation,
    kind: ResourceType,
    name: str,
    pattern: ResourcePatternType = ResourcePatternType.LITERAL,
) -> AclBinding:
    return AclBinding(kind, name, pattern, f"User:{principal}", "*", operation, AclPermissionType.ALLOW)


def _matching(rule: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        rule.restype,
        rule.name,
        rule.resource_pattern_type,
        rule.principal,
        rule.host,
        rule.operation,
        rule.permission_type,
    )


async def ensure_principals(kafka: KafkaAccess) -> None:
    """Gives an external broker the principals with the passwords of `kafka`; the embedded one is born with them."""
    admin = kafka.admin()
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, SCRAM_ITERATIONS)
    wanted: list[UserScramCredentialAlteration] = [
        UserScramCredentialUpsertion(principal, info, kafka.passwords[principal].encode()) for principal in PRINCIPALS
    ]
    await asyncio.to_thread(lambda: _settle(admin.alter_user_scram_credentials(wanted)))


async def drop(prefix: str, *, admin_url: str | None = None, kafka: KafkaAccess | None = None) -> None:
    """Removes every database, role, topic, group and rule that this prefix owns. Idempotent."""
    await asyncio.gather(
        *([_drop_databases(admin_url, prefix)] if admin_url is not None else []),
        *([asyncio.to_thread(_drop_topics, kafka.admin(), prefix, TOPICS)] if kafka is not None else []),
    )


async def _drop_databases(admin_url: str, prefix: str) -> None:
    # All at once: each removal waits for a checkpoint of the whole server, and they share one.
    await asyncio.gather(*(drop_database(admin_url, prefix + service) for service in SERVICES))
    connection = await asyncpg.connect(admin_url)
    try:
        for service in SERVICES:
            await connection.execute(f"DROP ROLE IF EXISTS {quoted(prefix + service)}")
            await connection.execute(f"DROP ROLE IF EXISTS {quoted(prefix + service + '_owner')}")
    finally:
        await connection.close()


def _drop_topics(admin: AdminClient, prefix: str, topics: Mapping[str, TopicSpec]) -> None:
    groups = [
        group.group_id
        for group in admin.list_consumer_groups(request_timeout=TIMEOUT_SECONDS).result().valid
        if group.group_id.startswith(tuple(prefix + principal for principal in PRINCIPALS))
    ]
    if groups:
        # A member that was killed, or a static one, stays until its session ends: its group is left to expire.
        _settle(
            admin.delete_consumer_groups(groups), ignore=(KafkaError.GROUP_ID_NOT_FOUND, KafkaError.NON_EMPTY_GROUP)
        )
    names = {prefix + spec.name for spec in topics.values()} & admin.list_topics(timeout=TIMEOUT_SECONDS).topics.keys()
    if names:
        _settle(admin.delete_topics(sorted(names)), ignore=(KafkaError.UNKNOWN_TOPIC_OR_PART,))
    _settle(admin.delete_acls([_matching(rule) for rule in access_rules(prefix, topics)]))
    wait_until(lambda: not names & admin.list_topics(timeout=TIMEOUT_SECONDS).topics.keys())


def _settle(futures: Mapping[Any, Future[Any]], *, ignore: Sequence[int] = ()) -> None:
    """Waits for every answer; raises the first KafkaException whose code is not among those to ignore."""
    for future in futures.values():
        try:
            future.result(timeout=TIMEOUT_SECONDS)
        except KafkaException as error:
            if error.args[0].code() not in ignore:
                raise


def wait_until(condition: Callable[[], bool]) -> None:
    """Until the broker has learned what the controller has answered. Raises EmbeddedServerError when it does not."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise EmbeddedServerError(f"the broker did not carry out a change within {TIMEOUT_SECONDS} s")
        time.sleep(0.01)


def quoted(name: str) -> str:
    """A PostgreSQL identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A PostgreSQL string literal (utility statements take no parameters)."""
    return "'" + text.replace("'", "''") + "'"


def _url(admin_url: str, database: str, role: str, password: Callable[[str], str]) -> str:
    address = urlsplit(admin_url)
    query = f"?{address.query}" if address.query else ""
    host = address.netloc.rpartition("@")[2]
    return f"postgresql://{quote(role)}:{quote(password(role), safe='')}@{host}/{quote(database)}{query}"
