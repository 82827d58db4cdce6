"""What a report counts as: what is not known counts as everything that the channel can have been."""

from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.compliance.domain.reports import (
    Counters,
    Reached,
    ReportedChannel,
    contact_id_of,
    counters,
    times_contradict,
)

from .conftest import NOW


@pytest.mark.parametrize(
    ("reached", "conversation", "counts"),
    [
        ("unknown", None, (True, True, True, True)),
        ("unknown", False, (True, False, True, True)),
        ("debtor", True, (True, True, True, False)),
        ("debtor", False, (True, False, True, False)),
        ("household", None, (True, False, True, False)),
        ("third_party", None, (True, False, False, False)),
        ("nobody", None, (False, False, False, False)),
    ],
)
def test_call_counts_as_whom_it_reached(
    reached: Reached, conversation: bool | None, counts: tuple[bool, bool, bool, bool]
) -> None:
    assert counters("call", reached, conversation=conversation) == Counters(*counts)


@pytest.mark.parametrize("channel", ["sms", "email", "letter"])
@pytest.mark.parametrize("reached", get_args(Reached))
def test_message_is_a_contact_never_a_conversation(channel: ReportedChannel, reached: Reached) -> None:
    assert counters(channel, reached, conversation=True) == Counters(True, False, False, False)


@pytest.mark.parametrize(
    ("reached", "counts"),
    [
        ("nobody", (False, False, False, False)),
        ("third_party", (True, False, False, False)),
        ("household", (True, False, True, False)),
        ("debtor", (True, True, True, True)),
    ],
)
def test_inquiry_counts_as_whom_it_reached(reached: Reached, counts: tuple[bool, bool, bool, bool]) -> None:
    assert counters("third_party_location", reached, conversation=None) == Counters(*counts)


@given(st.sampled_from(get_args(ReportedChannel)), st.sampled_from(get_args(Reached)))
def test_unknown_counts_at_least_as_anything_known(channel: ReportedChannel, reached: Reached) -> None:
    unknown, known = counters(channel, "unknown", conversation=None), counters(channel, reached, conversation=None)
    assert all(one >= other for one, other in zip(unknown, known, strict=True))


@pytest.mark.parametrize(
    ("apart", "told", "contradicts"),
    [
        (timedelta(), None, False),
        (timedelta(), timedelta(minutes=-1), False),
        (timedelta(), timedelta(hours=-3), True),  # as if nobody could have known yet
        (timedelta(), timedelta(hours=3), True),
        (timedelta(days=200), timedelta(hours=-3), False),  # a stepped clock of business: nobody can tell
        (timedelta(days=200), timedelta(hours=6), True),  # nor is that yet to come
    ],
)
def test_real_time_that_cannot_be_is_seen(apart: timedelta, told: timedelta | None, contradicts: bool) -> None:
    began, now = NOW, NOW + timedelta(hours=5)
    started_real = None if told is None else began + apart + told
    assert times_contradict(began, started_real, now=now, real_now=now + apart) is contradicts


def test_same_record_of_two_sources_is_two_contacts() -> None:
    assert contact_id_of("bank", "a", "1") != contact_id_of("bank", "b", "1")
    assert contact_id_of("bank", "a", "1") == contact_id_of("bank", "a", "1")
