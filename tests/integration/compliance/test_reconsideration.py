"""Outstanding permits judged again when something is learnt late, or when the rules change."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.compliance import reconsideration, rule_hindsight, rule_turns
from services.compliance.domain.packs import RuleBook
from services.compliance.rule_book import read_packs, sources_of
from services.compliance.rule_sets import record_rule_set
from services.compliance.store import rule_turns as store
from shared.database import Database, UnitOfWork
from shared.events.case import CaseOpened
from shared.events.contact import ContactRecorded
from shared.messaging.liveness import Pulse
from shared.messaging.worker import Worker

from .conftest import Desk, visit_contact, visit_request

CAP = "CN-CBA2026-FREQ"


def tightened(limit: int) -> RuleBook:
    """The shipped rules, with so many contacts allowed in seven local dates."""
    sources = sources_of()
    shipped = b"cn_contacts_in_7_dates = 7"
    assert shipped in sources["bank-cn.toml"]
    return read_packs(
        sources | {"bank-cn.toml": sources["bank-cn.toml"].replace(shipped, b"%b%d" % (shipped[:-1], limit))}
    )


async def grant(desk: Desk, case: CaseOpened, *, day: int = 2) -> dict[str, Any]:
    """A permit for a message in the afternoon of that day of March."""
    window = {"start": f"2026-03-0{day}T06:00:00Z", "end": f"2026-03-0{day}T08:00:00Z"}
    (answer,) = await desk.ask(visit_request(case, channel="sms", window=window, crew=[], duration_minutes=0))
    assert answer["decision"] == "allow", answer
    return answer


def message(case: CaseOpened, permit: dict[str, Any] | None) -> ContactRecorded:
    moment = datetime(2026, 3, 2, 6, 10, tzinfo=UTC)
    return visit_contact(case, permit, channel="sms", crew=[], started_at=moment, ended_at=moment)


def worker(desk: Desk) -> Worker:
    return Worker(desk.database, [], pulse=Pulse("worker"))


async def take_turn(desk: Desk, book: RuleBook, *, occasion: str = "start") -> rule_turns.RulesPages:
    instruments = replace(desk.instruments, book=book)
    async with desk.database.unit_of_work() as uow:
        await rule_turns.take_turn(uow, instruments, occasion=occasion)
    return rule_turns.RulesPages(instruments)


async def finish(desk: Desk, pages: rule_turns.RulesPages) -> int:
    by = worker(desk)
    rounds = 0
    while await by.work_once(pages):
        rounds += 1
    return rounds


async def revoked(desk: Desk) -> list[tuple[str, str]]:
    return [(one["permit_id"], one["cause"]) for one in await desk.events("compliance.permit_revoked")]


async def test_late_contact_revokes_the_permit_granted_last(desk: Desk) -> None:
    desk.instruments = replace(desk.instruments, book=tightened(2))
    case = await desk.open_case()
    await grant(desk, case, day=3)
    last = await grant(desk, case, day=4)
    await desk.deliver("contact", ("contact.recorded", message(case, None)))
    (event,) = await desk.events("compliance.permit_revoked")
    assert (event["permit_id"], event["cause"]) == (last["permit_id"], CAP)
    assert event["citation"].startswith("CBA guide")


async def test_judged_again_without_anything_new_nothing_changes(desk: Desk) -> None:
    desk.instruments = replace(desk.instruments, book=tightened(2))
    case = await desk.open_case()
    await grant(desk, case, day=3)
    await grant(desk, case, day=4)
    await desk.deliver("contact", ("contact.recorded", message(case, None)))
    async with desk.database.unit_of_work() as uow:
        await uow.lock_parties([case.party_id])
        assert await reconsideration.reconsider(uow, desk.instruments, [case.party_id]) == []


async def test_contact_on_its_own_permit_revokes_nothing(desk: Desk) -> None:
    desk.instruments = replace(desk.instruments, book=tightened(2))
    case = await desk.open_case()
    first = await grant(desk, case)
    await grant(desk, case, day=3)
    await desk.deliver("contact", ("contact.recorded", message(case, first)))
    assert await revoked(desk) == []


async def test_attested_history_that_shrinks_revokes(desk: Desk) -> None:
    case = await desk.open_case()
    permit = await grant(desk, case)
    later = case.model_copy(update={"version": 2, "history_known_from": date(2026, 3, 2)})
    await desk.deliver("case", ("case.updated", later))
    assert [permit_id for permit_id, _ in await revoked(desk)] == [permit["permit_id"]]


async def test_new_rules_revoke_what_they_would_not_grant(desk: Desk) -> None:
    pressed, spared = await desk.open_case(), await desk.open_case()
    await grant(desk, pressed, day=3)
    second = await grant(desk, pressed, day=4)
    await grant(desk, spared)
    await finish(desk, await take_turn(desk, tightened(1)))
    assert await revoked(desk) == [(second["permit_id"], CAP)]


async def test_same_rules_begin_one_turn(desk: Desk) -> None:
    for occasion in ("start", "again"):
        await take_turn(desk, desk.instruments.book, occasion=occasion)
    async with desk.database.read_only() as uow:
        assert await uow.sql.fetchval("SELECT count(*) FROM rule_turn") == 1


async def test_boundary_that_passes_begins_a_turn(desk: Desk) -> None:
    book = desk.instruments.book
    await take_turn(desk, book)
    coming = rule_turns.next_boundary(book, desk.clock.business.date() + timedelta(days=1))
    assert coming is not None
    desk.clock.business += timedelta(days=(coming - desk.clock.business.date()).days)
    await take_turn(desk, book, occasion="boundary")
    async with desk.database.read_only() as uow:
        turn = await store.load_newest(uow)
        assert turn is not None
        assert turn.boundary == coming
        assert await uow.sql.fetchval("SELECT count(*) FROM rule_turn") == 2


async def test_permit_of_an_older_process_is_found_by_the_next_look(desk: Desk) -> None:
    tight = tightened(1)
    await finish(desk, await take_turn(desk, tight))
    case = await desk.open_case()
    await grant(desk, case, day=3)
    second = await grant(desk, case, day=4)
    await finish(desk, await take_turn(desk, tight, occasion="10:10"))
    assert await revoked(desk) == [(second["permit_id"], CAP)]


async def test_page_of_other_rules_is_left_to_their_processes(desk: Desk) -> None:
    case = await desk.open_case()
    await grant(desk, case)
    await take_turn(desk, tightened(1))
    await finish(desk, rule_turns.RulesPages(desk.instruments))
    async with desk.database.read_only() as uow:
        assert (
            await uow.sql.fetchval("SELECT count(*) FROM intent WHERE kind = $1 AND done_at IS NULL", rule_turns.PAGE)
            == 1
        )


class Killed(rule_turns.RulesPages):
    """A worker that is killed inside a later page, after the revocations and before the commit."""

    async def commit(self, uow: UnitOfWork, answered: Any) -> None:
        await super().commit(uow, answered)
        raise asyncio.CancelledError


async def expire_leases(database: Database) -> None:
    async with database.unit_of_work() as uow:
        await uow.sql.execute(
            "UPDATE intent SET leased_until = clock_timestamp() WHERE done_at IS NULL AND lease IS NOT NULL"
        )


async def test_killed_in_the_middle_it_goes_on_where_it_stopped(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_turns, "PARTIES_PER_PAGE", 2)
    expected = set()
    for _ in range(7):
        case = await desk.open_case()
        await grant(desk, case, day=3)
        expected.add((await grant(desk, case, day=4))["permit_id"])
    pages = await take_turn(desk, tightened(1))
    dying = worker(desk)
    assert [await dying.work_once(pages) for _ in range(2)] == [True, True]
    with pytest.raises(asyncio.CancelledError):
        await dying.work_once(Killed(pages.instruments))
    assert len(await revoked(desk)) == 4
    await expire_leases(desk.database)
    assert await finish(desk, pages) == 3  # the page that was lost, the last one, and one that finds nothing left
    assert {permit_id for permit_id, _ in await revoked(desk)} == expected
    assert len(await revoked(desk)) == 7


async def test_revoked_permits_are_in_the_lists_and_leaves(desk: Desk) -> None:
    case = await desk.open_case()
    await grant(desk, case, day=3)
    second = await grant(desk, case, day=4)
    await finish(desk, await take_turn(desk, tightened(1)))
    async with desk.database.read_only() as uow:
        listed = await uow.sql.fetch("SELECT permit_id, cause FROM revocation")
        leaves = await uow.sql.fetchval("SELECT count(*) FROM log_entry WHERE kind = 'revocation'")
    assert [(row["permit_id"], row["cause"]) for row in listed] == [(UUID(second["permit_id"]), CAP)]
    assert leaves == 1


async def test_permit_whose_window_is_over_is_left_alone(desk: Desk) -> None:
    case = await desk.open_case()
    await grant(desk, case)
    desk.clock.business += timedelta(hours=8)
    later = case.model_copy(update={"version": 2, "history_known_from": date(2026, 3, 2)})
    await desk.deliver("case", ("case.updated", later))
    assert await revoked(desk) == []


async def test_task_for_a_calendar_ends_when_one_arrives_that_covers_the_day(desk: Desk) -> None:
    case = await desk.open_case()
    window = {"start": "2028-03-02T06:00:00Z", "end": "2028-03-02T08:00:00Z"}
    await desk.ask(visit_request(case, window=window))

    async def waits() -> bool:
        items = (await desk.get("/v1/fact-tasks", owner="compliance")).json()["items"]
        return "calendar.loaded" in {one["fact"] for one in items}

    def until(year: bytes) -> RuleBook:
        sources = sources_of()
        china = sources["cn-contact.toml"]
        assert b"last = 2027-12-31" in china
        return read_packs(sources | {"cn-contact.toml": china.replace(b"last = 2027", b"last = " + year)})

    assert await waits()
    await take_turn(desk, tightened(6))
    assert await waits()
    await take_turn(desk, until(b"2028"))
    assert not await waits()


async def test_contacts_are_judged_again_by_a_pack_that_came_late(desk: Desk) -> None:
    await record_rule_set(desk.database, desk.instruments)
    await take_turn(desk, desk.instruments.book)
    case, other = await desk.open_case(), await desk.open_case()
    for one, hours in ((case, 0), (case, 2), (other, 0)):
        moment = datetime(2026, 3, 2, 6 + hours, tzinfo=UTC)
        made = visit_contact(one, None, channel="sms", crew=[], started_at=moment, ended_at=moment)
        await desk.deliver("contact", ("contact.recorded", made))
    before = len(await desk.events("compliance.violation_found"))
    tight = tightened(1)
    await take_turn(desk, tight)
    await finish(desk, rule_hindsight.HindsightPages(replace(desk.instruments, book=tight)))
    found = (await desk.events("compliance.violation_found"))[before:]
    assert [(one["party_id"], one["rule"]) for one in found] == [(str(case.party_id), CAP)]
