"""What the core says as bytes on a topic: CloudEvents binary mode, one message per fact."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from shared.events.base import EventData
from shared.events.catalogue import CATALOGUE
from shared.events.codec import encode_headers
from simulation.core.ledger import CORE, TENANT, Ledger, Loan
from simulation.portfolio.people import person_of

BULK_TOPIC: Final = "loan"
URGENT_TOPIC: Final = "loan-urgent"
_OLD_BY: Final = timedelta(days=7)
_DUPLICATE_SHARE: Final = 0.02
_EARLY_SHARE: Final = 0.01
_OLD_SHARE: Final = 0.01
_SAMPLED_TRACE_SHARE: Final = 0.01


@dataclass(frozen=True, slots=True)
class Message:
    """One record to send. `event_id` is its CloudEvents id, or what would have been it."""

    topic: str
    key: str
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    event_id: str


@dataclass(frozen=True, slots=True)
class Opening:
    """The portfolio's first night: messages in sending order, and what was wronged on purpose."""

    messages: list[Message]
    malformed_parties: frozenset[str]
    """References of parties with a record that nobody can process."""
    unknown_parties: frozenset[str]
    """References of debtors in the core's books whom it never describes."""


class Mouth:
    """Turns facts into messages, with ids and trace context drawn from one seed."""

    def __init__(self, *, seed: int) -> None:
        self._random = random.Random(f"core:{seed}")

    def say(self, type_name: str, data: EventData, *, at: datetime, topic: str = BULK_TOPIC) -> Message:
        """One fact as a record. `at` is business time."""
        party_ref = str(getattr(data, "party_ref", "-"))
        key = f"{TENANT}|{CORE}|{party_ref}"
        event_id = str(UUID(int=self._random.getrandbits(128), version=4))
        headers = encode_headers(
            event_type=CATALOGUE[type_name], event_id=event_id, source=CORE, tenant=TENANT, aggregate_id=key,
            sequence=int(getattr(data, "core_sequence", 1)), time=at, recorded_time=datetime.now(UTC),
            correlation_id=event_id, causation_id="", traceparent=self._traceparent(),
        )  # fmt: skip
        return Message(topic, key, data.model_dump_json().encode(), tuple(headers), event_id)

    def _traceparent(self) -> str:
        flags = "01" if self._random.random() < _SAMPLED_TRACE_SHARE else "00"
        return f"00-{self._random.getrandbits(128) or 1:032x}-{self._random.getrandbits(64) or 1:016x}-{flags}"


def opening(ledger: Ledger, *, at: datetime, seed: int, wronged: int = 3) -> Opening:
    """Everyone's `party.updated`, and `loan.overdue` of the late ones; by seed some twice, late, out of date or broken.

    `wronged` parties each get one malformed record after their good ones, and as many references stay unknown.
    """
    draw, mouth = random.Random(f"opening:{seed}"), Mouth(seed=seed)
    messages: list[Message] = []
    for loan in ledger.loans.values():
        messages += _statements(ledger, loan, mouth, draw, at)
    late = ledger.late_loans()
    victims = draw.sample(late, min(wronged, len(late)))
    for way, loan in zip(_WAYS, victims, strict=False):
        messages.append(way(mouth.say("loan.overdue", ledger.overdue_statement(loan, at=at), at=at)))
    unknown = [_stranger(late[number % len(late)], number) for number in range(wronged)] if late else []
    ledger.loans.update((loan.person.loan_ref, loan) for loan in unknown)
    messages += [mouth.say("loan.overdue", ledger.overdue_statement(loan, at=at), at=at) for loan in unknown]
    return Opening(
        messages=_with_duplicates(messages, draw),
        malformed_parties=frozenset(loan.person.party_ref for loan in victims),
        unknown_parties=frozenset(loan.person.party_ref for loan in unknown),
    )


def _statements(ledger: Ledger, loan: Loan, mouth: Mouth, draw: random.Random, at: datetime) -> list[Message]:
    person = mouth.say("party.updated", ledger.person_statement(loan), at=at)
    if loan.overdue == 0:
        return [person]
    old = mouth.say(
        "loan.overdue", ledger.overdue_statement(loan, at=at, business_date=ledger.business_date - _OLD_BY), at=at
    )
    now = mouth.say("loan.overdue", ledger.overdue_statement(loan, at=at), at=at)
    chance = draw.random()
    if chance < _EARLY_SHARE:
        return [now, person]  # a debt before its debtor: held until the person is known
    if chance < _EARLY_SHARE + _OLD_SHARE:
        return [person, now, old]  # an older business date than already known: changes nothing
    return [person, now]


def _with_duplicates(messages: Sequence[Message], draw: random.Random) -> list[Message]:
    """Some messages again, byte for byte, up to fifty places later."""
    places = [(float(place), message) for place, message in enumerate(messages)]
    places += [
        (place + draw.uniform(0.5, 50), message) for place, message in places if draw.random() < _DUPLICATE_SHARE
    ]
    return [message for _, message in sorted(places, key=lambda placed: placed[0])]


def _stranger(like: Loan, number: int) -> Loan:
    person = replace(person_of(900_000 + number, seed=0))
    return replace(like, person=person, sequence=0, payments={})


def _truncated(message: Message) -> Message:
    return replace(message, value=message.value[: len(message.value) // 2])


def _negative(message: Message) -> Message:
    body = json.loads(message.value)
    body["balance"] = -1
    return replace(message, value=json.dumps(body).encode())


def _unknown_version(message: Message) -> Message:
    headers = tuple((name, b"loan.overdue.v9" if name == "ce_dataschema" else raw) for name, raw in message.headers)
    return replace(message, headers=headers)


_WAYS: Final = (_truncated, _negative, _unknown_version)
