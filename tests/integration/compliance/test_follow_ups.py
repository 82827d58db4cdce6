"""What plans asks and tells of its messages, answered by compliance itself."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from services.plans.domain import ladder
from services.plans.domain.case import known
from services.plans.domain.follow_up_policy import FollowUpPolicies
from services.plans.domain.following import NextContact
from services.plans.domain.plan import Plan, PlanState
from services.plans.following_desk import Followed, ask_for, permit_request
from shared.events.case import CaseOpened
from shared.events.plan import Instalment
from shared.messaging.intents import Intent
from shared.money import Money
from tests.integration.compliance.conftest import NOW, Desk

POLICY = FollowUpPolicies.load().policy[0]
HELP = NextContact(kind="help", instalment=1)
AMOUNT = Money(amount_minor=10_000, currency="CNY")


def followed(case: CaseOpened) -> Followed:
    instalment = Instalment(number=1, due_date=NOW.date() - timedelta(days=9), amount=AMOUNT)
    plan = Plan(
        plan_id=uuid4(), party_id=case.party_id, case_id=case.case_id, visit_id=None, kind="instalments",
        instalments=(instalment,), total=AMOUNT, debt=AMOUNT, surplus=AMOUNT, table_id="t", review_on=date(2026, 9, 1),
        document="text", document_sha256="0" * 64, proposed_at=NOW, state=PlanState.SIGNED, hold_id=UUID(int=3),
        signed_at=NOW,
    )  # fmt: skip
    return Followed(plan=plan, person=case.party_id, case=known(None, case), steps=(), pauses=())


async def ask(desk: Desk, one: Followed) -> dict[str, Any]:
    due = ask_for(one.plan.plan_id, one.plan.party_id, HELP, NOW.date(), due_at=desk.clock.business)
    intent = Intent(
        id=uuid4(), kind=due.kind, key=due.key, party_id=due.party_id, payload=due.payload, due_at=due.due_at,
        clock=due.clock, attempts=0,
    )  # fmt: skip
    request = permit_request(intent, one, POLICY)
    assert request is not None
    (answer,) = await desk.ask(request)
    return answer


async def hold(desk: Desk, case: CaseOpened, kind: str) -> None:
    body = {"party_id": str(case.party_id), "kind": kind, "scope": "party", "valid_from": NOW.isoformat()}
    answer = await desk.post("/v1/holds", body | {"source_ref": "s-1", "reason": "test"})
    assert answer.status_code == 201, answer.text


async def test_help_with_a_running_plan_is_a_lawful_contact(desk: Desk) -> None:
    case = await desk.open_case()
    await hold(desk, case, "plan_active")
    desk.clock.business = datetime.fromisoformat("2026-03-02T02:30:00+00:00")
    one = followed(case)
    answer = await ask(desk, one)
    assert answer["decision"] == "allow", answer
    permit_id = UUID(answer["permit_id"])
    taken = ladder.contacted(
        one.plan, "help", 1, person=one.person, permit_id=permit_id, policy=POLICY, now=desk.clock.business,
        real_now=desk.clock.real,
    )  # fmt: skip
    (use,) = taken.change.intents
    body = {name: use.payload[name] for name in ("used_at", "contact_id")}
    assert (await desk.post(f"/v1/permits/{permit_id}/use", body)).status_code == 200
    contact = next(event for event in taken.change.events if event.type == "contact.recorded")
    await desk.deliver("contact", (contact.type, contact.data))
    assert (await desk.get("/v1/summary")).json()["contacts_audited"] == 1
    assert (await desk.get("/v1/findings")).json()["items"] == []


async def test_the_family_of_the_dead_hears_nothing_of_the_plan(desk: Desk) -> None:
    case = await desk.open_case()
    await hold(desk, case, "deceased")
    desk.clock.business = datetime.fromisoformat("2026-03-02T02:30:00+00:00")
    answer = await ask(desk, followed(case))
    assert (answer["decision"], answer.get("permit_id")) == ("deny", None)
