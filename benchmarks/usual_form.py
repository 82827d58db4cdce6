"""The usual form: one message, one SQLAlchemy transaction with inbox, case, loan and outbox, one offset commit.

What a careful team writes first: validated, idempotent, atomic. Pool warm, statements prepared; nothing is published.
Run as a process of its own: `python -m benchmarks.usual_form`, task as JSON on standard input, prints events/s.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import BigInteger, DateTime, MetaData, String, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared.events.loan import LoanOverdue
from shared.events.topics import PARTITIONS


class _Base(DeclarativeBase):
    metadata = MetaData()
    type_annotation_map = {dict[str, Any]: JSONB, datetime: DateTime(timezone=True)}  # noqa: RUF012  # SQLAlchemy's way


class _Inbox(_Base):
    __tablename__ = "usual_inbox"
    event_id: Mapped[str] = mapped_column(String, primary_key=True)
    recorded_at: Mapped[datetime]


class _Case(_Base):
    __tablename__ = "usual_case"
    party_ref: Mapped[str] = mapped_column(String, primary_key=True)
    case_id: Mapped[UUID]
    version: Mapped[int]
    overdue: Mapped[int] = mapped_column(BigInteger)


class _Loan(_Base):
    __tablename__ = "usual_loan"
    loan_ref: Mapped[str] = mapped_column(String, primary_key=True)
    party_ref: Mapped[str]
    core_sequence: Mapped[int]
    state: Mapped[dict[str, Any]]


class _Outbox(_Base):
    __tablename__ = "usual_outbox"
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    key: Mapped[str]
    type: Mapped[str]
    data: Mapped[dict[str, Any]]


async def run(task: dict[str, Any]) -> float:
    """Events per second from the first fetched message to the last committed offset."""
    engine = create_async_engine(make_url(task["database_url"]).set(drivername="postgresql+asyncpg"), pool_size=2)
    async with engine.begin() as connection:
        await connection.run_sync(_Base.metadata.drop_all)
        await connection.run_sync(_Base.metadata.create_all)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    consumer = AIOKafkaConsumer(
        **task["kafka"], group_id=task["group"], enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    consumer.assign([TopicPartition(task["topic"], number) for number in range(PARTITIONS)])
    await consumer.seek_to_beginning()
    done, started = 0, 0.0
    while done < task["events"]:
        record = await consumer.getone()
        if done == task["warm"]:
            started = time.perf_counter()
        async with sessions.begin() as session:
            await _handle(session, dict(record.headers)["ce_id"].decode(), record.value)
        await consumer.commit({TopicPartition(record.topic, record.partition): record.offset + 1})
        done += 1
    seconds = time.perf_counter() - started
    await consumer.stop()
    await engine.dispose()
    return float((task["events"] - task["warm"]) / seconds)


async def _handle(session: AsyncSession, event_id: str, value: bytes) -> None:
    claimed = await session.execute(
        insert(_Inbox).values(event_id=event_id, recorded_at=datetime.now(UTC)).on_conflict_do_nothing()
        .returning(_Inbox.event_id)
    )  # fmt: skip
    if claimed.scalar() is None:
        return
    fact = LoanOverdue.model_validate_json(value)
    loan = await session.get(_Loan, fact.loan_ref, with_for_update=True)
    if loan is None:
        loan = _Loan(loan_ref=fact.loan_ref, party_ref=fact.party_ref, core_sequence=0, state={})
        session.add(loan)
    if loan.core_sequence >= fact.core_sequence:
        return
    loan.core_sequence, loan.state = fact.core_sequence, fact.model_dump(mode="json")
    case = (await session.scalars(select(_Case).where(_Case.party_ref == fact.party_ref).with_for_update())).first()
    opened = case is None
    if case is None:
        case = _Case(party_ref=fact.party_ref, case_id=uuid4(), version=0, overdue=0)
        session.add(case)
    case.version += 1
    case.overdue = sum(item.principal - item.paid for item in fact.due_items if item.due_date < fact.business_date)
    data = {"case_id": str(case.case_id), "version": case.version, "overdue": case.overdue}
    session.add(_Outbox(key=fact.party_ref, type="case.opened" if opened else "case.updated", data=data))


if __name__ == "__main__":
    print(uvloop.run(run(json.load(sys.stdin))))
