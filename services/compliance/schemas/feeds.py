"""Feeds of reported contacts over HTTP."""

from __future__ import annotations

from datetime import date
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from services.compliance.domain.feeds import FeedChannel, FeedKind
from services.compliance.domain.traces import RULES, TRACE_KINDS
from services.compliance.schemas.identifiers import FeedNumber
from shared.events.base import Reference
from shared.moments import Moment
from shared.security.note_keys import NoteKey
from shared.security.scopes import SCOPES

FEED_KEY = "dialler-1+0269aaf4+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


class DeclareFeed(BaseModel):
    """What a reporting system must do. Declared again, it is changed; no channel that it closes now opens so."""

    model_config = ConfigDict(extra="forbid")

    source: Reference = Field(description="The system, as it names itself in its records.", examples=["dialler-1"])
    kind: FeedKind = Field(
        "contacts",
        description="`contacts`: it reports those it makes. The others are sources that collectors do not control.",
    )
    client_id: Reference = Field(
        "core", description="The API client that speaks for it; no other one is heard.", examples=["core"]
    )
    channels: list[FeedChannel] = Field(
        min_length=1, max_length=5, description="Channels that are closed while it is silent.", examples=[["call"]]
    )
    silent_after_hours: int = Field(
        ge=1, le=240, description="Hours of real time after which its silence is a finding.", examples=[26]
    )
    total_key: str = Field(
        max_length=200,
        description="Ed25519 key (`name+id+key`, C2SP) with which it signs its totals. Its private half stays with it.",
        examples=[FEED_KEY],
    )
    reason: Reference = Field(
        description="Why, as the reference of a decision; no free text. It stands in the log.",
        examples=["change-2026-031"],
    )

    @field_validator("total_key")
    @classmethod
    def _a_key(cls, value: str) -> str:
        """A key that can be read."""
        NoteKey.parse(value)
        return value

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        """Only a client that may speak at all, and only channels that such a source sees."""
        seen = {"call", "sms", "email", "letter"}
        if self.kind in TRACE_KINDS:
            seen = set(RULES[self.kind].channels)
        if not seen.issuperset(self.channels):
            raise ValueError(f"a source of {self.kind} tells of {', '.join(sorted(seen))}")
        needed = "compliance.report-contact" if self.kind == "contacts" else "compliance.tell-trace"
        if self.client_id not in SCOPES[needed].clients:
            raise ValueError(f"no client of this name may hold {needed}")
        return self


class FeedView(BaseModel):
    """A feed as it stands."""

    source: str = Field(description="The system.", examples=["dialler-1"])
    kind: FeedKind = Field(description="What it tells.", examples=["contacts"])
    client_id: str = Field(description="The client that speaks for it.", examples=["core"])
    channels: list[FeedChannel] = Field(description="Channels that it reports.", examples=[["call"]])
    silent_after_hours: int = Field(description="Hours after which its silence is a finding.", examples=[26])
    heard_at: Moment = Field(description="Real time at which it last said anything, or was declared.")
    silent: bool = Field(
        description="Whether it should have spoken, or closed a day: its channels are closed.", examples=[False]
    )
    total_key: str | None = Field(
        description="The key with which it signs its totals; none: its days stay unclosed until it is declared anew.",
        examples=[FEED_KEY],
    )
    closed: bool = Field(description="Whether a person closed it: nobody speaks for it.", examples=[False])
    of_erased: int = Field(
        description="How many records it told of people who were erased; they are not kept.", examples=[0]
    )
    closed_day: date | None = Field(description="Its last day that a total closed.", examples=["2026-03-11"])
    closed_number: int | None = Field(description="The last number of that day.", examples=[916])


class FeedsView(BaseModel):
    """All feeds, by name."""

    items: list[FeedView] = Field(description="The feeds.")


class CloseFeedDay(BaseModel):
    """The total of one day. A day without records is closed too: its last number is that of the day before."""

    model_config = ConfigDict(extra="forbid")

    day: date = Field(description="The feed's date.", examples=["2026-03-12"])
    last_number: FeedNumber = Field(
        ge=0, description="The last number that it gave on that day or before.", examples=[1204]
    )
    records: FeedNumber = Field(ge=0, description="How many records it made on that day.", examples=[288])
    signature: str | None = Field(
        None,
        max_length=100,
        description=(
            "The source's Ed25519 signature, in base64, over the lines `doorstep feed day`, source, day, last number "
            "and records, each ended by a line feed. Without it the day stays unclosed, and that is a finding."
        ),
        examples=["d6Yk3Vv0m1c3kq0l0mB6Zc7n2b8y5w=="],
    )


class FeedStep(BaseModel):
    """A named person closes a feed, or opens it again."""

    model_config = ConfigDict(extra="forbid")

    reason: Reference = Field(
        description="Why, as the reference of a decision; no free text. It stands in the log.",
        examples=["decommission-17"],
    )


class FeedDayView(BaseModel):
    """A closed day, and whether everything of it is here."""

    source: str = Field(description="The system.", examples=["dialler-1"])
    day: date = Field(description="The day.", examples=["2026-03-12"])
    first_number: int = Field(description="Its first number: the one after the day before.", examples=[917])
    last_number: int = Field(description="Its last number.", examples=[1204])
    records: int = Field(description="The feed's own total.", examples=[288])
    known: int = Field(description="How many of these numbers have a record here.", examples=[288])
    missing: list[list[int]] = Field(
        description="The first ranges of numbers without a record, both ends included; at most ten.", examples=[[]]
    )
