"""What migrations of compliance share: tables that only grow, for the owner's mistakes as well as for the service."""

from __future__ import annotations

from shared.database.schema import HASH_PARTITIONS, Operations, grant


def append_only(op: Operations, table: str, *, partitions: int = HASH_PARTITIONS) -> None:
    """Grant reading and appending, and refuse UPDATE, DELETE and TRUNCATE by trigger (`refuse_change` of 0001).

    Statement triggers are not inherited: without one of its own a partition could be emptied behind its parent's back.
    `partitions` 0: the table is not partitioned.
    """
    grant(op, table, "SELECT", "INSERT")
    op.execute(
        f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    for name in (table, *(f"{table}_{index}" for index in range(partitions))):
        op.execute(
            f"CREATE TRIGGER no_truncate BEFORE TRUNCATE ON {name} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
