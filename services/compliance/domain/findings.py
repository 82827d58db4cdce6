"""Findings and what becomes of them. A finding is never edited: every step makes a version that supersedes the last.

`open` → `explained` → `upheld` → `remedied`; an open or explained one may be `dismissed`. Whoever explained a finding
does not decide on it. A later fact may change its verdicts; one that is closed and turns out worse opens again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal
from uuid import UUID

from services.compliance.domain.audit import Finding
from shared.ids import derived_id
from shared.web.problems import KnownProblem

FindingState = Literal["open", "explained", "upheld", "remedied", "dismissed"]
Decision = Literal["explain", "uphold", "remedy", "dismiss"]
Step = Literal["found", "judged_again", "explain", "uphold", "remedy", "dismiss"]

_LEADS_TO: Final[Mapping[Decision, FindingState]] = {
    "explain": "explained",
    "uphold": "upheld",
    "remedy": "remedied",
    "dismiss": "dismissed",
}
_TAKEN_FROM: Final[Mapping[Decision, frozenset[FindingState]]] = {
    "explain": frozenset({"open", "explained"}),
    "uphold": frozenset({"open", "explained"}),
    "remedy": frozenset({"upheld"}),
    "dismiss": frozenset({"open", "explained"}),
}
_CLOSED: Final[frozenset[FindingState]] = frozenset({"remedied", "dismissed"})
_UNDECIDED: Final[frozenset[FindingState]] = frozenset({"open", "explained"})


class FindingStepRefused(KnownProblem):
    """The finding's state does not allow this step: explain, then uphold or dismiss, then remedy what was upheld."""

    kind, status, title = "finding-step-refused", 409, "The finding's state does not allow this step"


class OwnExplanation(KnownProblem):
    """Whoever explained a finding does not decide on it: a second person upholds or dismisses it."""

    kind, status, title = "own-explanation", 403, "Whoever explained a finding does not decide on it"


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingVersion:
    """One version of a finding. Findings about a person name the party; findings about a feed or service a `subject`.

    `by_whom` is the person of the step (none: compliance itself), `explained_by` everybody who explained it so far.
    """

    finding_id: UUID
    version: int
    finding: Finding
    party_id: UUID | None = None
    contact_id: UUID | None = None
    permit_id: UUID | None = None
    subject: str | None = None
    state: FindingState = "open"
    step: Step = "found"
    by_whom: str | None = None
    reference: str | None = None
    reason: str | None = None
    explained_by: frozenset[str] = frozenset()


def finding_id_of(contact_id: UUID, rule: str) -> UUID:
    """A contact breaks a rule at most once, whatever it is judged on."""
    return derived_id("finding", str(contact_id), rule)


def of_contact(finding: Finding, *, party_id: UUID, contact_id: UUID, permit_id: UUID | None) -> FindingVersion:
    """The first version of a finding on a contact."""
    return FindingVersion(
        finding_id=finding_id_of(contact_id, finding.rule),
        version=1,
        finding=finding,
        party_id=party_id,
        contact_id=contact_id,
        permit_id=permit_id,
    )


def decide(
    current: FindingVersion, decision: Decision, *, by_whom: str, reason: str, reference: str | None
) -> FindingVersion:
    """The version after a person's step. Raises FindingStepRefused, OwnExplanation."""
    if current.state not in _TAKEN_FROM[decision]:
        raise FindingStepRefused(f"the finding is {current.state}", state=current.state)
    if decision in ("uphold", "dismiss") and by_whom in current.explained_by:
        raise OwnExplanation()
    return replace(
        current,
        version=current.version + 1,
        state=_LEADS_TO[decision],
        step=decision,
        by_whom=by_whom,
        reference=reference,
        reason=reason,
        explained_by=current.explained_by | {by_whom} if decision == "explain" else current.explained_by,
    )


def judged_again(current: FindingVersion, now: Finding) -> FindingVersion:
    """The version with the verdicts of `now`; the same verdicts make no version.

    Closed on a milder verdict, it opens again. With neither verdict left there is nothing to explain: it is dismissed.
    """
    before = current.finding
    if (now.conduct, now.harm) == (before.conduct, before.harm):
        return current
    state = current.state
    if state in _CLOSED and ((now.conduct and not before.conduct) or (now.harm and not before.harm)):
        state = "open"
    elif state in _UNDECIDED and not (now.conduct or now.harm):
        state = "dismissed"
    return replace(
        current,
        version=current.version + 1,
        finding=replace(before, severity=now.severity, detail=now.detail, conduct=now.conduct, harm=now.harm),
        state=state,
        step="judged_again",
        by_whom=None,
        reference=None,
        reason=None,
    )


def not_broken(current: FindingVersion, *, detail: str) -> FindingVersion:
    """The version of a finding on a contact that broke nothing, as is known now."""
    return judged_again(current, replace(current.finding, conduct=False, harm=False, detail=detail))


def found_again(
    standing: FindingVersion | None, found: FindingVersion | None, *, repaired: str
) -> FindingVersion | None:
    """The next version of a finding that is looked for again and again; None when nothing has changed.

    `found`: its first version as it would be today, None when there is nothing to be found any more. Then it closes by
    itself as remedied, with `repaired` as its detail, unless a person has closed it; found again, it opens again.
    """
    if standing is None or found is None:
        return found if standing is None else _repaired(standing, repaired)
    if standing.finding.harm and standing.finding.detail == found.finding.detail:
        return None
    again = replace(standing, finding=replace(standing.finding, harm=False))
    return judged_again(again, replace(again.finding, harm=True, detail=found.finding.detail))


def _repaired(standing: FindingVersion, detail: str) -> FindingVersion | None:
    if not standing.finding.harm:
        return None
    after = judged_again(standing, replace(standing.finding, harm=False, detail=detail))
    return after if after.state in _CLOSED else replace(after, state="remedied")
