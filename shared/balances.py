"""What is owed, confirmed by intake under its signature: asked before a permit is granted and when a crew checks in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field, ValidationError

from shared.moments import Moment
from shared.money import Money
from shared.security.key_cache import KeyCache, KeysUnavailableError
from shared.security.signing import SignatureInvalidError, verify_remote_document
from shared.web.client import RemoteProblem, RemoteUnavailable, ServiceClient

log = logging.getLogger(__name__)

ANSWER_KIND: Final = "balance+jwt"
# What intake answers at once; a larger question would be refused whole.
CHECKED_TOGETHER: Final = 200


class BalanceItem(BaseModel):
    """Whose balance is asked for."""

    party_id: UUID = Field(description="The party.")
    case_id: UUID = Field(description="The party's case.")


class BalanceQuestion(BaseModel):
    """Body of intake's `/v1/balance-checks`."""

    items: list[BalanceItem] = Field(description="Parties and cases.")


class BalanceAnswers(BaseModel):
    """What is read of intake's answer: only what is signed."""

    class Item(BaseModel):
        """One answer."""

        answer: str | None = Field(None, description="Compact JWS signed by intake; none for a party it does not know.")

    items: list[Item] = Field(description="In the order of the question.")


class SignedBalance(BaseModel):
    """The signed document."""

    issuer: Literal["intake"] = Field(alias="iss", description="Who signed.")
    party_id: UUID = Field(alias="sub", description="The party.")
    case_id: UUID = Field(description="The case.")
    overdue_totals: list[Money] = Field(description="Overdue sums, one per currency.")
    as_of: Moment = Field(description="Real time at which it was true.")
    suspended: str | None = Field(None, description="Why the core is not believed at the moment; none: it is.")

    @property
    def owes(self) -> bool:
        """Whether anything is overdue in any currency."""
        return any(money.amount_minor > 0 for money in self.overdue_totals)


@dataclass(frozen=True, slots=True)
class ConfirmedBalance:
    """A balance whose signature holds, and the signed text."""

    document: SignedBalance
    text: str


class BalanceChecks:
    """Asks intake. No answer, or one whose signature does not hold, is no balance; who asks decides what that means."""

    def __init__(self, client: ServiceClient, keys: KeyCache) -> None:
        self._client = client
        self._keys = keys

    async def ask(self, parties: Iterable[tuple[UUID, UUID]]) -> Mapping[UUID, ConfirmedBalance]:
        """The confirmed balance of each (party, case), by party; without a valid answer a party is left out.

        Calls the network.
        """
        asked = sorted(set(parties))
        chunks = [asked[start : start + CHECKED_TOGETHER] for start in range(0, len(asked), CHECKED_TOGETHER)]
        found: dict[UUID, ConfirmedBalance] = {}
        for answers in await asyncio.gather(*(self._ask(chunk) for chunk in chunks)):
            found.update(answers)
        return found

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
        await self._keys.close()

    async def _ask(self, chunk: Sequence[tuple[UUID, UUID]]) -> dict[UUID, ConfirmedBalance]:
        question = BalanceQuestion(items=[BalanceItem(party_id=party, case_id=case) for party, case in chunk])
        try:
            answers = await self._client.ask("/v1/balance-checks", BalanceAnswers, body=question)
        except RemoteUnavailable as error:
            log.warning("no balance answer: %s", error)
            return {}
        except RemoteProblem as problem:
            log.warning("no balance answer: intake says %s", problem.kind)
            return {}
        found: dict[UUID, ConfirmedBalance] = {}
        for (party_id, case_id), item in zip(chunk, answers.items, strict=False):
            signed = None if item.answer is None else await self._verified(item.answer)
            if (
                item.answer is not None
                and signed is not None
                and (signed.party_id, signed.case_id) == (party_id, case_id)
            ):
                found[party_id] = ConfirmedBalance(signed, item.answer)
        return found

    async def _verified(self, answer: str) -> SignedBalance | None:
        try:
            document: dict[str, Any] = await verify_remote_document(answer, self._keys, kind=ANSWER_KIND)
            return SignedBalance.model_validate(document)
        except (SignatureInvalidError, KeysUnavailableError, ValidationError) as error:
            log.warning("a balance answer is refused: %s", type(error).__name__)
            return None
