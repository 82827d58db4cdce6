"""`python -m cli.prepare`: databases, roles, migrations, principals, topics, access rules and the development issuer's
clients on given servers, then ends. Repeating it changes nothing. Compose runs it before the services.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.embedded.kafka import ADMIN, PRINCIPALS, KafkaAccess
from shared.embedded.provision import ensure_principals, provision_databases, provision_topics
from shared.security.clients import create_clients
from shared.security.key_management import write_private_file


class PrepareSettings(BaseSettings):
    """Where to prepare what (prefix `DOORSTEP_`). One secret for all of it: this is for development only."""

    model_config = SettingsConfigDict(env_prefix="DOORSTEP_", extra="ignore", frozen=True)

    database_url: SecretStr = Field(description="postgresql:// of a role that may make databases and roles.")
    kafka_bootstrap: str = Field(description="host:port of the broker.")
    secret: SecretStr = Field(
        min_length=16, description="Password of every role and principal, secret of every client."
    )
    issuer_clients: Path = Field(description="Where the development issuer reads its clients.")
    prefix: str = Field("", pattern=r"^[a-z0-9_]{0,24}$", description="Prepended to databases and topics.")


async def prepare(settings: PrepareSettings) -> None:
    """Make everything that a service expects to find. Raises asyncpg.PostgresError, confluent_kafka.KafkaException."""
    secret = settings.secret.get_secret_value()
    kafka = KafkaAccess(settings.kafka_bootstrap, dict.fromkeys((ADMIN, *PRINCIPALS), secret))
    await ensure_principals(kafka)
    await provision_topics(kafka, settings.prefix)
    await provision_databases(settings.database_url.get_secret_value(), settings.prefix, password=lambda _: secret)
    write_clients(settings.issuer_clients, secret)


def write_clients(path: Path, secret: str) -> None:
    """The clients of today's scope catalogue, all with the same secret, in a file for the issuer's user alone."""
    path.unlink(missing_ok=True)
    clients = [client.model_copy(update={"client_secret": secret}) for client in create_clients(path).values()]
    content = json.dumps([client.model_dump(mode="json") for client in clients])
    write_private_file(path, content.encode(), replace=True)


if __name__ == "__main__":
    asyncio.run(prepare(PrepareSettings()))
