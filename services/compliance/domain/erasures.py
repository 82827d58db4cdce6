"""Erasures: asked for by a person or due by retention, refused with the reason and its end, or carried out for good.

Of a request a second person decides. Carried out, the person's key is gone; the erasure is complete when no backup of
the key and no topic can still hold anything: that date is known at once, and reaching it is a leaf of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from services.compliance.domain.complaints import Clock
from services.compliance.domain.keeping import Reason
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.rule_records import DutyRule
from shared.web.problems import KnownProblem

ErasureState = Literal["requested", "refused", "erased", "complete"]
ErasureCause = Literal["request", "retention"]
# Backups of keys live this long at most (permits.md, "Commitments").
KEY_BACKUPS: Final = timedelta(days=35)
ANSWER_REQUEST: Final = "answer the person's request"
# Where no rule of the place says by when.
REQUESTS_ELSEWHERE: Final = DutyRule(
    id="RIGHTS-CLOCK",
    kind="duty",
    citation="GDPR art. 12(3): within one month (28 days, the shortest); PIPL art. 50: in good time",
    purposes_blocked=("collection",),
    duty=ANSWER_REQUEST,
    owner="data_protection",
    within_days=28,
    action="report",
)


class ErasureRefused(KnownProblem):  # reads as a fact at the call site
    """The person's records must be kept. `reasons` name each rule, its citation and the earliest date, or after what.

    The request and its refusal are kept and proved.
    """

    kind, status, title = "erasure-refused", 409, "The records must be kept"


class ErasureStepRefused(KnownProblem):
    """The erasure's state does not allow this step."""

    kind, status, title = "erasure-step-refused", 409, "The erasure's state does not allow this step"


class SecondPersonErases(KnownProblem):
    """Whoever took the request does not carry it out: a second person does."""

    kind, status, title = "second-person-erases", 403, "A second person carries out an erasure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """One version of an erasure; `by_whom` is of its step. `erased_real` and `complete_from` are real time."""

    erasure_id: UUID
    party_id: UUID
    cause: ErasureCause
    state: ErasureState
    by_whom: str
    received_at: datetime
    clock: Clock
    refused_by: tuple[str, ...] = ()
    erased_real: datetime | None = None
    complete_from: datetime | None = None
    version: int = 1


def carried_out(erasure: Erasure, *, real_now: datetime, topics_keep: timedelta) -> Erasure:
    """The erasure once the key is deleted, with the real time from which it is complete.

    `topics_keep`: the longest time for which a topic, an outbox or an inbox still holds what it held.
    """
    return replace(
        erasure, state="erased", erased_real=real_now, complete_from=real_now + max(KEY_BACKUPS, topics_keep)
    )


def decided(
    erasure: Erasure, reasons: Sequence[Reason], *, by_whom: str, real_now: datetime, topics_keep: timedelta
) -> Erasure:
    """The erasure after a second person decided: carried out, or the refusal that the reasons demand.

    Raises ErasureStepRefused, SecondPersonErases.
    """
    if erasure.state != "requested":
        raise ErasureStepRefused(f"the erasure is {erasure.state}", state=erasure.state)
    if erasure.by_whom == by_whom:
        raise SecondPersonErases()
    after = replace(erasure, version=erasure.version + 1, by_whom=by_whom)
    if reasons:
        return replace(after, state="refused", refused_by=tuple(sorted({one.rule for one in reasons})))
    return carried_out(after, real_now=real_now, topics_keep=topics_keep)


def completed(erasure: Erasure, *, real_now: datetime, heard_until: datetime | None) -> Erasure | None:
    """The erasure when it is complete; None while it is not.

    `heard_until`: the real time up to which every service has processed its inputs; None: not known.
    """
    if erasure.state != "erased" or erasure.complete_from is None or erasure.erased_real is None:
        return None
    if real_now < erasure.complete_from or heard_until is None or heard_until <= erasure.erased_real:
        return None
    return replace(erasure, version=erasure.version + 1, state="complete", by_whom="doorstep")


def clock_of_request(book: RuleBook, *, jurisdiction: str | None, received_at: datetime) -> Clock:
    """Until when a person's request is answered: by the strictest rule of their place, or else within 28 days.

    Of a person whose place is not known, by the strictest rule of all places.
    """
    day = received_at.date()
    rules = book.rules_of_all_places(day) if jurisdiction is None else book.rules(jurisdiction=jurisdiction, day=day)
    found = [
        (rule.within_days, rule)
        for rule in rules
        if isinstance(rule, DutyRule) and rule.duty == ANSWER_REQUEST and rule.within_days is not None
    ]
    days, rule = min(found or [(28, REQUESTS_ELSEWHERE)], key=lambda one: (one[0], one[1].id))
    return Clock(rule=rule.id, citation=rule.citation, answer_by=received_at + timedelta(days=days))
