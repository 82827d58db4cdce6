"""Feeds of reported contacts: numbers without gaps, days closed by a total, silence that closes channels."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from services.compliance.feed_desk import WATCH, look_for_silence
from services.compliance.watch import next_look
from services.compliance.watch import watch as timer
from shared.events.case import CaseOpened
from shared.messaging.intents import Intent, TimerDue

from .conftest import Desk, visit_request
from .test_contacts import call, declare_source, message, report, terms, total


async def declare(desk: Desk, *channels: str, hours: int = 26) -> None:
    await declare_source(desk, "dialler-1", channels=list(channels), silent_after_hours=hours)


async def close(desk: Desk, day: str, last_number: int, records: int) -> Any:
    return await desk.post("/v1/feeds/dialler-1/days", total("dialler-1", day, last_number, records))


async def gaps(desk: Desk) -> list[tuple[str, bool]]:
    items = (await desk.get("/v1/control-findings", rule="FEED-GAP")).json()["items"]
    return [(one["subject"], one["harm"]) for one in items]


async def ask_for_message(desk: Desk, case: CaseOpened) -> dict[str, Any]:
    asked = visit_request(
        case, channel="sms", purpose="appointment_admin", duration_minutes=0, crew=[], device_id=None, place_cell=None
    )
    (answer,) = await desk.ask(asked)
    return answer


async def fall_silent(desk: Desk) -> None:
    """Two hours without a word; tokens do not live that long, so the last word is moved instead of the clock."""
    async with desk.database.unit_of_work() as uow:
        await uow.sql.execute("UPDATE feed SET heard_real = heard_real - interval '2 hours'")


async def watch(desk: Desk) -> None:
    """The watch's timer rings."""
    due = next_look(WATCH, desk.clock.real)
    intent = Intent(
        id=None,
        kind=due.kind,
        key=due.key,
        party_id=None,
        payload={},
        due_at=due.due_at,
        clock="real",
        attempts=0,  # type: ignore[arg-type]  # no id is needed
    )
    async with desk.database.unit_of_work() as uow:
        await timer(WATCH, partial(look_for_silence, instruments=desk.instruments)).commit(uow, [(intent, TimerDue())])


async def test_day_with_all_its_numbers_closes_without_a_finding(desk: Desk) -> None:
    case = await desk.open_case()
    await report(desk, call(case, 1), call(case, 2))
    closed = await close(desk, "2026-03-02", 2, 2)
    assert (closed.json()["first_number"], closed.json()["known"], closed.json()["missing"]) == (1, 2, [])
    assert await gaps(desk) == []


async def test_missing_number_is_a_finding_until_it_comes(desk: Desk) -> None:
    case = await desk.open_case()
    await report(desk, call(case, 1), call(case, 4))
    closed = await close(desk, "2026-03-02", 4, 4)
    assert closed.json()["missing"] == [[2, 3]]
    assert await gaps(desk) == [("feed:dialler-1", True)]
    await report(desk, call(case, 2))
    assert await gaps(desk) == [("feed:dialler-1", True)]
    await report(desk, call(case, 3))
    assert await gaps(desk) == [("feed:dialler-1", False)]


async def test_total_that_contradicts_its_numbers_is_a_finding(desk: Desk) -> None:
    case = await desk.open_case()
    await report(desk, call(case, 1), call(case, 2))
    await close(desk, "2026-03-02", 2, 3)
    assert await gaps(desk) == [("feed:dialler-1", True)]


async def test_days_close_one_after_the_other(desk: Desk) -> None:
    await declare(desk, "call")
    assert (await close(desk, "2026-03-01", 0, 0)).status_code == 200
    assert (await close(desk, "2026-03-01", 0, 0)).status_code == 200
    assert (await close(desk, "2026-03-01", 1, 1)).status_code == 409
    assert (await close(desk, "2026-02-28", 0, 0)).status_code == 409
    assert (await close(desk, "2026-03-09", 0, 0)).status_code == 422


async def test_day_of_a_feed_that_nobody_knows_is_not_found(desk: Desk) -> None:
    assert (await close(desk, "2026-03-01", 0, 0)).status_code == 404


async def test_silent_feed_closes_its_channel_and_no_other(desk: Desk) -> None:
    case = await desk.open_case()
    await declare(desk, "sms", hours=1)
    assert (await ask_for_message(desk, await desk.open_case()))["decision"] == "allow"
    await fall_silent(desk)
    answer = await ask_for_message(desk, case)
    assert answer["decision"] == "needs-fact"
    assert [one["detail"] for one in answer["reasons"]] == ["feed_silent: dialler-1"]
    (visit,) = await desk.ask(visit_request(case))
    assert visit["decision"] == "allow"


async def test_channel_opens_when_the_feed_speaks_again(desk: Desk) -> None:
    case = await desk.open_case()
    await declare(desk, "sms", hours=1)
    await fall_silent(desk)
    await report(desk, message(await desk.open_case()))
    assert not (await desk.get("/v1/feeds")).json()["items"][0]["silent"]
    assert (await ask_for_message(desk, case))["decision"] == "allow"


async def test_feed_that_closes_no_day_closes_its_channel_until_it_does(desk: Desk) -> None:
    """It speaks, but without totals its missing numbers would never come out."""
    await declare(desk, "sms")
    await report(desk, message(await desk.open_case()))
    async with desk.database.unit_of_work() as uow:
        overdue = "UPDATE feed SET closed_real = closed_real - interval '49 hours' WHERE source = 'dialler-1'"
        await uow.sql.execute(overdue)
    await watch(desk)
    await watch(desk)
    (found,) = (await desk.get("/v1/control-findings")).json()["items"]
    assert (found["rule"], found["subject"]) == ("FEED-UNCLOSED", "feed:dialler-1")
    answer = await ask_for_message(desk, await desk.open_case())
    assert (answer["decision"], [one["detail"] for one in answer["reasons"]]) == (
        "needs-fact", ["feed_silent: dialler-1"]
    )  # fmt: skip
    await close(desk, "2026-03-01", 0, 0)
    assert (await ask_for_message(desk, await desk.open_case()))["decision"] == "allow"


async def test_who_only_repeats_what_was_said_stays_silent(desk: Desk) -> None:
    record = message(await desk.open_case())
    await declare(desk, "sms", hours=1)
    await report(desk, record)
    await fall_silent(desk)
    assert (await report(desk, record))[0]["status"] == "repeated"
    assert (await desk.get("/v1/feeds")).json()["items"][0]["silent"]


async def unsigned(desk: Desk) -> list[tuple[str, bool]]:
    items = (await desk.get("/v1/control-findings", rule="FEED-UNSIGNED")).json()["items"]
    return [(one["state"], one["harm"]) for one in items]


async def test_total_that_the_source_did_not_sign_closes_no_day_and_is_a_finding(desk: Desk) -> None:
    await declare(desk, "call")
    good = total("dialler-1", "2026-03-01", 0, 0)
    other = total("dialler-1", "2026-03-01", 1, 1)
    for signature in (None, "AAAA", "no base64", other["signature"]):
        refused = await desk.post("/v1/feeds/dialler-1/days", good | {"signature": signature})
        assert (refused.status_code, refused.json()["type"].split("/")[-1]) == (403, "feed-total-unsigned")
    assert await unsigned(desk) == [("open", True)]
    assert (await desk.get("/v1/feeds")).json()["items"][0]["closed_day"] is None
    assert (await desk.post("/v1/feeds/dialler-1/days", good)).status_code == 200
    assert await unsigned(desk) == [("remedied", False)]
    (closed,) = await desk.leaves("feed_day")
    assert (closed["key"], closed["signature"]) == (terms("dialler-1")["total_key"], good["signature"])


async def test_feed_of_before_without_a_key_closes_no_day(desk: Desk) -> None:
    await declare(desk, "sms")
    async with desk.database.unit_of_work() as uow:
        await uow.sql.execute("UPDATE feed SET total_key = NULL, closed_real = closed_real - interval '49 hours'")
    assert (await close(desk, "2026-03-01", 0, 0)).status_code == 403
    assert await unsigned(desk) == [("open", True)]
    assert (await ask_for_message(desk, await desk.open_case()))["decision"] == "needs-fact"
    # A key may be declared while its channels are closed; only the signed total opens them.
    await declare(desk, "sms")
    assert (await ask_for_message(desk, await desk.open_case()))["decision"] == "needs-fact"
    assert (await close(desk, "2026-03-01", 0, 0)).status_code == 200
    assert (await ask_for_message(desk, await desk.open_case()))["decision"] == "allow"


@pytest.mark.parametrize("missing", ["total_key", "reason"])
async def test_feed_is_declared_with_a_key_and_a_reason(desk: Desk, missing: str) -> None:
    body = {name: value for name, value in terms("dialler-1").items() if name != missing}
    assert (await desk.post("/v1/feeds", body)).status_code == 422
    assert (await desk.post("/v1/feeds", terms("dialler-1", total_key="dialler+00+AAAA"))).status_code == 422


async def test_who_closes_old_days_only_stays_behind(desk: Desk) -> None:
    """A day closed a month late is no sign that today's will come."""
    await declare(desk, "sms")
    async with desk.database.unit_of_work() as uow:
        await uow.sql.execute("UPDATE feed SET closed_real = closed_real - interval '49 hours'")
    assert (await close(desk, "2026-01-30", 0, 0)).status_code == 200
    assert (await ask_for_message(desk, await desk.open_case()))["decision"] == "needs-fact"
    assert (await close(desk, "2026-03-01", 0, 0)).status_code == 200
    assert (await ask_for_message(desk, await desk.open_case()))["decision"] == "allow"


async def test_unclosed_day_is_found_before_it_closes_the_channel(desk: Desk) -> None:
    await declare(desk, "sms")
    async with desk.database.unit_of_work() as uow:
        await uow.sql.execute("UPDATE feed SET closed_real = closed_real - interval '37 hours'")
    await watch(desk)
    (found,) = (await desk.get("/v1/control-findings")).json()["items"]
    assert found["rule"] == "FEED-UNCLOSED"
    assert (await ask_for_message(desk, await desk.open_case()))["decision"] == "allow"


@pytest.mark.parametrize("changes", [{"channels": ["call"]}, {"silent_after_hours": 240}])
async def test_new_terms_open_no_channel_that_is_closed(desk: Desk, changes: dict[str, Any]) -> None:
    await declare(desk, "sms", "call", hours=1)
    await fall_silent(desk)
    known = terms("dialler-1", channels=["sms", "call"], silent_after_hours=1)
    refused = await desk.post("/v1/feeds", known | changes)
    assert (refused.status_code, refused.json()["type"].split("/")[-1]) == (409, "feed-opens-channel")
    assert "sms" in refused.json()["channels"]
    assert (await desk.post("/v1/feeds", known | {"channels": ["sms", "call", "email"]})).status_code == 200
    assert (await ask_for_message(desk, await desk.open_case()))["decision"] == "needs-fact"


async def test_closing_and_reopening_a_feed_takes_a_named_person_and_a_leaf(desk: Desk) -> None:
    await declare(desk, "sms", hours=1)
    await fall_silent(desk)
    body = {"reason": "decommission-17"}
    nobody = await desk.post("/v1/feeds/dialler-1/close", body, by="auditor", client="auditor")
    assert (nobody.status_code, nobody.json()["type"].split("/")[-1]) == (403, "person-needed")
    closed = await desk.post("/v1/feeds/dialler-1/close", body, by="li-wei", client="auditor")
    assert (closed.json()["closed"], closed.json()["silent"]) == (True, False)
    assert (await desk.post("/v1/feeds/dialler-1/close", body, by="li-wei", client="auditor")).status_code == 409
    case = await desk.open_case()
    assert (await ask_for_message(desk, case))["decision"] == "allow"
    (result,) = await report(desk, message(case))
    assert result["problem"]["type"].endswith("/feed-closed")
    assert (await close(desk, "2026-03-01", 0, 0)).status_code == 409
    again = await desk.post("/v1/feeds/dialler-1/reopen", {"reason": "needed-again"}, by="li-wei", client="auditor")
    assert not again.json()["closed"]
    assert (await report(desk, message(case)))[0]["status"] == "recorded"
    steps = [(one["step"], one["reason"], one["by_whom"]) for one in await desk.leaves("feed")]
    assert steps[0][:2] == ("declared", "test-1")
    assert [one for one in steps if one[0] != "declared"] == [
        ("closed", "decommission-17", "li-wei"), ("reopened", "needed-again", "li-wei"),
    ]  # fmt: skip


async def test_late_record_waits_for_a_person_who_decides_on_the_gap(desk: Desk) -> None:
    """Both make the finding's next version: neither is lost."""
    case = await desk.open_case()
    await declare(desk, "call")
    await close(desk, "2026-03-02", 1, 1)
    (found,) = (await desk.get("/v1/control-findings")).json()["items"]
    async with desk.database.unit_of_work() as uow:
        await uow.lock_parties([UUID(found["finding_id"])])
        late = asyncio.create_task(report(desk, call(case)))
        await asyncio.sleep(0.5)
        assert not late.done()
    assert (await late)[0]["status"] == "recorded"
    (found,) = (await desk.get("/v1/control-findings")).json()["items"]
    assert (found["version"], found["state"], found["harm"]) == (2, "remedied", False)


async def test_each_silence_is_one_finding(desk: Desk) -> None:
    await declare(desk, "call", hours=1)
    await watch(desk)
    await fall_silent(desk)
    await watch(desk)
    await watch(desk)
    desk.clock.real += timedelta(minutes=1)
    await report(desk, call(await desk.open_case()))
    await fall_silent(desk)
    await watch(desk)
    found = (await desk.get("/v1/control-findings", rule="FEED-SILENT")).json()["items"]
    assert [one["state"] for one in found] == ["open", "open"]


async def test_control_finding_goes_its_way_like_any_other(desk: Desk) -> None:
    await declare(desk, "call")
    await close(desk, "2026-03-02", 1, 1)
    (found,) = (await desk.get("/v1/control-findings")).json()["items"]
    path = f"/v1/findings/{found['finding_id']}"
    await desk.post(f"{path}/explain", {"reason": "The file was lost."}, by="ann")
    detail = (await desk.post(f"{path}/uphold", {"reason": "Not sent again."}, by="bob")).json()
    assert [one["reason"] for one in detail["history"]] == [None, "The file was lost.", "Not sent again."]
    assert (await desk.get("/v1/findings")).json()["items"] == []
