"""What follows from facts lets those that wait go first, and is never starved."""

from __future__ import annotations

from shared.messaging.backlog import LONGEST_SECONDS, Backlog


class Watch:
    """A monotonic clock that stands still until it is told."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_a_full_batch_that_waits_goes_first() -> None:
    backlog = Backlog()
    backlog.note("loan/1", behind=True)
    assert backlog.goes_first()


def test_whoever_reads_nothing_gives_way_to_nobody() -> None:
    assert not Backlog().goes_first()


def test_it_is_over_when_the_last_partition_has_caught_up() -> None:
    backlog = Backlog()
    for place in ("loan/1", "loan/2"):
        backlog.note(place, behind=True)
    backlog.note("loan/1", behind=False)
    assert backlog.goes_first()
    backlog.note("loan/2", behind=False)
    assert not backlog.goes_first()


def test_a_partition_that_was_given_up_counts_no_more() -> None:
    backlog = Backlog()
    backlog.note("loan/1", behind=True)
    backlog.forget(["loan/1"])
    assert not backlog.goes_first()


def test_a_flood_starves_nobody() -> None:
    watch = Watch()
    backlog = Backlog(watch)
    backlog.note("loan/1", behind=True)
    watch.seconds += LONGEST_SECONDS / 2
    backlog.note("loan/2", behind=True)
    assert backlog.goes_first()
    watch.seconds += LONGEST_SECONDS / 2
    assert not backlog.goes_first()


def test_after_a_flood_the_next_one_goes_first_again() -> None:
    watch = Watch()
    backlog = Backlog(watch)
    backlog.note("loan/1", behind=True)
    watch.seconds += LONGEST_SECONDS
    backlog.note("loan/1", behind=False)
    backlog.note("loan/1", behind=True)
    assert backlog.goes_first()
