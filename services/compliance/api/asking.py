"""What asking for a permit and asking "may I?" share: balances first, and an answer to who has seen more than we."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar
from uuid import UUID

from services.compliance.balances import Balances
from services.compliance.domain.facts import Balance
from services.compliance.erased import PartyErased
from services.compliance.instruments import Instruments
from services.compliance.schemas.permits import ContactAsked, DecisionAnswer, Reason
from services.compliance.store.leaves import load_erased
from shared.database import UnitOfWork
from shared.security.party_keys import PartyCipher
from shared.web.problems import KnownProblem

AskedT = TypeVar("AskedT", bound=ContactAsked)
AnswerT = TypeVar("AnswerT", bound=DecisionAnswer)
_ERASED: Final = Reason(
    rule="PARTY-ERASED",
    citation="PIPL art. 47, GDPR art. 17: a person who was erased is not the subject of a new file",
    detail="the person was erased",
    lawful_after="never",
)


def committed(instruments: Instruments, asked: Sequence[AskedT]) -> list[AskedT]:
    """The questions with commitments in place of contact points and addresses: from here on nobody sees them."""
    return [
        one
        if one.contact_point is None and one.address is None
        else one.model_copy(
            update={
                "contact_point": None
                if one.contact_point is None
                else instruments.contact_point_commitment(one.contact_point),
                "address": None if one.address is None else instruments.address_commitment(one.address, one.place_cell),
            }
        )
        for one in asked
    ]


class FactsBehind(KnownProblem):  # reads as a fact at the call site
    """The asker has seen a later version of the case, visit or plan than compliance.

    Ask again shortly, with a new key.
    """

    kind, status, title = "facts-behind", 409, "Compliance has not seen these facts yet"


async def answered_unless_erased(
    uow: UnitOfWork,
    cipher: PartyCipher,
    asked: Sequence[AskedT],
    decide: Callable[[Sequence[AskedT]], Awaitable[Sequence[AnswerT]]],
    answer: type[AnswerT],
) -> list[AnswerT]:
    """Answers in order; an item about an erased person is refused for ever, and nothing of it is decided or kept."""
    erased = await load_erased(uow, cipher, [one.party_id for one in asked])
    decided = iter(await decide([one for one in asked if one.party_id not in erased]))
    return [
        answer(
            request_id=one.request_id, decision_id=None, decision="deny", reasons=[_ERASED], lawful_after="never"
        )
        if one.party_id in erased
        else next(decided)
        for one in asked
    ]  # fmt: skip


def refuse_alone(answers: Sequence[DecisionAnswer]) -> None:
    """Facts behind, and an erased person, fail only their item, which says so itself; an item that came alone fails.

    Raises FactsBehind, PartyErased.
    """
    if len(answers) != 1:
        return
    why = {reason.rule: reason.detail for reason in answers[0].reasons}
    if "FACTS-BEHIND" in why:
        raise FactsBehind(why["FACTS-BEHIND"], retry_after_seconds=1)
    if _ERASED.rule in why:
        raise PartyErased()


async def confirm_balances(balances: Balances, asked: Sequence[ContactAsked]) -> Mapping[UUID, Balance]:
    """Balances of the collection visits asked for: a network call, so before the transaction."""
    visits = [item for item in asked if _needs_balance(item)]
    if not visits:
        return {}
    return await balances.confirm((item.party_id, item.case_id) for item in visits)


def _needs_balance(item: ContactAsked) -> bool:
    return item.channel == "visit" and item.purpose == "collection"
