"""Valid examples of the models of readings of contact data."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from services.compliance.schemas.card_readings import CardReaderView, CardReadingView
from shared.events.story import OTHER, PARTY, PERMIT

CARD_READINGS: Final[dict[type[BaseModel] | str, dict[str, Any]]] = {
    CardReadingView: {
        "reading_id": OTHER, "party_id": PARTY, "reader": "collector-1", "client": "visits", "purpose": "visit",
        "what": "card", "fields": ["home", "name", "point"], "channel": "visit", "permit_id": PERMIT,
        "refused_for": None, "read_at": "2026-03-12T01:10:00Z", "unpermitted": False, "without_contact": False,
    },
    CardReaderView: {
        "reader": "collector-1", "client": "visits", "readings": 9, "in_clear": 7, "people": 7, "refused": 2,
        "without_permit": 0, "without_contact": 1, "much": False,
    },
}  # fmt: skip
