"""What migrations share: grants of least privilege and hash partitions."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from sqlalchemy import Connection, text

OWNER_SUFFIX = "_owner"
HASH_PARTITIONS = 8
_OPEN_PARTITIONS = text("""
SELECT c.oid::regclass::text FROM pg_class c
WHERE c.relispartition AND c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
  AND c.relowner = current_user::regrole
  AND (has_table_privilege(:role, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
       OR has_any_column_privilege(:role, c.oid, 'SELECT, INSERT, UPDATE'))
ORDER BY 1
""")


class Operations(Protocol):
    """The part of `alembic.op` that is needed here (the module itself satisfies it)."""

    def execute(self, sqltext: str) -> None:
        """Run one statement."""
        ...

    def get_bind(self) -> Connection:
        """The connection the migration runs on."""
        ...


class Index(NamedTuple):
    """An index on a table that is large already. A revision that lists it in `beforehand` has it built while others
    write, partition by partition, before its transaction begins; there it is only joined to the table.
    """

    name: str
    table: str
    columns: str
    """The columns in brackets, and the condition if there is one."""


def create_index(op: Operations, index: Index) -> None:
    """Create the index; what was built beforehand of it is taken over."""
    op.execute(f"CREATE INDEX IF NOT EXISTS {index.name} ON {index.table} {index.columns}")


def runtime_role(op: Operations) -> str:
    """The role the service runs as: the migrating role without `_owner` (itself, where it has no such ending)."""
    return _current_user(op).removesuffix(OWNER_SUFFIX)


def grant(op: Operations, table: str, *privileges: str) -> None:
    """Grant `privileges` (SELECT, INSERT, UPDATE, DELETE) on `table` to the runtime role, and nothing else."""
    preparer = op.get_bind().dialect.identifier_preparer
    role = preparer.quote(runtime_role(op))
    if role != preparer.quote(_current_user(op)):
        # The database's default privileges may have given more.
        op.execute(f"REVOKE ALL ON {table} FROM {role}")
    op.execute(f"GRANT {', '.join(privileges)} ON {table} TO {role}")


def withhold_partitions(connection: Connection) -> None:
    """Take from the runtime role whatever it may do to a partition by its own name, as default privileges allow.

    Through its table it keeps what was granted there; around it, rows of an append-only table could be changed.
    """
    owner = str(connection.execute(text("SELECT current_user")).scalar_one())
    role = owner.removesuffix(OWNER_SUFFIX)
    if role == owner:
        return
    for partition in connection.execute(_OPEN_PARTITIONS, {"role": role}).scalars().all():
        connection.execute(text(f"REVOKE ALL ON {partition} FROM {connection.dialect.identifier_preparer.quote(role)}"))


def allow_call(op: Operations, function: str) -> None:
    """Let the runtime role call `function` (name and argument types), and nobody else but its owner."""
    role = op.get_bind().dialect.identifier_preparer.quote(runtime_role(op))
    op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {role}")


def create_hash_partitions(op: Operations, table: str, *, count: int = HASH_PARTITIONS, storage: str = "") -> None:
    """Create the `count` partitions of a table declared `PARTITION BY HASH`, named `<table>_0` and so on.

    `storage` is an optional storage clause, for instance `fillfactor = 80` for rows that are updated often.
    """
    clause = f" WITH ({storage})" if storage else ""
    for index in range(count):
        op.execute(
            f"CREATE TABLE {table}_{index} PARTITION OF {table} "
            f"FOR VALUES WITH (MODULUS {count}, REMAINDER {index}){clause}"
        )


def _current_user(op: Operations) -> str:
    return str(op.get_bind().execute(text("SELECT current_user")).scalar_one())
