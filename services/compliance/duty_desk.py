"""The desk of duties with a time: who owes what by when, what is overdue, and what a person says was done."""

from __future__ import annotations

from datetime import date
from typing import Final, get_args

from services.compliance import finding_desk
from services.compliance.domain.duties import (
    INSTITUTION,
    Duty,
    DutyDoneTooLate,
    DutyNotRecorded,
    late_by_owner,
    recurring,
    standing,
)
from services.compliance.domain.findings import found_again
from services.compliance.domain.leaves import NewLeaf
from services.compliance.domain.rule_parts import DutyOwner
from services.compliance.instruments import Instruments
from services.compliance.store import duties as store
from services.compliance.store import duty_causes
from services.compliance.store.findings import load_current
from services.compliance.store.leaves import append_leaves
from shared.database import UnitOfWork
from shared.ids import event_id
from shared.telemetry.metrics import set_gauge

WATCH: Final = "compliance.duties_watch"


async def load(uow: UnitOfWork, instruments: Instruments) -> list[Duty]:
    """Where every duty with a time stands today (business date, UTC), the one due first first."""
    watched, waiting = await store.load_watched(uow), await store.load_waiting(uow)
    causes = await duty_causes.load_waiting(uow)
    return standing(instruments.book, now=uow.now, watched=watched, waiting=waiting, causes=causes)


async def look(uow: UnitOfWork, instruments: Instruments) -> None:
    """Open the finding of each duty that is overdue, and close that of each that is not any more."""
    today = uow.now.date()
    watched = {(one.rule, one.subject) for one in await store.load_watched(uow)}
    new = [(rule, INSTITUTION) for rule in recurring(instruments.book, today)]
    await store.begin(uow, [one for one in new if one not in watched], day=today)
    await _judge(uow, instruments, await load(uow, instruments))


async def count_overdue(uow: UnitOfWork, instruments: Instruments) -> None:
    """Say how many duties are overdue, by owner."""
    for owner, late in late_by_owner(await load(uow, instruments), get_args(DutyOwner)).items():
        set_gauge("doorstep.duties.overdue", late, owner=owner)


async def record_done(
    uow: UnitOfWork, instruments: Instruments, rule_id: str, *, subject: str, done_on: date, reference: str,
    by_whom: str,
) -> Duty:  # fmt: skip
    """A person says that a recurring duty was done on that day. A leaf; its finding closes when nothing is owed.

    Said again of the same day, nothing changes. Raises DutyNotRecorded, DutyDoneTooLate.
    """
    today = uow.now.date()
    if rule_id not in recurring(instruments.book, today):
        raise DutyNotRecorded(f"no recurring duty {rule_id!r} is in force")
    if done_on > today:
        raise DutyDoneTooLate()
    leaf = NewLeaf(
        kind="duty",
        leaf_id=event_id(),
        party_id=None,
        occurred_at=uow.now,
        recorded_at=uow.real_now,
        public={
            "rule": rule_id,
            "subject": subject,
            "done_on": done_on.isoformat(),
            "reference": reference,
            "by_whom": by_whom,
        },
    )
    if await store.record(
        uow, rule_id, subject, done_on=done_on, by_whom=by_whom, reference=reference, leaf_id=leaf.leaf_id
    ):
        await append_leaves(uow, instruments.cipher, [leaf])
    of_rule = [one for one in await load(uow, instruments) if one.rule.id == rule_id]
    await _judge(uow, instruments, of_rule)
    return next(one for one in of_rule if one.subject == subject)


async def _judge(uow: UnitOfWork, instruments: Instruments, duties: list[Duty]) -> None:
    # The findings' own locks: people take their steps under them.
    ids = [one.finding_id for one in duties]
    await uow.lock_parties(ids)
    known = await load_current(uow, ids)
    versions = [found_again(known.get(one.finding_id), one.found(), repaired="it was done") for one in duties]
    await finding_desk.record(uow, instruments, [one for one in versions if one is not None])
