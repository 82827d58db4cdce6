"""A strategy: a readable TOML file that says what may happen next. Checked when it is loaded, known by its hash."""

from __future__ import annotations

import hashlib
import tomllib
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.intake.strategy.history import KindStep
from shared.events.base import Reference
from shared.events.case import Bucket, NextAction
from shared.events.contact import Channel
from shared.money import Currency

Days = Annotated[int, Field(ge=0, le=3_660)]
Minor = Annotated[int, Field(ge=0)]
Permille = Annotated[int, Field(ge=0, le=1_000)]
Purpose = Literal["demonstration", "tenant"]

# What no policy can leave out. Who is dead or not bound is not contacted; who told of a difficulty gets help before
# anything else; nobody goes back to a door at which they were vulnerable or asked to leave.
_NEVER: Final = frozenset({"deceased", "sold", "not_bound", "minor"})
_HELP: Final = frozenset({"hardship_told", "vulnerability_signal"})
LASTING: Final = frozenset({"vulnerability_signal", "asked_to_leave", "deceased_reported", "identity_theft_claim"})
"""Outcomes after which the strategy sends nobody to that door any more, whatever a review says."""
_NO_VISIT_HOLDS: Final = frozenset({"vulnerability", "mental_health_crisis", "hardship"})


class PolicyError(ValueError):
    """A strategy that says something impossible, or lacks what every strategy must say."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Step(_Part):
    """One softer step. All of them are walked, in this order, before a visit is thought of."""

    action: KindStep
    channel: Channel = Field(description="On which it goes out; a hold on the channel makes it impossible.")
    from_days: int = Field(ge=1, le=3_650, description="Effective days past due from which it may be taken.")
    answer_days: int = Field(ge=1, le=365, description="Days that the customer has before anything else follows.")
    instead: KindStep | None = Field(
        None, description="Taken (once more) where this one is impossible; none: the case waits for a person."
    )


class SelfCure(_Part):
    """Days that are left to the customer. A likely cure, where a score may be shown, makes them more."""

    days: int = Field(ge=0, le=90)
    likely_from_permille: Permille = 1_000
    likely_days: int = Field(0, ge=0, le=90, description="In place of `days` where a cure is that likely.")
    score_days: Days = Field(0, description="A score older than this is not looked at.")


class Help(_Part):
    """When help goes before everything else."""

    told: tuple[Reference, ...] = Field(description="Outcomes and reasons of visits that tell of a difficulty.")
    answer_days: int = Field(ge=1, le=365)
    early_below_permille: Permille = Field(
        0, description="A cure that is less likely brings help forward: it is the first of the steps then."
    )


class Visit(_Part):
    """The default answer is not to visit: every line must say yes."""

    from_days: int = Field(ge=1)
    buckets: tuple[Bucket, ...] = Field(min_length=1)
    minimum_overdue_minor: dict[Currency, Minor]
    pause_days: int = Field(ge=1, le=365, description="After a visit.")
    declined_pause_days: int = Field(ge=1, le=365, description="After an offer that was declined or ran out.")
    most: int = Field(ge=1, le=12, description="Visits in one arrears; then a person reviews.")
    never_after: tuple[Reference, ...]
    never_under: tuple[Reference, ...] = Field(description="Kinds of hold, current or past within this arrears.")


class Review(_Part):
    """When a person of the legal desk looks."""

    from_days: int = Field(ge=1, description="Effective days past due, after every softer step.")
    after: tuple[Reference, ...] = Field(description="Outcomes of visits.")


class Costs(_Part):
    """What a step costs the bank, minor units. `source` says where the figures come from."""

    currency: Currency
    source: str = Field(min_length=3)
    remind: Minor
    call: Minor
    letter: Minor
    offer_help: Minor
    field_visit: Minor
    legal_review: Minor

    def of(self, action: NextAction) -> int:
        """Minor units for one action; waiting costs nothing."""
        return int(getattr(self, action, 0))


class Challenger(_Part):
    """Another strategy, tried on a share of the people, by the hash of its file: whoever signs this one signs both."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    share_permille: int = Field(ge=1, le=500)


class Policy(_Part):
    """The whole strategy. `id` is the salt of the lots, so that another strategy draws other people."""

    id: Reference
    version: int = Field(ge=1)
    purpose: Purpose
    default: Literal["wait"]
    never: tuple[Reference, ...]
    promise_days: int = Field(ge=1, le=90, description="A promise is waited for, whatever the timers say.")
    complaint_days: int = Field(ge=1, le=90, description="After a complaint, until its hold is known.")
    call_attempts: int = Field(ge=1, le=10, description="Calls that reached nobody count as one call.")
    after_breach: tuple[KindStep, ...] = Field(min_length=1, description="Walked again after a broken plan.")
    self_cure: SelfCure
    step: tuple[Step, ...] = Field(min_length=2)
    help: Help
    visit: Visit
    review: Review
    cost: Costs
    challenger: Challenger | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        actions = [step.action for step in self.step]
        days = [step.from_days for step in self.step]
        if len(set(actions)) != len(actions) or days != sorted(days):
            raise ValueError("steps: each action once, in order of from_days")
        if "offer_help" not in actions or "letter" not in actions:
            raise ValueError("steps: help is offered and a letter is written before any visit")
        if any(step.instead is not None and step.instead not in actions for step in self.step):
            raise ValueError("steps: what is taken instead must be a step, too")
        if any(step.instead == step.action for step in self.step):
            raise ValueError("steps: nothing can take its own place")
        if not set(self.after_breach) <= set(actions) or "offer_help" not in self.after_breach:
            raise ValueError("after_breach: help before breach, and after it")
        if self.visit.from_days <= days[-1] or self.review.from_days <= days[-1]:
            raise ValueError("softer channels first: a visit or review cannot begin before the last step may be taken")
        if "current" in self.visit.buckets:
            raise ValueError("visit.buckets: who is not late is not visited")
        _check_what_must_be(self)
        return self


def _check_what_must_be(policy: Policy) -> None:
    for name, needed, said in (
        ("never", _NEVER, policy.never),
        ("help.told", _HELP, policy.help.told),
        ("visit.never_after", LASTING, policy.visit.never_after),
        ("visit.never_under", _NO_VISIT_HOLDS, policy.visit.never_under),
    ):
        missing = needed - set(said)
        if missing:
            raise ValueError(f"{name} lacks {', '.join(sorted(missing))}: no strategy can leave that out")


def read_policy(content: bytes) -> Policy:
    """The strategy of a file. Raises PolicyError naming each field."""
    try:
        return Policy.model_validate(tomllib.loads(content.decode()))
    except ValidationError as error:
        faults = (
            f"{'.'.join(map(str, fault['loc'])) or 'strategy'}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)
        )
        raise PolicyError("; ".join(faults)) from error
    except ValueError as error:
        raise PolicyError(str(error)) from error


def policy_hash(content: bytes) -> str:
    """SHA-256 of a strategy's file."""
    return hashlib.sha256(content).hexdigest()
