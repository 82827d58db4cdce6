"""Legal holds: a matter for which everything about a person is kept, whatever else would erase it.

One named person answers for it. Lifting takes two people, and is never edited: each step makes a version.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from shared.ids import derived_id
from shared.web.problems import KnownProblem

LegalHoldStep = Literal["place", "ask_lift", "lift"]


class LegalHoldLifted(KnownProblem):  # reads as a fact at the call site
    """The legal hold was lifted before."""

    kind, status, title = "legal-hold-lifted", 409, "The legal hold was lifted"


class SecondPersonLifts(KnownProblem):
    """Whoever asked for the lifting of a legal hold does not decide on it: a second person does."""

    kind, status, title = "second-person-lifts", 403, "A second person lifts a legal hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHold:
    """One version of a legal hold. `matter`: the file it is for; `custodian`: the named person who answers for it."""

    legal_hold_id: UUID
    party_id: UUID
    matter: str
    custodian: str
    by_whom: str
    reason: str | None
    version: int = 1
    step: LegalHoldStep = "place"

    @property
    def stands(self) -> bool:
        """Whether it keeps the records: until the second person has lifted it."""
        return self.step != "lift"


def legal_hold_name(party_id: UUID, matter: str) -> str:
    """Of one person and one matter there is one hold. Its id is this name under our key, so that it names nobody."""
    return f"{party_id}|{matter}"


def unkeyed_legal_hold_id(party_id: UUID, matter: str) -> UUID:
    """The id of a legal hold placed before ids were keyed."""
    return derived_id("legal-hold", str(party_id), matter)


def placed_again(hold: LegalHold, *, by_whom: str, custodian: str, reason: str) -> LegalHold:
    """The hold after somebody placed it again: one that stands stays as it is, unless its lifting was asked for."""
    if hold.step == "place":
        return hold
    return replace(hold, version=hold.version + 1, step="place", by_whom=by_whom, custodian=custodian, reason=reason)


def lift(hold: LegalHold, *, by_whom: str, reason: str) -> LegalHold:
    """The hold after a person's word that it may go: the first changes nothing yet, the second lifts it.

    Raises LegalHoldLifted, SecondPersonLifts.
    """
    if hold.step == "lift":
        raise LegalHoldLifted()
    if hold.step == "ask_lift" and hold.by_whom == by_whom:
        raise SecondPersonLifts()
    step: LegalHoldStep = "lift" if hold.step == "ask_lift" else "ask_lift"
    return replace(hold, version=hold.version + 1, step=step, by_whom=by_whom, reason=reason)
