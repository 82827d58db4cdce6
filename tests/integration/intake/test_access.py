"""Everything that intake keeps about a person, for that person, in plain words; nobody else is in it."""

from datetime import timedelta
from uuid import uuid4

from services.intake.access_desk import LISTS
from services.intake.ageing import DayClose
from services.intake.domain.policy import DelinquencyPolicy
from services.intake.score_desk import ScoreRun, Scoring
from shared.events.compliance import PartyErased
from shared.events.loan import Obligor
from tests.integration.intake.conftest import NOW, carry_out
from tests.integration.intake.scores import set_past
from tests.integration.intake.test_facts import party_of
from tests.unit.intake.facts import DAY, day_closed, due, overdue, payment, person

SHARED = ("unprocessed", "intended", "given")
GUARANTOR = Obligor(party_ref="P-GUARANTOR", role="guarantor", liability="secondary")


async def asked(intake, party):
    async with intake.api() as api:
        received = {"received_at": NOW.isoformat(), "given_by": "anna"}
        return await api.get(f"/v1/parties/{party}/access-lists", params=received)


async def told(intake, party):
    answer = await asked(intake, party)
    assert answer.status_code == 200, answer.text
    return {one["name"]: one["rows"] for one in answer.json()["lists"]}, answer.text


async def known(intake):
    """Somebody who is late, has paid a part, was scored, and has a guarantor."""
    own = Obligor(party_ref="P-1", role="borrower", liability="full")
    await intake.tell(
        person(1), overdue(2, due(10, 500), due(40, 700), obligors=[own, GUARANTOR]),
        payment(3, 100, due(10, 500), due(40, 700, 100), payer_ref="PAYER-OF-OURS"), day_closed(DAY),
    )  # fmt: skip
    await set_past(intake, (80, "B1"))
    await carry_out(intake, DayClose(intake.folding))
    await carry_out(intake, ScoreRun(Scoring(intake.scored_by, "Asia/Shanghai", DelinquencyPolicy(), 100)))
    return await party_of(intake)


async def test_person_is_told_everything_and_nobody_else(intake):
    party = await known(intake)
    lists, text = await told(intake, party)

    assert list(lists) == [*LISTS, *SHARED]
    filled = {name for name, rows in lists.items() if rows}
    assert filled >= {"card", "references", "person", "loans", "due", "payments", "facts", "cases", "scores"}
    assert {one["values"]["source"] for one in lists["card"] if one["values"]["kind"] == "mobile"} == {"contract"}
    assert lists["loans"][0]["values"]["role"] == "borrower"
    assert "CNY 1.00" in lists["payments"][0]["words"]["en"]
    assert "P-GUARANTOR" not in text
    assert "PAYER-OF-OURS" not in text


async def test_score_is_told_with_its_reasons_and_what_it_never_does(intake):
    party = await known(intake)
    async with intake.api() as api:
        answer = (await api.get(f"/v1/parties/{party}/access-lists", params={"received_at": NOW.isoformat()})).json()
    score = next(one for one in answer["lists"] if one["name"] == "scores")

    assert "never creates a visit" in score["about"]["en"]
    assert "绝不产生上门" in score["about"]["zh"]
    assert {row["values"]["question"] for row in score["rows"]} <= {"cure", "roll", "payment"}
    assert "months late now" in " ".join(row["words"]["en"] for row in score["rows"])


async def test_reading_is_kept_and_told_the_next_time_without_the_reader(intake):
    party = await known(intake)
    await told(intake, party)
    lists, text = await told(intake, party)

    assert [row["values"]["client"] for row in lists["given"]] == ["demo-driver"]
    assert [row["values"]["purpose"] for row in lists["card_readings"]] == ["access_request"]
    assert "tester" not in text
    assert "anna" not in text
    kept = await intake.fetch("SELECT caller, given_by, purpose, received_at FROM access_reading ORDER BY read_at")
    assert [tuple(row) for row in kept] == [("tester@demo-driver", "anna", "access_request", NOW)] * 2
    assert (await intake.types())[-1] == "party.card_read"


async def test_who_is_not_known_gets_empty_lists(intake):
    lists, _ = await told(intake, uuid4())
    assert {name for name, rows in lists.items() if rows} == set()


async def test_who_was_erased_is_told_just_that(intake):
    party = await known(intake)
    erased = PartyErased(party_id=party, erasure_id=uuid4(), erased_at=NOW, complete_from=NOW + timedelta(days=90))
    await intake.hear(erased, topic="compliance")
    answer = await asked(intake, party)
    assert (answer.status_code, answer.json()["type"].rsplit("/", 1)[-1]) == (410, "party-erased")
