"""The audit of a contact, on what was known when it was made."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.compliance.domain.audit import Evidence, Finding, counted, judge_contact
from services.compliance.domain.facts import Override, PartyFacts
from services.compliance.domain.local_time import Span
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.permits import Permit
from shared.events.contact import ContactRecorded

from .conftest import CREW, REAL, at, facts

F = timedelta(seconds=120)


def visit(permit: Permit | None, start: datetime) -> ContactRecorded:
    return ContactRecorded(
        contact_id=uuid4(), party_id=facts().party_id, permit_id=None if permit is None else permit.permit_id,
        visit_id=None if permit is None else permit.subject_id, channel="visit", purpose="collection",
        started_at=start, ended_at=start + timedelta(minutes=20), started_real=REAL, outcome="met", contact=True,
        conversation=True, household_contacted=True, debtor_met=True, crew=list(CREW), identity_shown=True,
        recording_complete=True,
    )  # fmt: skip


def found(contact: ContactRecorded, permit: Permit | None, known: PartyFacts, book: RuleBook) -> dict[str, Finding]:
    evidence = Evidence(permit=permit, facts=known, jurisdiction="CN", freshness_limit=F)
    return {one.rule: one for one in judge_contact(contact, evidence, book)}


def test_lawful_visit_breaks_nothing(permit: Permit, book: RuleBook) -> None:
    assert found(visit(permit, at(14)), permit, facts(), book) == {}


def test_who_moved_after_the_visit_was_not_there_yet(permit: Permit, book: RuleBook) -> None:
    """14:00 in Shanghai is six in the morning in London, where the person has moved before the visit was told."""
    moved = facts(zones=("Europe/London",))
    assert found(visit(permit, at(14)), permit, moved, book) == {}


@pytest.mark.parametrize(("by", "passes"), [("consent", True), ("supervisor", False)])
def test_consent_to_any_hour_is_heeded(permit: Permit, book: RuleBook, by: str, passes: bool) -> None:
    early = replace(permit, window=Span(at(6), at(7)))
    valid = Span(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC))
    given = (Override(by="consent" if by == "consent" else "supervisor", evidence=uuid4(), valid=valid),)
    known = facts(overrides={"CN-GBT45251-HOURS": given, "CN-CBA2026-HOURS": given})
    assert ("CN-CBA2026-HOURS" not in found(visit(early, at(6)), early, known, book)) is passes


@pytest.mark.parametrize(("told", "conduct"), [(-60, True), (60, False)])
def test_contact_told_after_this_one_began_was_not_known(
    permit: Permit, book: RuleBook, told: int, conduct: bool
) -> None:
    """Nobody had a permit for it: the later visit is one too many, but whoever made it could not know."""
    earlier = visit(None, at(10))
    before = counted(earlier, ("Asia/Shanghai",), told_real=REAL + timedelta(seconds=told))
    finding = found(visit(permit, at(14)), permit, facts(counted=(before,)), book)["BANK-VISIT-30D"]
    assert (finding.conduct, finding.harm) == (conduct, True)
