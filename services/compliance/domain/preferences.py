"""What a person wishes about when and how they are contacted, and wishes that nobody could follow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final, Literal, NamedTuple

from services.compliance.domain.facts import Inconvenient
from services.compliance.domain.local_time import Span
from shared.events.contact import Channel
from shared.web.problems import KnownProblem

DAY_BEGINS: Final = time(0)
DAY_ENDS: Final = time.max
# A wish that leaves less than this of every lawful day leaves nothing.
SHORTEST_CONTACT: Final = timedelta(minutes=15)


class ContradictoryPreferences(KnownProblem):  # reads as a fact at the call site
    """The wishes contradict each other, or leave no lawful time although the channel is to stay open.

    Nothing is recorded; ask the person again. Who wants no contact at all on a channel names it without hours.
    """

    kind, status, title = "contradictory-preferences", 422, "These preferences contradict each other"


class Hours(NamedTuple):
    """A part of the local day, [opens, closes)."""

    opens: time
    closes: time

    def overlaps(self, other: Hours) -> bool:
        """Whether they share a moment."""
        return self.opens < other.closes and other.opens < self.closes


WHOLE_DAY: Final = Hours(DAY_BEGINS, DAY_ENDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """`never`: not on these channels at these hours. `only`: on these channels at no other hours. No hours: always."""

    wish: Literal["never", "only"]
    channels: frozenset[Channel]
    hours: Hours | None = None


def inconvenient_of(wishes: Sequence[Wish]) -> tuple[Inconvenient, ...]:
    """The times to be avoided. Several `only` of a channel add up. Raises ContradictoryPreferences."""
    found: list[Inconvenient] = []
    for channel in sorted({channel for wish in wishes for channel in wish.channels}):
        never = [wish.hours for wish in wishes if wish.wish == "never" and channel in wish.channels]
        only = [wish.hours or WHOLE_DAY for wish in wishes if wish.wish == "only" and channel in wish.channels]
        if any((one or WHOLE_DAY).overlaps(other) for one in never for other in only):
            raise ContradictoryPreferences("the same hours are wanted and not wanted", channel=channel)
        channels = frozenset({channel})
        if None in never:
            found.append(Inconvenient(channels=channels))
            continue
        avoided = [hours for hours in never if hours is not None] + (_outside(only) if only else [])
        found += [Inconvenient(channels=channels, opens=one.opens, closes=one.closes) for one in avoided]
    return tuple(found)


def _outside(wanted: Iterable[Hours]) -> list[Hours]:
    """The hours of the day that no wanted part covers."""
    gaps: list[Hours] = []
    reached = DAY_BEGINS
    for one in sorted(wanted):
        if one.opens > reached:
            gaps.append(Hours(reached, one.opens))
        reached = max(reached, one.closes)
    return [*gaps, Hours(reached, DAY_ENDS)] if reached < DAY_ENDS else gaps


def longest_left(span: Span, taken: Iterable[Span]) -> timedelta:
    """The longest stretch of `span` that none of `taken` touches."""
    longest, reached = timedelta(), span.start
    for one in sorted(taken):
        longest = max(longest, _inside(one.start, span) - reached)
        reached = max(reached, _inside(one.end, span))
    return max(longest, span.end - reached)


def _inside(moment: datetime, span: Span) -> datetime:
    return min(max(moment, span.start), span.end)
