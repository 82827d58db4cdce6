"""The audit of a contact, on what was known when it was made."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.compliance.domain.audit import Finding, counted, judge_contact
from services.compliance.domain.audited_on import Made, evidence_of, keys_of
from services.compliance.domain.budget_keys import key_of_home
from services.compliance.domain.dossier import Dossier, DossierEntry, DossierName, GivenOverride
from services.compliance.domain.facts import Inconvenient, Override, PartyFacts
from services.compliance.domain.local_time import Span
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.permits import Permit
from services.compliance.domain.places import Place
from services.compliance.domain.rule_records import Overriding
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


def found(
    contact: ContactRecorded, permit: Permit | None, known: PartyFacts, book: RuleBook, *, dossier: Dossier = Dossier(),
    others: Sequence[Made] = (), places: Sequence[Place] = (),
) -> dict[str, Finding]:  # fmt: skip
    evidence = evidence_of(
        contact, permit=permit, party=known, dossier=dossier, places=places, others=others, freshness_limit=F
    )
    return {one.rule: one for one in judge_contact(contact, evidence, book)}


def told(name: DossierName, value: Any, *, as_of: datetime, heard: timedelta) -> DossierEntry:
    return DossierEntry(
        party_id=facts().party_id, name=name, value=value, as_of=as_of, recorded_real=REAL + heard, owner="bank"
    )  # fmt: skip


def made(contact: ContactRecorded, zone: str, *, heard: timedelta, **verdicts: bool) -> Made:
    known = counted(contact, (zone,), told_real=REAL + heard)
    one = Made(contact_id=contact.contact_id, counted=known)
    return one.judged(conduct=verdicts.get("conduct", False), harm=verdicts.get("harm", False))


def test_lawful_visit_breaks_nothing(permit: Permit, book: RuleBook) -> None:
    assert found(visit(permit, at(14)), permit, facts(), book) == {}


def test_visit_counts_on_the_key_of_the_address_beside_what_was_reserved(permit: Permit) -> None:
    home, written = key_of_home("c" * 32), "d" * 32
    known = facts(keys={"debt": frozenset({"one"}), "household": frozenset()})
    told = visit(None, at(14)).model_copy(update={"address_key": "c" * 32})
    assert keys_of(told, None, known) == {**known.keys, "address": frozenset({home})}
    reserved = replace(permit, keys={"address": frozenset({written})})
    assert keys_of(told, reserved, known) == {"address": frozenset({home, written})}
    assert keys_of(told.model_copy(update={"channel": "call"}), None, known) == known.keys


def test_who_moved_after_the_visit_was_not_there_yet(permit: Permit, book: RuleBook) -> None:
    """14:00 in Shanghai is six in the morning in London, where the person has moved before the visit was told."""
    moved = facts(zones=("Europe/London",))
    assert found(visit(permit, at(14)), permit, moved, book) == {}


@pytest.mark.parametrize(("hour", "lawful"), [(14, False), (23, True)])
def test_visit_after_a_move_is_judged_by_the_clocks_there(
    permit: Permit, book: RuleBook, hour: int, lawful: bool
) -> None:
    """23:00 in Shanghai, where the permit was granted, is three in the afternoon in London; 14:00 is six there."""
    moved = Place(
        party_id=permit.party_id, since=at(9), recorded_real=REAL + timedelta(hours=1), jurisdiction="CN",
        zones=("Europe/London",),
    )  # fmt: skip
    kept = replace(permit, window=Span(at(hour), at(hour) + timedelta(hours=1)), granted_real=REAL)
    contact = visit(kept, at(hour)).model_copy(update={"started_real": REAL + timedelta(hours=5)})
    broken = found(contact, kept, facts(), book, places=[moved])
    assert ("CN-CBA2026-HOURS" not in broken) is lawful


@pytest.mark.parametrize(("by", "passes"), [("consent", True), ("supervisor", False)])
def test_consent_to_any_hour_is_heeded(permit: Permit, book: RuleBook, by: Overriding, passes: bool) -> None:
    early = replace(permit, window=Span(at(6), at(7)))
    valid = Span(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC))
    given = [
        GivenOverride(
            override_id=uuid4(), party_id=facts().party_id, rule=rule, recorded_real=REAL,
            override=Override(by=by, evidence=uuid4(), valid=valid),
        )
        for rule in ("CN-GBT45251-HOURS", "CN-CBA2026-HOURS")
    ]  # fmt: skip
    broken = found(visit(early, at(6)), early, facts(), book, dossier=Dossier(overrides=tuple(given)))
    assert ("CN-CBA2026-HOURS" not in broken) is passes


@pytest.mark.parametrize(("heard", "conduct"), [(-121, True), (-60, False), (60, False)])
def test_contact_told_after_this_one_began_was_not_known(
    permit: Permit, book: RuleBook, heard: int, conduct: bool
) -> None:
    """Nobody had a permit for it: the later visit is one too many, but whoever made it could not know."""
    earlier = made(visit(None, at(10)), "Asia/Shanghai", heard=timedelta(seconds=heard))
    finding = found(visit(permit, at(14)), permit, facts(), book, others=[earlier])["BANK-VISIT-30D"]
    assert (finding.conduct, finding.harm) == (conduct, True)


@pytest.mark.parametrize(("heard", "conduct"), [(-121, True), (-60, False), (60, False)])
def test_visit_at_an_inconvenient_time(book: RuleBook, heard: int, conduct: bool) -> None:
    """Told only while the crew was under way, it harms, and nobody at the door could know."""
    wish = (Inconvenient(channels=frozenset({"visit"}), opens=time(13), closes=time(16)),)
    entries = (
        told("preferences", (), as_of=at(9, day=1), heard=-timedelta(days=1)),
        told("preferences", wish, as_of=at(9), heard=timedelta(seconds=heard)),
    )
    broken = found(visit(None, at(22, day=3)), None, in_london(), book, dossier=Dossier(entries))
    finding = broken["UK-CONC-TIMES-WISH"]
    assert (finding.conduct, finding.harm, finding.severity) == (conduct, True, "high" if conduct else "low")


def test_wish_that_was_taken_back_unheard_is_conduct_without_harm(book: RuleBook) -> None:
    wish = (Inconvenient(channels=frozenset({"visit"})),)
    entries = (
        told("preferences", wish, as_of=at(9, day=1), heard=-timedelta(days=1)),
        told("preferences", (), as_of=at(9), heard=timedelta(hours=1)),
    )
    finding = found(visit(None, at(21)), None, in_london(), book, dossier=Dossier(entries))["UK-CONC-TIMES-WISH"]
    assert (finding.conduct, finding.harm) == (True, False)


def test_what_nobody_asked_the_person_is_not_known_to_be_convenient(book: RuleBook) -> None:
    finding = found(visit(None, at(21)), None, in_london(), book)["UK-CONC-TIMES-WISH"]
    assert (finding.conduct, finding.harm) == (True, True)


@pytest.mark.parametrize(("day", "closed"), [(2, False), (9, True)])
def test_visit_on_a_day_off(book: RuleBook, day: int, closed: bool) -> None:
    """9 March 2026 is Adelaide Cup Day in South Australia."""
    adelaide = facts(jurisdiction="AU-SA", zones=("Australia/Adelaide",))
    assert ("AU-SA-HOLIDAYS" in found(visit(None, at(10, day=day)), None, adelaide, book)) is closed


CALL_DAY_BEFORE = [
    # told before the visit began?, unlawful on what was then known, unlawful on what is known now, verdicts on the gate
    (timedelta(hours=-3), False, False, None),
    (timedelta(hours=3), False, False, (True, False)),
    (timedelta(hours=-3), True, True, (True, True)),
    (timedelta(hours=-3), False, True, (False, True)),
]


@pytest.mark.parametrize(("heard", "conduct", "harm", "verdicts"), CALL_DAY_BEFORE)
def test_only_a_lawful_failed_call_lets_a_visit_follow(
    book: RuleBook, heard: timedelta, conduct: bool, harm: bool, verdicts: tuple[bool, bool] | None
) -> None:
    melbourne = facts(jurisdiction="AU-VIC", zones=("Australia/Melbourne",))
    call = visit(None, at(10, day=1)).model_copy(
        update={
            "channel": "call", "contact": False, "conversation": False, "household_contacted": False,
            "debtor_met": False,
        }
    )  # fmt: skip
    earlier = made(call, "Australia/Melbourne", heard=heard, conduct=conduct, harm=harm)
    broken = found(visit(None, at(10)), None, melbourne, book, others=[earlier]).get("AU-RG96-VISITGATE")
    assert (None if broken is None else (broken.conduct, broken.harm)) == verdicts


def test_two_missed_appointments_open_the_door_at_home(book: RuleBook) -> None:
    """Where each visit went is what was told of the place at its time."""
    mumbai = facts(jurisdiction="IN", zones=("Asia/Kolkata",))
    entries = (
        told("product", "microfinance", as_of=at(9, day=1), heard=-timedelta(days=9)),
        told("place", "designated", as_of=at(9, day=1), heard=-timedelta(days=9)),
        told("place", "home", as_of=at(9, day=9), heard=-timedelta(days=9)),
    )
    missed = [
        made(
            visit(None, at(14, day=day)).model_copy(update={"contact": False, "debtor_met": False}),
            "Asia/Kolkata",
            heard=-timedelta(days=1),
        )
        for day in (2, 4)
    ]
    home = visit(None, at(14, day=10))
    for others, closed in ((missed, False), (missed[:1], True)):
        broken = found(home, None, mumbai, book, dossier=Dossier(entries), others=others)
        assert ("IN-MFI-PLACE" in broken) is closed


def in_london() -> PartyFacts:
    return facts(jurisdiction="GB", zones=("Europe/London",))
