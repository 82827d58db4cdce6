"""Write-backs: agreements, holds and contacts go back to the core, each once, until the core has acknowledged it.

The handler of an event commits an intent; a worker sends what is due in batches. What is not acknowledged is sent again
with backoff, under the same id. What the core refuses is a finding in a list: nobody sends it again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from uuid import UUID

from services.intake.store import write_backs as store
from services.intake.write_back_port import Said, WriteBackPort
from shared.database import UnitOfWork
from shared.events import Event
from shared.events.base import EventData
from shared.events.compliance import HoldEnded, HoldPlaced
from shared.events.contact import ContactRecorded
from shared.events.plan import PlanBroken, PlanCompleted, PlanImported, PlanSigned
from shared.ids import derived_id
from shared.messaging import Answer, Intent, NewIntent
from shared.telemetry import metrics
from shared.web.client import RemoteProblem, RemoteUnavailable

log = logging.getLogger(__name__)

WRITE_BACK: Final = "write_back"
# What the core said of a hold it knows already.
_OF_CORE: Final = "core:"
_UNSUPPORTED: Final = "the core has no interface that takes it"


@dataclass(frozen=True, slots=True)
class Told(Answer):
    """What became of one write-back."""

    state: store.WriteBackState = "acknowledged"
    reason: str = ""


def said_of(event: Event[EventData]) -> tuple[str, str, dict[str, Any]] | None:
    """Kind, our reference, and what the core is told of an event; None: nothing."""
    match event.data:
        case PlanSigned() | PlanImported() | PlanCompleted() | PlanBroken() as plan:
            told = plan.model_dump(mode="json", exclude={"party_id", "plan_id", "case_id", "hold_id", "visit_id"})
            return "plan", str(plan.plan_id), told
        case HoldPlaced(source_ref=source) if source.startswith(_OF_CORE):
            return None
        case HoldPlaced() as placed:
            told = placed.model_dump(mode="json", include={"kind", "scope", "valid_from", "valid_to", "channels"})
            return "hold", str(placed.hold_id), told
        case HoldEnded() as ended:
            return "hold", str(ended.hold_id), {}
        case ContactRecorded() as contact:
            told = contact.model_dump(
                mode="json", include={"channel", "purpose", "started_at", "ended_at", "contact", "conversation"}
            )
            return "contact", str(contact.contact_id), told
        case _:
            return None


async def note(uow: UnitOfWork, events: Sequence[Event[EventData]]) -> None:
    """Intend to tell the core what these events say. Of whom no core ever named, nobody is told."""
    wanted = [(event, said) for event in events if event.party_id is not None and (said := said_of(event)) is not None]
    if not wanted:
        return
    named = await store.names(uow, [event.party_id for event, _ in wanted if event.party_id is not None])
    noted: list[store.Noted] = []
    for event, (kind, reference, told) in wanted:
        if event.party_id is None or event.party_id not in named:
            continue
        name = named[event.party_id]
        write_back_id = derived_id("write-back", event.source, event.id)
        noted.append(store.Noted(event.party_id, write_back_id, name.core, kind, event.type, reference))
        item = {
            "id": str(write_back_id), "core": name.core, "kind": kind, "event": event.type,
            "party_ref": name.party_ref, "reference": reference, "occurred_at": event.time.isoformat(), "said": told,
        }  # fmt: skip
        uow.intend(
            NewIntent(
                kind=WRITE_BACK, key=str(write_back_id), party_id=event.party_id, due_at=uow.real_now, payload=item
            )
        )
    await store.note(uow, noted)


@dataclass(frozen=True)
class WriteBacks:
    """Intent handler: tells the core. `unsupported`: cores that have no interface for it."""

    port: WriteBackPort
    unsupported: frozenset[str] = frozenset()
    kind: ClassVar[str] = WRITE_BACK
    batch_size: ClassVar[int] = 100

    async def call(self, intents: Sequence[Intent]) -> Sequence[Answer | None]:
        """One request for all; what the core does not answer is sent again later."""
        items = [intent.payload for intent in intents if intent.payload["core"] not in self.unsupported]
        said: Mapping[UUID, Said] = {}
        if items:
            try:
                said = await self.port.tell(items)
            except (RemoteUnavailable, RemoteProblem) as error:
                log.warning("write-backs: the core does not take them: %s", type(error).__name__)
        return [self._answer(intent, said) for intent in intents]

    def _answer(self, intent: Intent, said: Mapping[UUID, Said]) -> Answer | None:
        if intent.payload["core"] in self.unsupported:
            metrics.count("doorstep.write_backs", outcome="unsupported")
            return Told(state="unsupported", reason=_UNSUPPORTED)
        one = said.get(UUID(intent.payload["id"]))
        metrics.count("doorstep.write_backs", outcome="unanswered" if one is None else one.status)
        return None if one is None else Told(state=one.status, reason=one.reason[:400])

    async def commit(self, uow: UnitOfWork, answered: Sequence[tuple[Intent, Answer]]) -> None:
        """Keep what the core said."""
        await store.answer(
            uow,
            [
                store.Answered(intent.party_id, UUID(intent.payload["id"]), told.state, told.reason)
                for intent, told in answered
                if intent.party_id is not None and isinstance(told, Told)
            ],
        )
