"""Decisions in words over HTTP: each caller hears the voice that is theirs."""

from typing import Any
from uuid import UUID

from services.compliance.store.leaves import erase_people

from .conftest import Desk, visit_request

NIGHT = {"start": "2026-03-02T15:00:00Z", "end": "2026-03-02T16:00:00Z"}


async def refused(desk: Desk) -> tuple[UUID, str]:
    case = await desk.open_case()
    (answer,) = await desk.ask(visit_request(case, window=NIGHT))
    assert answer["decision"] == "deny"
    return case.party_id, str(answer["decision_id"])


async def read_as(desk: Desk, client: str, decision: str, *, party: UUID | None = None, **params: str) -> Any:
    claims = {"sub": client, "client_id": client, "scope": "compliance.explain-decision"}
    attributes = {} if party is None else {"party_id": str(party)}
    token = desk.issuer.sign({**claims, "attributes": attributes})
    headers = {"Authorization": f"Bearer {token}"}
    return await desk.http.get(f"/v1/decisions/{decision}/explain", params=params, headers=headers)


async def test_three_voices(desk: Desk) -> None:
    _, decision = await refused(desk)
    texts = {}
    for voice in ("collector", "customer", "auditor"):
        response = await desk.get(f"/v1/decisions/{decision}/explain", voice=voice)
        assert response.status_code == 200, response.text
        texts[voice] = response.json()
    assert texts["collector"]["text"].startswith("Do not make this visit")
    assert "complain" in texts["customer"]["text"]
    assert texts["collector"]["rules"] == texts["customer"]["rules"] == []
    assert texts["auditor"]["rules"][0]["answer"] == "deny"
    assert texts["auditor"]["earliest_lawful"] == "2026-03-03T00:00:00Z"


async def test_collectors_app_hears_the_collectors_voice_only(desk: Desk) -> None:
    _, decision = await refused(desk)
    assert (await read_as(desk, "collector-app", decision)).status_code == 200
    assert (await read_as(desk, "collector-app", decision, voice="auditor")).status_code == 403


async def test_customer_hears_of_themselves_only(desk: Desk) -> None:
    party, decision = await refused(desk)
    other, _ = await refused(desk)
    own = await read_as(desk, "customer-portal", decision, party=party, voice="customer", language="zh")
    assert own.status_code == 200, own.text
    assert own.json()["text"].startswith("我们核查了")
    assert (await read_as(desk, "customer-portal", decision, party=other, voice="customer")).status_code == 403
    assert (await read_as(desk, "customer-portal", decision, voice="customer")).status_code == 403


async def test_unknown_decision_is_404(desk: Desk) -> None:
    party, _ = await refused(desk)
    assert (await desk.get(f"/v1/decisions/{party}/explain")).status_code == 404


async def test_auditor_learns_which_fact_would_have_changed_it_and_of_when_facts_are(desk: Desk) -> None:
    _, decision = await refused(desk)
    told = (await desk.get(f"/v1/decisions/{decision}/explain", voice="auditor")).json()
    (change,) = told["counterfactual"]["changes"]
    assert (change["kind"], change["would_be"]) == ("soon", "2026-03-03T00:00:00.000000Z")
    assert {"balance", "watermark.intake", "watermark.visits"} <= told["facts_as_of"].keys()
    for voice in ("collector", "customer"):
        other = (await desk.get(f"/v1/decisions/{decision}/explain", voice=voice)).json()
        assert (other["counterfactual"], other["facts_as_of"]) == (None, {})


async def test_auditor_learns_which_fact_would_have_denied_what_was_allowed(desk: Desk) -> None:
    (answer,) = await desk.ask(visit_request(await desk.open_case()))
    told = (await desk.get(f"/v1/decisions/{answer['decision_id']}/explain", voice="auditor")).json()
    (change,) = told["counterfactual"]["changes"]
    assert (change["kind"], change["subject"]) == ("moved", "begins_at")
    assert told["text"].endswith("(moved), the answer is deny.")
    customer = (await desk.get(f"/v1/decisions/{answer['decision_id']}/explain", voice="customer")).json()
    assert (customer["counterfactual"], "otherwise" in customer["text"]) == (None, False)


async def test_of_an_erased_person_nothing_is_judged_again(desk: Desk) -> None:
    party, decision = await refused(desk)
    async with desk.database.unit_of_work() as uow:
        await uow.lock_parties([party])
        await erase_people(uow, desk.instruments.cipher, [party])
    told = await desk.get(f"/v1/decisions/{decision}/explain", voice="auditor")
    assert (told.status_code, told.json()["type"].rsplit("/", 1)[1]) == (410, "party-erased")
