"""Decisions and windows in process, on one core: what the rules cost without network and database.

A decision asks every rule of mainland China, of the bank's policy and of the platform about one contact with a person
of 90 days of history, seeks the earliest lawful moment when it refuses, writes the canonical record and hashes it, and
beside it everything that was looked at, so that it can be judged again.
Time is processor time, so that other work on the machine does not count; garbage is collected as in a service's
process. The floor, in the same run: the canonical JSON and SHA-256 of the same records alone.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from rich.console import Console
from rich.table import Table

from benchmarks.figures import save
from services.compliance.domain.canonical import Json, canonical, format_time
from services.compliance.domain.decisions import Decision, decide_plainly, record
from services.compliance.domain.facts import Balance, Counted, Freshness, PartyFacts, Question
from services.compliance.domain.holds import Hold
from services.compliance.domain.judged_on import JudgedOn
from services.compliance.domain.local_time import Span
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.rulings import Answer
from services.compliance.domain.windows import lawful_windows
from services.compliance.rule_book import rule_book
from shared.events.contact import Channel
from shared.garbage import collect_seldom

_TARGET_DECISIONS, _TARGET_PARTY_DAYS = 10_000, 3_000
_ROUNDS: Final = 5
_BATCH: Final = 200
_DAYS: Final = 14
_NOW: Final = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)  # a Monday, 10:00 in Shanghai
_ZONES: Final = ("Asia/Shanghai",)
_WATERMARKS: Final = dict.fromkeys(("intake", "assignment", "visits", "plans"), _NOW)
_CHANNELS: Final[tuple[Channel, ...]] = ("call", "call", "call", "sms", "sms", "email")


@dataclass
class Figures:
    """What was measured; rates are per second of processor time of one core."""

    decisions: int = 0
    denied_share: float = 0.0
    rules_asked: float = 0.0
    record_bytes: float = 0.0
    decisions_per_second: float = 0.0
    repeated_per_second: float = 0.0
    plainly_per_second: float = 0.0
    floor_per_second: float = 0.0
    ratio_to_floor: float = 0.0
    party_days: int = 0
    party_days_per_second: float = 0.0
    measured_at: str = ""

    def reached(self) -> bool:
        """Whether every target is met."""
        return (
            self.decisions_per_second >= _TARGET_DECISIONS
            and self.party_days_per_second >= _TARGET_PARTY_DAYS
            and self.denied_share >= 0.3
        )


@dataclass(frozen=True)
class Asked:
    """One request: the question, the person, and the request as it stands in the record."""

    question: Question
    facts: PartyFacts
    request: dict[str, Json]


def people_asked(count: int, *, seed: str) -> list[Asked]:
    """Visits wanted; three of ten are unlawful: one by its hour, one by a visit made lately, one by a hold."""
    draw = random.Random(seed)
    return [_asked(draw, number) for number in range(count)]


def _asked(draw: random.Random, number: int) -> Asked:
    party_id, fate = UUID(int=draw.getrandbits(128)), number % 10
    start = _NOW.replace(hour=14 if fate == 0 else draw.randrange(3, 12)) + timedelta(minutes=draw.randrange(25))
    question = Question(
        party_id=party_id, case_id=UUID(int=number), subject_id=UUID(int=draw.getrandbits(128)), channel="visit",
        purpose="collection", jurisdiction="CN", zones=_ZONES, span=Span(start, start + timedelta(minutes=30)),
        duration=timedelta(minutes=30), crew=(UUID(int=1), UUID(int=2)), device_id="device-17",
        place_cell="88309a5915fffff", versions={"case": 3, "visit": 1}, now=_NOW, real_now=_NOW,
    )  # fmt: skip
    hold = Hold(
        hold_id=UUID(int=draw.getrandbits(128)), party_id=party_id, kind="hardship", scope="party", valid_from=_NOW,
        valid_to=_NOW + timedelta(days=5), source_ref="letter", recorded_real=_NOW,
    )  # fmt: skip
    facts = PartyFacts(
        party_id=party_id, known=True, case_id=question.case_id, case_open=True, case_version=3, jurisdiction="CN",
        zones=_ZONES, history_known_from=date(2025, 1, 1), versions={("visit", question.subject_id): 1},
        holds=(hold,) if fate == 2 else (), counted=_history(draw, visited_days_ago=12 if fate == 1 else 45),
        freshness=Freshness(watermarks=_WATERMARKS),
        balance=Balance(as_of=_NOW, overdue_minor={"CNY": 125_000}, digest=f"{number:064x}"), inconvenient=(),
    )  # fmt: skip
    return Asked(question, facts, _request(question))


def _history(draw: random.Random, *, visited_days_ago: int) -> tuple[Counted, ...]:
    """A contact every other day for 90 days, and one visit."""
    found = []
    for days_ago in range(1, 91, 2):
        start = _NOW.replace(hour=3) - timedelta(days=days_ago, minutes=draw.randrange(90))
        met = draw.random() < 0.3
        found.append(_contact(draw.choice(_CHANNELS), start, met=met))
    found.append(_contact("visit", _NOW - timedelta(days=visited_days_ago), met=False))
    return tuple(found)


def _contact(channel: Channel, start: datetime, *, met: bool) -> Counted:
    return Counted(
        channel=channel, purpose="collection", span=Span(start, start + timedelta(minutes=5)), zones=_ZONES,
        contact=met, conversation=met, household_contacted=met, debtor_met=False, unanswered=not met, lawful=True,
    )  # fmt: skip


def _request(question: Question) -> dict[str, Json]:
    return {
        "request_id": str(question.subject_id), "party_id": str(question.party_id), "case_id": str(question.case_id),
        "subject_id": str(question.subject_id), "channel": question.channel, "purpose": question.purpose,
        "jurisdiction": question.jurisdiction, "time_zones": list(question.zones),
        "window": {"start": format_time(question.span.start), "end": format_time(question.span.end)},
        "duration_minutes": 30, "crew": [str(collector) for collector in question.crew],
        "device_id": question.device_id, "place_cell": question.place_cell, "versions": dict(question.versions),
    }  # fmt: skip


def _decisions(asked: Sequence[Asked], book: RuleBook) -> Iterator[tuple[Decision, bytes]]:
    """Decisions as the permit desk makes them: all of a batch, and then of each its record."""
    judged_on = [JudgedOn(question=one.question, facts=one.facts) for one in asked]
    decisions = [one.decide(book) for one in judged_on]
    for one, judged, decision in zip(asked, judged_on, decisions, strict=True):
        yield decision, _written(one, judged, decision, book)


def _written(asked: Asked, judged_on: JudgedOn, decision: Decision, book: RuleBook) -> bytes:
    """The decision's record, and all that it was judged on; both hashed."""
    content = judged_on.record(
        decision, judged_on.encoded(), book=book, decision_id=asked.question.subject_id, request=asked.request
    )
    hashlib.sha256(content).digest()
    return content


def _decide_all(asked: Sequence[Asked], book: RuleBook) -> None:
    for _ in _decisions(asked, book):
        pass


def _rate(work: Callable[[Sequence[Asked]], object], *, count: int, seed: str) -> float:
    """Persons per second of processor time, in batches as they come by HTTP; the best of some rounds, which other work
    on the machine disturbed least."""
    rates = []
    for number in range(_ROUNDS):
        spent = 0.0
        for batch in range(count // _BATCH):
            asked = people_asked(_BATCH, seed=f"{seed} {number} {batch}")
            started = time.process_time()
            work(asked)
            spent += time.process_time() - started
        rates.append(count / spent)
    return max(rates)


def _measure(book: RuleBook, count: int) -> Figures:
    figures = Figures(decisions=count, party_days=count * _DAYS)
    _decide_all(people_asked(_BATCH, seed="warm-up"), book)
    # Each person is asked about once: nothing of a history was counted before.
    figures.decisions_per_second = _rate(lambda asked: _decide_all(asked, book), count=count, seed="decisions")
    asked = people_asked(_BATCH, seed="again")
    figures.repeated_per_second = _rate(lambda _: _decide_all(asked, book), count=count, seed="again")
    figures.plainly_per_second = _rate(
        lambda asked: [decide_plainly(one.question, one.facts, book) for one in asked], count=_BATCH, seed="plainly"
    )
    _measure_records(figures, asked, book)
    days = [_NOW.date() + timedelta(days=offset) for offset in range(_DAYS)]
    windows = _rate(lambda asked: _ask_windows(asked, days, book), count=count // 4, seed="windows")
    figures.party_days_per_second = windows * _DAYS
    figures.measured_at = datetime.now(UTC).isoformat(timespec="seconds")
    return figures


def _measure_records(figures: Figures, asked: Sequence[Asked], book: RuleBook) -> None:
    """What was decided, that it was decided rightly, and the floor: canonical JSON and SHA-256 of the same records."""
    made = list(_decisions(asked, book))
    for one, (decision, _) in zip(asked, made, strict=True):
        if decision != decide_plainly(one.question, one.facts, book):
            raise AssertionError("the compiled rules answer otherwise than the plain ones")
    figures.denied_share = sum(decision.answer is Answer.DENY for decision, _ in made) / len(made)
    figures.rules_asked = sum(len(decision.rulings) for decision, _ in made) / len(made)
    figures.record_bytes = sum(len(content) for _, content in made) / len(made)
    records = [
        record(
            decision, question=one.question, facts=one.facts, book=book, decision_id=one.question.subject_id,
            request=one.request, frame=None if decision.frame is None else decision.frame.content,
        )
        for one, (decision, _) in zip(asked, made, strict=True)
    ]  # fmt: skip
    figures.floor_per_second = _rate(
        lambda _: [hashlib.sha256(canonical(one)).digest() for one in records], count=_BATCH * 4, seed="floor"
    )
    figures.ratio_to_floor = figures.decisions_per_second / figures.floor_per_second


def _ask_windows(asked: Sequence[Asked], days: Sequence[date], book: RuleBook) -> None:
    for one in asked:
        found = lawful_windows(one.question, days, one.facts, book)
        for ruling in found.refused.values():
            ruling.encoded()


def _table(figures: Figures) -> Table:
    table = Table(title=f"Decisions in process, one core, {figures.decisions:,} people with 90 days of history")
    for column in ("", "measured", "target"):
        table.add_column(column, justify="left" if not column else "right")
    table.add_row(
        "decisions, each of another person (1/s)", f"{figures.decisions_per_second:,.0f}", f">= {_TARGET_DECISIONS:,}"
    )
    table.add_row("decisions, the same people again (1/s)", f"{figures.repeated_per_second:,.0f}", "")
    table.add_row("by the plain functions, no record (1/s)", f"{figures.plainly_per_second:,.0f}", "")
    table.add_row("floor: canonical JSON and SHA-256 alone (1/s)", f"{figures.floor_per_second:,.0f}", "")
    table.add_row("ratio to the floor", f"{figures.ratio_to_floor:.2f}", "")
    table.add_row("denied, with the earliest lawful moment", f"{figures.denied_share:.0%}", "30%")
    table.add_row("rules asked per decision", f"{figures.rules_asked:.1f}", "")
    table.add_row("bytes per record", f"{figures.record_bytes:,.0f}", "")
    table.add_row(
        "windows (party-days per second)", f"{figures.party_days_per_second:,.0f}", f">= {_TARGET_PARTY_DAYS:,}"
    )
    return table


def main(arguments: Sequence[str] = ()) -> int:
    """Measure, print a table, write the figures as JSON. Returns 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="doorstep bench decisions", description=__doc__)
    parser.add_argument("--count", type=int, default=4_000, help="decisions of one round")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/decisions.json"))
    options = parser.parse_args(list(arguments))
    collect_seldom()
    figures = _measure(rule_book(), options.count)
    Console().print(_table(figures))
    save(figures, options.json)
    return 0 if figures.reached() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
