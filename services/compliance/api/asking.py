"""What asking for a permit and asking "may I?" share: balances first, and an answer to who has seen more than we."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from services.compliance.balances import Balances
from services.compliance.domain.facts import Balance
from services.compliance.schemas.permits import ContactAsked, DecisionAnswer
from shared.web.problems import KnownProblem


class FactsBehind(KnownProblem):  # reads as a fact at the call site
    """The asker has seen a later version of the case, visit or plan than compliance.

    Ask again shortly, with a new key.
    """

    kind, status, title = "facts-behind", 409, "Compliance has not seen these facts yet"


def refuse_behind(answers: Sequence[DecisionAnswer]) -> None:
    """Facts behind fail only their item, which says so itself; an item that came alone fails. Raises FactsBehind."""
    if len(answers) == 1 and any(reason.rule == "FACTS-BEHIND" for reason in answers[0].reasons):
        raise FactsBehind(retry_after_seconds=1)


async def confirm_balances(balances: Balances, asked: Sequence[ContactAsked]) -> Mapping[UUID, Balance]:
    """Balances of the collection visits asked for: a network call, so before the transaction."""
    visits = [item for item in asked if _needs_balance(item)]
    if not visits:
        return {}
    return await balances.confirm((item.party_id, item.case_id) for item in visits)


def _needs_balance(item: ContactAsked) -> bool:
    return item.channel == "visit" and item.purpose == "collection"
