"""Operators list open gaps and give one up, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.clock import SystemClock
from shared.messaging.dead_letters import Replayer
from shared.messaging.quiet import QuietProbe
from shared.operations import operations_router
from shared.security.clients import DevelopmentClient
from shared.security.issuer import DevelopmentIssuer, create_issuer_app
from shared.security.tokens import TokenVerifier
from shared.web.app import ApiDefinition, create_app

ISSUER = "http://issuer.test"
SCOPES = frozenset({"plans.operate", "plans.snapshot"})
CLIENT = DevelopmentClient(client_id="operator", client_secret="s" * 24, scopes=SCOPES)
GAP = "/internal/gaps/case/case/{party}/give-up?source=/services/intake&last_missing={number}"


@pytest.fixture
async def plans(bench: Any) -> Any:
    return await bench("plans", oidc_issuer=ISSUER)


@pytest.fixture
async def operator(plans: Any) -> AsyncIterator[httpx.AsyncClient]:
    issuer = DevelopmentIssuer(issuer=ISSUER, audience="doorstep", tenant="bank", clients={"operator": CLIENT})
    issuer_app = httpx.ASGITransport(create_issuer_app(issuer))
    replayer = Replayer(plans.database, [plans.subscription()], sealer=plans.sealer)
    probe = QuietProbe(plans.database, reads=())
    router = operations_router(plans.database, quiet=probe, replayer=replayer, sealer=plans.sealer)
    app = create_app(
        ApiDefinition(
            service="plans",
            title="Plans",
            description="For tests.",
            routers=[router],
            settings=plans.settings,
            database=plans.database,
            verifier=TokenVerifier.from_settings(plans.settings, SystemClock(), transport=issuer_app),
        )
    )
    token = issuer.sign({"sub": "operator", "client_id": "operator", "scope": "plans.operate"})
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://plans", headers=headers
    ) as client:
        yield client
    await probe.close()


async def test_a_gap_is_listed_and_given_up_once(
    plans: Any, operator: httpx.AsyncClient, record: Any, party: UUID
) -> None:
    await plans.feed([record(party, 4, offset=0).record, record(party, 9, offset=1).record])
    [gap] = (await operator.get("/internal/gaps")).json()
    assert (gap["aggregate_id"], gap["received"], gap["first_held"]) == (str(party), 0, 4)
    answers = [await operator.post(GAP.format(party=party, number=3)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert answers[1].json()["last_missing"] == 8


async def test_without_a_gap_there_is_nothing_to_give_up(operator: httpx.AsyncClient, party: UUID) -> None:
    assert (await operator.get("/internal/gaps")).json() == []
    assert (await operator.post(GAP.format(party=party, number=3))).status_code == 404


async def test_giving_up_needs_the_right_to_operate(operator: httpx.AsyncClient, party: UUID) -> None:
    refused = await operator.post(GAP.format(party=party, number=3), headers={"Authorization": "Bearer none"})
    assert refused.status_code == 401
