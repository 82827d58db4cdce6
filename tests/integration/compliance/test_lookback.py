"""`./doorstep rules lookback`: everyone contacted under a defective rule, and what became of it."""

import asyncio
import csv
from pathlib import Path
from uuid import UUID

from typer.testing import CliRunner, Result

from cli.app import app
from services.compliance.store.leaves import erase_people

from .conftest import Desk, visit_contact, visit_request
from .test_evidence_command import place


async def lookback(desk: Desk, rule: str, *more: str) -> Result:
    arguments = ["rules", "lookback", "--rule", rule, *place(desk), *more]
    return await asyncio.to_thread(CliRunner().invoke, app, arguments)


async def visited(desk: Desk) -> str:
    """A lawful visit on a permit, audited."""
    case = await desk.open_case()
    (permit,) = await desk.ask(visit_request(case))
    assert permit["decision"] == "allow"
    await desk.deliver("contact", ("contact.recorded", visit_contact(case, permit)))
    return str(case.party_id)


async def test_contacts_whose_decision_asked_the_rule_are_listed(desk: Desk, tmp_path: Path) -> None:
    people = {await visited(desk), await visited(desk)}
    file = tmp_path / "people.csv"
    done = await lookback(desk, "BANK-VISIT-30D", "--csv", str(file))
    assert done.exit_code == 0, done.output
    assert "BANK-VISIT-30D: 2 contacts with 2 people" in done.output
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert {row["party_id"] for row in rows} == people
    assert {(row["answer"], row["finding"]) for row in rows} == {("allow", "none")}


async def test_findings_on_the_rule_show_their_state(desk: Desk) -> None:
    case = await desk.open_case()
    await desk.deliver("contact", ("contact.recorded", visit_contact(case, None)))
    found = (await desk.get("/v1/findings", party_id=str(case.party_id))).json()["items"]
    rule, finding = found[0]["rule"], found[0]["finding_id"]
    await desk.post(f"/v1/findings/{finding}/uphold", {"reason": "true"}, by="judge")
    done = await lookback(desk, rule)
    assert "upheld" in done.output
    assert f"{rule}: 1 contacts with 1 people" in done.output


async def test_rule_that_nobody_was_judged_by_lists_nobody_and_a_misspelt_one_is_refused(desk: Desk) -> None:
    await visited(desk)
    assert "US-NYC-3IN7: 0 contacts with 0 people" in (await lookback(desk, "US-NYC-3IN7")).output
    done = await lookback(desk, "NO-SUCH-RULE")
    assert (done.exit_code, "no rule NO-SUCH-RULE is loaded" in done.output) == (1, True)


async def test_file_is_never_written_over(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("another list")
    done = await lookback(desk, "BANK-VISIT-30D", "--csv", str(file))
    assert (done.exit_code, "exists" in done.output, file.read_text()) == (1, True, "another list")


async def test_contacts_outside_the_dates_are_left_out(desk: Desk) -> None:
    await visited(desk)
    assert "0 contacts" in (await lookback(desk, "BANK-VISIT-30D", "--since", "2026-03-03")).output
    assert "1 contacts" in (await lookback(desk, "BANK-VISIT-30D", "--until", "2026-03-03")).output


async def test_whether_the_erased_were_judged_by_the_rule_nobody_can_say(desk: Desk, tmp_path: Path) -> None:
    party = UUID(await visited(desk))
    async with desk.database.unit_of_work() as uow:
        await uow.lock_parties([party])
        await erase_people(uow, desk.instruments.cipher, [party])
    file = tmp_path / "people.csv"
    assert (await lookback(desk, "BANK-VISIT-30D", "--csv", str(file))).exit_code == 0
    assert [row["answer"] for row in csv.DictReader(file.read_text().splitlines())] == ["erased"]
