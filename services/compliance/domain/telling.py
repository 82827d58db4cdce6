"""Who may tell what of a person, and what a word must be like to be believed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from services.compliance.domain.dossier import CIRCUMSTANCES, FACT_NAMES, FactValue
from services.compliance.domain.fact_tasks import Owner, owner_of
from shared.security.scopes import Client
from shared.web.problems import KnownProblem

# Clocks of two hosts differ; more than this is a wrong clock, or somebody who tells the future.
CLOCK_SKEW: Final = timedelta(minutes=2)
_CLIENTS: Final[dict[Owner, Client]] = {"bank": "core", "operations": "operator"}


class FactNotOwned(KnownProblem):  # reads as a fact at the call site
    """The fact belongs to another service or system: only its owner's word counts. `owner` names it.

    Nothing of the request is recorded.
    """

    kind, status, title = "fact-not-owned", 403, "Another service owns this fact"


class FactNotYet(KnownProblem):
    """The fact is said to be so only in the future, by more than clocks may differ. Nothing is recorded."""

    kind, status, title = "fact-not-yet", 422, "The fact lies in the future"


class FactMisread(KnownProblem):
    """The value is of another kind than the fact's: true or false, one of the listed words, or a list of elements."""

    kind, status, title = "fact-misread", 422, "The value does not fit the fact"


class FactsContradict(KnownProblem):
    """One request says two things of one fact at one moment. Nothing is recorded."""

    kind, status, title = "facts-contradict", 422, "These facts contradict each other"


def owning_client(name: str) -> str:
    """The client that may tell the fact."""
    owner = owner_of(name)
    return _CLIENTS.get(owner, owner)


def refuse_stranger(name: str, client_id: str) -> None:
    """Raises FactNotOwned."""
    owner = owning_client(name)
    if client_id != owner:
        raise FactNotOwned(f"only {owner} tells {name}", fact=name, owner=owner)


def believable(as_of: datetime, *, now: datetime) -> datetime:
    """Since when it is so: never later than now. Raises FactNotYet."""
    if as_of > now + CLOCK_SKEW:
        raise FactNotYet("as_of lies in the future")
    return min(as_of, now)


def refuse_misread(name: str, value: FactValue) -> None:
    """Raises FactMisread."""
    if name in FACT_NAMES:
        fits = isinstance(value, bool)
    elif name in CIRCUMSTANCES:
        fits = isinstance(value, str) and value in CIRCUMSTANCES[name]
    else:
        fits = isinstance(value, tuple)
    if not fits:
        raise FactMisread(f"this is no value of {name}", fact=name)
