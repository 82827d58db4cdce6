"""The order in which a run's tests are dealt to its workers."""

import pytest

from tests.conftest import in_shares

CHAOS, DEMO, CUTOVER, REST = ["c1", "c2", "c3", "c4"], ["d"], ["x1", "x2"], [f"r{number}" for number in range(14)]


@pytest.mark.parametrize(("workers", "begin"), [(1, ["c1"]), (2, ["c1", "d"]), (3, ["c1", "d", "x1"])])
def test_each_worker_begins_with_another_room(workers: int, begin: list[str]) -> None:
    order, taken, first = in_shares([CHAOS, DEMO, CUTOVER], REST, workers=workers), 0, []
    for waiting in range(workers, 0, -1):
        first.append(order[taken])
        taken += (len(order) - taken) // waiting
    assert first == begin


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
@pytest.mark.parametrize("rest", [REST, REST[:1], []])
def test_every_test_is_dealt_once(workers: int, rest: list[str]) -> None:
    assert sorted(in_shares([CHAOS, DEMO, CUTOVER], rest, workers=workers)) == sorted(CHAOS + DEMO + CUTOVER + rest)
