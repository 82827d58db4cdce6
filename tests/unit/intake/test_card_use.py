"""What each purpose shows of a card, and when no permit opens it."""

from datetime import UTC, date, datetime, timedelta
from typing import get_args
from uuid import uuid4

import pytest

from services.intake.card_desk import OpenedCard
from services.intake.domain.card_use import (
    ALL_FIELDS,
    USES,
    CardPurpose,
    HeardPermit,
    RequestPurpose,
    refusal,
)
from services.intake.people_views import shown
from services.intake.store.cards import Card, CardContact

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
STANDS = HeardPermit("visit", NOW - HOUR, NOW + HOUR, False)
VISIT = USES["visit"]
CARD = Card(
    name="Wang Xiaoming",
    contacts=(
        CardContact("home", "Synthetic Road 7", "contract", 31.2, 121.4),
        CardContact("mobile", "+86 138 0000 1234", "contract", None, None),
        CardContact("email", "xiaoming@example.cn", "on_file", None, None),
    ),
    born_on=date(1980, 5, 17),
)
SECRETS = {
    "name": "Xiaoming", "born_on": "05-17", "home": "Synthetic Road", "point": "121.4", "mobile": "0000 1234",
    "email": "xiaoming@",
}  # fmt: skip


def test_every_purpose_says_what_it_needs() -> None:
    assert USES.keys() == {*get_args(CardPurpose), *get_args(RequestPurpose)}
    assert all(use.fields <= ALL_FIELDS for use in USES.values())


@pytest.mark.parametrize("purpose", USES)
def test_only_what_the_purpose_needs_is_clear(purpose: CardPurpose | RequestPurpose) -> None:
    use = USES[purpose]
    text = shown(uuid4(), OpenedCard(CARD, use.fields)).model_dump_json()
    assert {field for field, secret in SECRETS.items() if secret in text} == use.fields


def test_a_request_of_the_person_reaches_nobody() -> None:
    assert {USES[purpose].channel for purpose in get_args(RequestPurpose)} == {None}
    assert {purpose for purpose in get_args(CardPurpose) if USES[purpose].channel is None} == {"recognition"}
    assert not USES["recognition"].fields


def test_a_standing_permit_opens() -> None:
    assert refusal(VISIT, STANDS, named=True, now=NOW) is None
    assert refusal(USES["complaint"], None, named=False, now=NOW) is None


@pytest.mark.parametrize(
    ("permit", "named", "moment", "reason"),
    [
        (None, False, NOW, "no_permit"),
        (None, True, NOW, "permit_unknown"),
        (HeardPermit("visit", NOW - HOUR, NOW + HOUR, True), True, NOW, "permit_void"),
        (HeardPermit("visit", None, None, False), True, NOW, "permit_void"),
        (HeardPermit("call", NOW - HOUR, NOW + HOUR, False), True, NOW, "other_channel"),
        (STANDS, True, NOW - 2 * HOUR, "not_yet"),
        (STANDS, True, NOW + HOUR, "over"),
    ],
)
def test_what_is_not_known_to_stand_is_refused(permit, named, moment, reason) -> None:
    refused = refusal(VISIT, permit, named=named, now=moment)
    assert refused is not None
    assert refused.reason == reason
    assert refused.earliest == (STANDS.starts_at if reason == "not_yet" else None)
