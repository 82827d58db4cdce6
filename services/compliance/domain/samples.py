"""The daily sample: drawn so that nobody can choose it, judged by somebody who did not decide.

Before a day ends its seed is committed: a leaf holds SHA-256(seed). After the day the subjects with the smallest
SHA-256(seed || id) are drawn, and a leaf reveals seed and sample. Whoever holds the leaves of the day's decisions and
overrides draws the same sample again; whoever knows the seed still cannot choose ids, which are drawn before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from uuid import UUID

from services.compliance.domain.audit import Finding
from services.compliance.domain.findings import FindingVersion
from services.compliance.domain.local_time import Span
from shared.ids import derived_id
from shared.web.problems import KnownProblem

SampleKind = Literal["decision", "override"]
SampleVerdict = Literal["agree", "disagree"]

# Of a thousand allowed decisions five, at least ten a day and at most a hundred: what people can look at in earnest.
_PER_MILLE: Final[dict[SampleKind, int]] = {"decision": 5, "override": 200}
_AT_LEAST: Final = 10
_AT_MOST: Final = 100
# Decisions carry the time at which their transaction began: the last of a day may commit a little after midnight.
DRAW_AFTER: Final = timedelta(minutes=15)
SAMPLE_RULES: Final[dict[str, str]] = {
    "SAMPLE-DISAGREED": "Doorstep: a second person judges a daily sample of allowed decisions and of overrides",
    "SAMPLE-SEED-LATE": "Doorstep: the seed of a day's sample is committed in the log before the day ends",
}


class OwnDecision(KnownProblem):
    """Whoever passed a rule for it, as a supervisor, does not judge it: a second person does."""

    kind, status, title = "own-decision", 403, "Whoever decided does not judge the sample"


class SampleJudged(KnownProblem):
    """The sample was judged already; a judgement is never changed. The finding of a disagreement can be contested."""

    kind, status, title = "sample-judged", 409, "The sample is judged already"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One allowed decision or override that was drawn. `subject_id`: the decision or the override."""

    sample_id: UUID
    day: date
    kind: SampleKind
    subject_id: UUID
    party_id: UUID


def span_of(day: date) -> Span:
    """The day in business time, by UTC."""
    start = datetime.combine(day, time(), tzinfo=UTC)
    return Span(start, start + timedelta(days=1))


def size_of(kind: SampleKind, population: int) -> int:
    """How many of so many are drawn."""
    share = -(-population * _PER_MILLE[kind] // 1_000)
    return min(population, max(_AT_LEAST, min(share, _AT_MOST)))


def commitment_of(seed: bytes) -> str:
    """What the leaf says of the seed before the day ends: its SHA-256, hexadecimal."""
    return hashlib.sha256(seed).hexdigest()


def rank(seed: bytes, subject_id: UUID) -> bytes:
    """The place in the draw: the smallest are taken."""
    return hashlib.sha256(seed + subject_id.bytes).digest()


def draw(seed: bytes, subject_ids: Iterable[UUID], size: int) -> list[UUID]:
    """The sample, in its order. The reference for the statement of `store.samples`, and what a verifier does."""
    return sorted(subject_ids, key=lambda one: rank(seed, one))[:size]


def sample_id_of(kind: SampleKind, subject_id: UUID) -> UUID:
    """A decision or override is drawn at most once."""
    return derived_id("sample", kind, str(subject_id))


def disagreement(sample: Sample, *, by_whom: str, reason: str) -> FindingVersion:
    """The finding of a second person who would not have allowed it."""
    rule = "SAMPLE-DISAGREED"
    return FindingVersion(
        finding_id=derived_id("finding", "sample", str(sample.sample_id)),
        version=1,
        finding=Finding(
            rule, SAMPLE_RULES[rule], "medium", f"a second person would not have allowed this {sample.kind}"
        ),
        party_id=sample.party_id,
        subject=f"{sample.kind}:{sample.subject_id}",
        by_whom=by_whom,
        reason=reason,
    )


def seed_found_late(day: date) -> FindingVersion:
    """The finding of a day that was drawn with a seed which somebody could have chosen."""
    rule = "SAMPLE-SEED-LATE"
    return FindingVersion(
        finding_id=derived_id("finding", "sample-seed-late", day.isoformat()),
        version=1,
        finding=Finding(rule, SAMPLE_RULES[rule], "medium", f"{day}: the seed was committed after the day"),
        subject="sample",
    )
