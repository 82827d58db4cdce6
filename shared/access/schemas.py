"""What is kept about a person, over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, PlainSerializer, WithJsonSchema

from shared.events.base import PartyId
from shared.events.codec import format_time
from shared.events.story import PARTY
from shared.moments import Moment

WrittenMoment = Annotated[
    Moment,
    PlainSerializer(format_time, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A time in the one text that digests are made of: whoever holds the answer can compute them."""


class InTwoLanguages(BaseModel):
    """A text in English and in Chinese."""

    en: str = Field(description="English.")
    zh: str = Field(description="Chinese (simplified).")


class AccessRowView(BaseModel):
    """One entry, in plain words and in the values that the words tell."""

    words: InTwoLanguages = Field(description="The entry in plain words.")
    values: dict[str, Any] = Field(description="The values, by name; times in UTC, names of our staff left out.")


class AccessListView(BaseModel):
    """One list of what is kept."""

    name: str = Field(description="Name of the list.", examples=["contacts"])
    heading: InTwoLanguages = Field(description="Its heading.")
    about: InTwoLanguages = Field(description="What it is.")
    rows: list[AccessRowView] = Field(description="Its entries, oldest first.")


class AccessListsView(BaseModel):
    """Everything that one service keeps about a person, for that person."""

    service: Literal["intake", "assignment", "visits", "plans"] = Field(description="The service.")
    title: InTwoLanguages = Field(description="What the service is there for.")
    party_id: PartyId
    made_at: WrittenMoment = Field(description="Business time as of which it is everything.")
    lists: list[AccessListView] = Field(description="What is kept, list by list.")


_HEADING: Final = {"en": "What was told of your loans", "zh": "关于您贷款的通知"}
_ROW: Final[dict[str, Any]] = {
    "words": {"en": "2026-03-10: loan.cured for loan L-000042.", "zh": "2026-03-10：贷款L-000042，loan.cured。"},
    "values": {"holds_from": "2026-03-10", "type": "loan.cured", "loan_ref": "L-000042"},
}
_LIST: Final[dict[str, Any]] = {
    "name": "facts", "heading": _HEADING,
    "about": {"en": "By your bank's own systems.", "zh": "来自您的银行系统。"}, "rows": [_ROW],
}  # fmt: skip
SHAPES: Final[dict[type[BaseModel] | str, dict[str, Any]]] = {
    InTwoLanguages: _HEADING,
    AccessRowView: _ROW,
    AccessListView: _LIST,
}
"""One valid example of each shape."""


def examples_of(service: str) -> dict[type[BaseModel] | str, dict[str, Any]]:
    """Valid examples of the models that a service answers with."""
    lists = {
        "service": service, "title": _HEADING, "party_id": PARTY, "made_at": "2026-03-13T02:00:00Z", "lists": [_LIST],
    }  # fmt: skip
    return SHAPES | {AccessListsView: lists}
