"""Lets the facts that wait on the topics go before what follows from them, in a process that does both."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable

LONGEST_SECONDS = 30.0


class Backlog:
    """Which partitions of this process have a whole batch waiting behind the one in hand, and since when any has.

    A process that reads nothing has none, so workers of their own give way to nobody.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._behind: set[Hashable] = set()
        self._since = 0.0

    def note(self, place: Hashable, *, behind: bool) -> None:
        """A reader says how it stands."""
        if not behind:
            self._behind.discard(place)
            return
        if not self._behind:
            self._since = self._monotonic()
        self._behind.add(place)

    def forget(self, places: Iterable[Hashable]) -> None:
        """These partitions are read by somebody else, or by nobody, from now on."""
        self._behind.difference_update(places)

    def goes_first(self) -> bool:
        """Whether work that may wait should: never longer than LONGEST_SECONDS, so that no flood can starve it."""
        return bool(self._behind) and self._monotonic() - self._since < LONGEST_SECONDS


class GivesWay:
    """Mark of an intent handler whose work follows from facts and may wait until those at hand are read."""
