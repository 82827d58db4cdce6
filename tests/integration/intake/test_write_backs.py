"""What was agreed, held and done goes back to the core, each once, until the core has acknowledged it."""

import json
from datetime import datetime
from uuid import UUID, uuid4

import httpx
import pytest

from services.intake.write_back_port import WriteBackPort
from services.intake.write_backs import WriteBacks
from shared.events.compliance import HoldPlaced
from shared.events.contact import ContactRecorded
from shared.events.examples import EXAMPLES
from shared.events.plan import PlanSigned
from shared.messaging.liveness import Pulse
from shared.messaging.worker import Worker
from shared.web.client import ServiceClient
from tests.unit.intake.facts import overdue

from .conftest import NOW, _NoToken


class Core:
    """Keeps each item once; refuses those about the plans in `refuses`, and answers nothing while `away`."""

    def __init__(self) -> None:
        self.kept: dict[str, dict] = {}
        self.refuses: set[str] = set()
        self.away = False
        self.requests = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        if self.away:
            return httpx.Response(503)
        items = json.loads(request.content)["items"]
        for item in items:
            self.kept.setdefault(item["id"], item)
        said = [
            {"id": one["id"], "status": "refused", "reason": "closed"}
            if one["reference"] in self.refuses
            else {"id": one["id"], "status": "acknowledged"}
            for one in items
        ]
        return httpx.Response(200, json={"items": said})


@pytest.fixture
def core():
    return Core()


@pytest.fixture
def handler(core):
    client = ServiceClient(
        service="core", base_url="http://core.test", token_source=_NoToken(), max_attempts=1,
        transport=httpx.MockTransport(core.answer),
    )  # fmt: skip
    return WriteBacks(WriteBackPort(client))


@pytest.fixture
async def party_id(intake):
    """Somebody whom the core named; what happens to them goes back to it."""
    intake.writes_back = True
    await intake.tell(overdue(1))
    return (await intake.fetch("SELECT party_id FROM case_file"))[0][0]


async def work(intake, handler):
    """What is due now, as if no time had to pass before it is tried again."""
    async with intake.database.unit_of_work() as uow:
        await uow.sql.execute("UPDATE intent SET retry_at = NULL, leased_until = NULL WHERE kind = 'write_back'")
    await Worker(intake.database, [], pulse=Pulse("worker")).work_once(handler)


def plan(party_id: UUID, **changes) -> PlanSigned:
    return PlanSigned.model_validate(EXAMPLES["plan.signed"] | {"party_id": party_id} | changes)


async def listed(intake, state):
    async with intake.api() as api:
        return (await api.get("/v1/write-backs", params={"state": state})).json()["items"]


async def test_each_kind_is_told_once_and_acknowledged(intake, core, handler, party_id):
    signed = plan(party_id)
    held = HoldPlaced(
        hold_id=uuid4(), party_id=party_id, kind="stop_request", valid_from=NOW, source_ref="s-1", scope="party"
    )
    made = ContactRecorded.model_validate(EXAMPLES["contact.recorded"] | {"party_id": party_id})
    await intake.hear(signed, topic="plan")
    await intake.hear(held, topic="compliance")
    await intake.hear(made, topic="contact")
    await work(intake, handler)
    told = sorted(core.kept.values(), key=lambda one: one["kind"])
    assert [(one["kind"], one["event"], one["party_ref"]) for one in told] == [
        ("contact", "contact.recorded", "P-1"), ("hold", "compliance.hold_placed", "P-1"),
        ("plan", "plan.signed", "P-1"),
    ]  # fmt: skip
    assert told[2]["reference"] == str(signed.plan_id)
    assert "party_id" not in told[2]["said"], "our ids of people stay here"
    assert len(await listed(intake, "acknowledged")) == 3
    assert await listed(intake, "pending") == []


async def test_an_answer_that_was_lost_is_asked_for_again_under_the_same_id(intake, core, handler, party_id):
    await intake.hear(plan(party_id), topic="plan")
    core.away = True
    await work(intake, handler)
    (waiting,) = await listed(intake, "pending")
    core.away = False
    await work(intake, handler)
    assert (core.requests, list(core.kept)) == (2, [waiting["write_back_id"]])
    assert await listed(intake, "pending") == []


async def test_what_the_core_refuses_is_listed_and_not_sent_again(intake, core, handler, party_id):
    refused, good = plan(party_id), plan(party_id, plan_id=uuid4())
    core.refuses.add(str(refused.plan_id))
    await intake.hear(refused, good, topic="plan")
    await work(intake, handler)
    (one,) = await listed(intake, "refused")
    assert (one["reference"], one["reason"], one["event"]) == (str(refused.plan_id), "closed", "plan.signed")
    assert datetime.fromisoformat(one["answered_at"])
    requests = core.requests
    await work(intake, handler)
    assert core.requests == requests


async def test_a_core_without_an_interface_is_said_to_have_none(intake, core, handler, party_id):
    await intake.hear(plan(party_id), topic="plan")
    await work(intake, WriteBacks(handler.port, frozenset({"core-a"})))
    assert len(await listed(intake, "unsupported")) == 1
    assert core.requests == 0


async def test_what_the_core_said_itself_and_strangers_are_not_told(intake, core, handler, party_id):
    of_core = HoldPlaced(
        hold_id=uuid4(), party_id=party_id, kind="dispute", valid_from=NOW, source_ref="core:H-1:1", scope="party"
    )
    await intake.hear(of_core, topic="compliance")
    await intake.hear(plan(uuid4()), topic="plan")
    await work(intake, handler)
    assert core.kept == {}


async def test_erased_people_leave_nothing(intake, core, handler, party_id):
    from services.intake.store.erasing import erase

    await intake.hear(plan(party_id), topic="plan")
    async with intake.database.unit_of_work() as uow:
        await uow.lock_parties([party_id])
        await erase(uow, intake.folding.cipher, [party_id])
    assert await intake.fetch("SELECT 1 FROM write_back") == []
    await work(intake, handler)
