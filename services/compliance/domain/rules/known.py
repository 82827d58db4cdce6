"""What must be known first. Unknown is never lawful."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from services.compliance.domain.canonical import Json, format_time
from services.compliance.domain.facts import (
    BALANCE_LIMIT,
    LOG_LIMIT,
    WATERMARK_LIMIT,
    Freshness,
    PartyFacts,
    Question,
)
from services.compliance.domain.packs import FactRule, HoursRule, RuleBook
from services.compliance.domain.rules.applicability import concerned
from services.compliance.domain.rulings import NEVER, Ruling, allow, deny_after, deny_until, needs
from services.compliance.domain.third_persons import INQUIRY
from shared.events.contact import Channel

Judge = Callable[[FactRule, Question, PartyFacts, RuleBook], Ruling]


def _party_known(rule: FactRule, question: Question, facts: PartyFacts, _book: RuleBook) -> Ruling:
    if not facts.known:
        return needs(rule, "case.opened", "the person is not known here")
    if facts.held:
        return needs(rule, "party.updated", "the person is only known by reference")
    if question.case_id is not None and question.case_id != facts.case_id:
        return needs(rule, "case.opened", "the case is not this person's")
    return allow(rule)


def _case_open(rule: FactRule, _question: Question, facts: PartyFacts, _book: RuleBook) -> Ruling:
    if not facts.known:
        return needs(rule, "case.opened", "the person's case is not known here")
    if facts.case_open:
        return allow(rule, case_version=facts.case_version)
    return deny_after(rule, "case.opened", "no open case: nothing is overdue", case_version=facts.case_version)


def _jurisdiction_known(rule: FactRule, question: Question, facts: PartyFacts, book: RuleBook) -> Ruling:
    place = facts.jurisdiction
    values: dict[str, Json] = {"jurisdiction": place, "asked": question.jurisdiction}
    if place is None:
        return needs(rule, "case.opened", "the person's place is not known", **values)
    if not book.knows(place):
        return needs(rule, "pack.loaded", "no rules are loaded for the person's place", **values)
    if place != question.jurisdiction:
        return needs(rule, "case.updated", "the asker names another place than the case", **values)
    return allow(rule, **values)


def _zones_known(rule: FactRule, question: Question, facts: PartyFacts, _book: RuleBook) -> Ruling:
    zones = question.candidate_zones(facts)
    if not zones:
        return needs(rule, "party.time_zone", "no time zone, or one that does not exist")
    return allow(rule, zones=list(zones))


def _facts_fresh(rule: FactRule, question: Question, facts: PartyFacts, _book: RuleBook) -> Ruling:
    watermarks: dict[str, Json] = {
        name: None if moment is None else format_time(moment)
        for name, moment in sorted(facts.freshness.watermarks.items())
    }
    values: dict[str, Json] = {"watermarks": watermarks}
    stale = sorted(
        name
        for name, moment in facts.freshness.watermarks.items()
        if moment is None or question.real_now - moment > WATERMARK_LIMIT
    )
    if stale:
        return needs(rule, "facts.fresh", f"facts_stale: {', '.join(stale)}", stale=list(stale), **values)
    suspended = facts.freshness.suspended_feeds
    if suspended:
        detail = f"facts_stale: the feed is suspended of {', '.join(suspended)}"
        return needs(rule, "facts.fresh", detail, suspended_feeds=list(suspended), **values)
    if facts.freshness.named_by:
        names = ", ".join(facts.freshness.named_by)
        return needs(rule, "facts.completed", f"facts_stale: records of the person wait at {names}", **values)
    silent = _silent(question.channel, facts.freshness)
    if silent:
        return needs(rule, "feed.heard", f"feed_silent: {', '.join(silent)}", silent_feeds=list(silent), **values)
    return allow(rule, **values)


def _silent(channel: Channel, freshness: Freshness) -> tuple[str, ...]:
    """The systems that should have told of contacts on the channel; a third person may be asked by any means."""
    if channel != INQUIRY:
        return freshness.silent_feeds.get(channel, ())
    return tuple(sorted({source for sources in freshness.silent_feeds.values() for source in sources}))


def _log_current(rule: FactRule, question: Question, facts: PartyFacts, _book: RuleBook) -> Ruling:
    since = facts.freshness.log_waits_since
    values: dict[str, Json] = {"uncovered_since": None if since is None else format_time(since)}
    if since is not None and question.real_now - since > LOG_LIMIT:
        return needs(rule, "log.current", "log_behind: what is decided now could not be proved later", **values)
    return allow(rule, **values)


def _versions_seen(rule: FactRule, question: Question, facts: PartyFacts, _book: RuleBook) -> Ruling:
    behind = versions_behind(question, facts)
    values: dict[str, Json] = {"asked": dict(question.versions)}
    if behind:
        return needs(rule, "facts.caught_up", f"facts_behind: {', '.join(behind)}", behind=list(behind), **values)
    return allow(rule, **values)


def versions_behind(question: Question, facts: PartyFacts) -> list[str]:
    """The kinds of fact of which the asker has seen a later version than compliance."""
    return sorted(kind for kind, version in question.versions.items() if seen(kind, question, facts) < version)


def seen(kind: str, question: Question, facts: PartyFacts) -> int:
    """The latest version of the case, visit or plan that compliance knows; 0: none."""
    if kind == "case":
        return facts.case_version if question.case_id in (None, facts.case_id) else 0
    return facts.versions.get((kind, question.subject_id), 0) if kind in ("visit", "plan") else 0


def _balance_owed(rule: FactRule, question: Question, facts: PartyFacts, _book: RuleBook) -> Ruling:
    balance = facts.balance
    if balance is None:
        return needs(rule, "balance.confirmed", "intake gave no signed balance answer")
    values: dict[str, Json] = {"as_of": format_time(balance.as_of), "answer_sha256": balance.digest}
    if not abs(question.real_now - balance.as_of) <= BALANCE_LIMIT:
        return needs(rule, "balance.confirmed", "the balance answer is older than 15 minutes", **values)
    if not balance.owes:
        return deny_after(rule, "case.opened", "nothing is overdue any more", **values)
    return allow(rule, **values)


def _customer_request(rule: FactRule, question: Question, facts: PartyFacts, _book: RuleBook) -> Ruling:
    """Each request covers one contact, on whichever of its channels; one that was made or reserved since the first of
    them uses one up."""
    covering = [one for one in facts.requested if one.covers(question.channel, question.span)]
    first = min((one.at for one in covering), default=question.now)
    channels = frozenset[Channel]().union(*(one.channels for one in covering))
    used = sum(
        one.purpose == "customer_requested" and one.channel in channels and one.span.start >= first
        for one in facts.counted
    )
    if used < len(covering):
        return allow(rule, requests=len(covering), used=used)
    return needs(rule, "customer.requested", "no request recorded by the customer covers this contact")


def _channel_has_hours(rule: FactRule, question: Question, facts: PartyFacts, book: RuleBook) -> Ruling:
    if facts.jurisdiction is None:
        return needs(rule, "case.opened", "the person's place is not known")
    hours = [other for other in concerned(question, facts, book) if isinstance(other, HoursRule)]
    if hours and all(any(other.in_force(day) for other in hours) for day in question.local_dates(facts)):
        return allow(rule, hours_rules=[other.id for other in hours])
    return deny_after(rule, "pack.loaded", f"no hours rule is loaded for {question.channel}")


def _window_fits(rule: FactRule, question: Question, _facts: PartyFacts, _book: RuleBook) -> Ruling:
    if question.duration > question.span.length:
        return deny_after(rule, NEVER, "the window is shorter than the contact")
    if question.span.end - max(question.span.start, question.now) < question.duration:
        return deny_until(rule, question.now, "the rest of the window is shorter than the contact")
    return allow(rule)


def _bound_to_place(rule: FactRule, question: Question, _facts: PartyFacts, _book: RuleBook) -> Ruling:
    if question.device_id is None or question.place_cell is None:
        return needs(rule, "visit.place", "a visit permit is bound to a device and a place; one of them is not named")
    return allow(rule)


_JUDGES: Final[Mapping[str, Judge]] = {
    "party_known": _party_known,
    "case_open": _case_open,
    "jurisdiction_known": _jurisdiction_known,
    "zones_known": _zones_known,
    "facts_fresh": _facts_fresh,
    "log_current": _log_current,
    "versions_seen": _versions_seen,
    "balance_owed": _balance_owed,
    "customer_request": _customer_request,
    "channel_has_hours": _channel_has_hours,
    "window_fits": _window_fits,
    "bound_to_place": _bound_to_place,
}


def judge_fact(rule: FactRule, question: Question, facts: PartyFacts, book: RuleBook) -> Ruling:
    """Whether the fact that the rule asks for is known and in favour."""
    return _JUDGES[rule.kind](rule, question, facts, book)
