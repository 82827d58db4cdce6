"""What a relay finds of the records that its own process has committed."""

from shared.messaging.fresh_records import FreshRecords, Record


def test_nothing_is_kept_without_a_relay() -> None:
    fresh = FreshRecords()
    fresh.add({1: record(b"x")})
    assert fresh.take([1]) == {}


def test_a_record_is_taken_once() -> None:
    fresh = wanted(limit_bytes=100)
    fresh.add({1: record(b"x")})
    assert (set(fresh.take([1, 2])), set(fresh.take([1, 2]))) == ({1}, set())


def test_the_oldest_make_room() -> None:
    fresh = wanted(limit_bytes=20)
    for place in range(5):
        fresh.add({place: record(b"0123456789")})
    assert set(fresh.take(range(5))) == {3, 4}


def test_what_was_taken_makes_room() -> None:
    fresh = wanted(limit_bytes=20)
    for place in range(5):
        fresh.add({place: record(b"0123456789")})
        fresh.take([place - 1])
    fresh.add({9: record(b"0123456789")})
    assert set(fresh.take(range(10))) == {4, 9}


def wanted(*, limit_bytes: int) -> FreshRecords:
    fresh = FreshRecords(limit_bytes)
    fresh.wanted = True
    return fresh


def record(value: bytes) -> Record:
    return Record("case", 0, b"k", value, [], "e-1")
