"""Balance answers count only under intake's signature, for the party and case that were asked for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.compliance.balances import IntakeBalances
from shared.balances import ANSWER_KIND, BalanceChecks
from shared.security.key_cache import KeyCache
from shared.security.signing import SigningKey
from shared.web.client import ServiceClient

PARTY, CASE = uuid4(), uuid4()


class FixedToken:
    async def token(self) -> str:
        return "t"

    def forget(self) -> None:
        pass


def document(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "iss": "intake", "sub": str(PARTY), "case_id": str(CASE), "as_of": "2026-03-02T02:00:00Z",
        "overdue_totals": [{"amount_minor": 100, "currency": "CNY"}],
    }  # fmt: skip
    return values | changes


@pytest.fixture
def intake(tmp_path: Path) -> Callable[[Callable[[SigningKey], httpx.Response]], IntakeBalances]:
    """`intake(answer)`: an intake that publishes its key and answers so."""
    key = SigningKey.open(tmp_path, "balance")

    def make(answer: Callable[[SigningKey], httpx.Response]) -> IntakeBalances:
        def respond(request: httpx.Request) -> httpx.Response:
            if request.url.path == "/.well-known/jwks.json":
                return httpx.Response(200, json={"keys": key.public_keys()})
            return answer(key)

        transport = httpx.MockTransport(respond)
        client = ServiceClient(
            service="intake", base_url="http://intake", token_source=FixedToken(), transport=transport, max_attempts=1
        )
        return IntakeBalances(BalanceChecks(client, KeyCache.of_service("http://intake", transport=transport)))

    return make


def signed(key: SigningKey, content: dict[str, Any], *, kind: str = ANSWER_KIND) -> httpx.Response:
    return httpx.Response(200, json={"items": [{"answer": key.sign_document(content, kind=kind)}]})


async def confirmed(balances: IntakeBalances) -> set[UUID]:
    found = await balances.confirm([(PARTY, CASE)])
    await balances.close()
    return set(found)


async def test_signed_answer_counts(intake: Any) -> None:
    balances = intake(lambda key: signed(key, document()))
    balance = (await balances.confirm([(PARTY, CASE)]))[PARTY]
    assert balance.owes
    assert dict(balance.overdue_minor) == {"CNY": 100}


async def test_foreign_signature_is_no_answer(intake: Any, tmp_path: Path) -> None:
    other = SigningKey.open(tmp_path / "other", "balance")
    assert await confirmed(intake(lambda _: signed(other, document()))) == set()


@pytest.mark.parametrize(
    "changes", [{"iss": "visits"}, {"sub": str(uuid4())}, {"case_id": str(uuid4())}, {"as_of": "soon"}]
)
async def test_answer_about_something_else_is_no_answer(intake: Any, changes: dict[str, str]) -> None:
    assert await confirmed(intake(lambda key: signed(key, document(**changes)))) == set()


async def test_signature_of_another_kind_is_no_answer(intake: Any) -> None:
    assert await confirmed(intake(lambda key: signed(key, document(), kind="permit+jwt"))) == set()


@pytest.mark.parametrize("status", [404, 500, 503])
async def test_intake_away_is_no_answer(intake: Any, status: int) -> None:
    assert await confirmed(intake(lambda _: httpx.Response(status, json={}))) == set()
