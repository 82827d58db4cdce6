"""The core at work: its ledger, its Kafka producer and its pace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, Self

from aiokafka import AIOKafkaProducer

from shared.events.loan import BusinessDayClosed
from simulation.core.ledger import CORE, TENANT, Ledger
from simulation.core.messages import URGENT_TOPIC, Message, Mouth
from simulation.portfolio.accounts import CURRENCY

_SEND_TIMEOUT_SECONDS = 60


class BankCore:
    """Publishes what happens in its ledger. `kafka` are aiokafka's connection arguments of the principal `core`."""

    def __init__(self, ledger: Ledger, *, kafka: dict[str, Any], prefix: str, seed: int) -> None:
        self.ledger = ledger
        self._prefix = prefix
        self._mouth = Mouth(seed=seed + 1)
        self._kafka = kafka

    async def __aenter__(self) -> Self:
        self._producer = AIOKafkaProducer(**self._kafka, enable_idempotence=True, acks="all", linger_ms=5)
        await asyncio.wait_for(self._producer.start(), _SEND_TIMEOUT_SECONDS)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def publish(self, messages: Sequence[Message], *, progress: Callable[[int], None] | None = None) -> None:
        """Send in order; returns when the broker has all. Raises KafkaError, TimeoutError."""
        async with asyncio.timeout(_SEND_TIMEOUT_SECONDS):
            sent = []
            for message in messages:
                sent.append(
                    await self._producer.send(
                        self._prefix + message.topic,
                        key=message.key.encode(),
                        value=message.value,
                        headers=list(message.headers),
                    )
                )
                if progress:
                    progress(1)
            await asyncio.gather(*sent)

    async def receive_payment(self, loan_ref: str, amount_minor: int, *, at: datetime, cleared: bool = True) -> str:
        """Book and announce a payment on the express topic; returns the transaction reference. Raises LedgerError."""
        payment = self.ledger.pay(loan_ref, amount_minor, at=at, cleared=cleared)
        await self.publish([self._mouth.say("loan.payment_received", payment, at=at, topic=URGENT_TOPIC)])
        return payment.transaction_ref

    async def reverse_payment(self, loan_ref: str, transaction_ref: str, *, at: datetime) -> None:
        """Take back the loan's last payment and say so. Raises LedgerError."""
        reversal = self.ledger.reverse(loan_ref, transaction_ref, at=at)
        await self.publish([self._mouth.say("loan.payment_reversed", reversal, at=at, topic=URGENT_TOPIC)])

    async def close_day(self, next_date: date, *, at: datetime) -> None:
        """Close the business date with its control totals; the books move to `next_date`."""
        late = self.ledger.late_loans()
        closed = BusinessDayClosed(
            tenant=TENANT,
            core=CORE,
            business_date=self.ledger.business_date,
            open_loans=len(late),
            overdue_total={CURRENCY: sum(loan.overdue for loan in late)},
        )
        await self.publish([self._mouth.say("loan.business_day_closed", closed, at=at)])
        self.ledger.business_date = next_date
