"""What keeps contact away in a world: deaths, disputes, complaints, cures; told twice, late, and ended by people."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Final
from uuid import UUID

from services.compliance.domain.complaints import SecondPersonNeeded
from services.compliance.domain.hold_scopes import scope_key_of_debt, scope_key_of_point
from services.compliance.domain.holds import HoldKind, HoldScope, SecondPersonEndsHold
from services.compliance.domain.local_time import Span
from services.compliance.domain.preferences import Hours
from shared.events.contact import Channel
from worlds import law
from worlds.truth import Leave, Person, Request, Stop, Wish
from worlds.world import World

_KINDS: Final[tuple[HoldKind, ...]] = (
    "deceased", "insolvency", "minor", "represented", "cease_contact", "channel_opt_out", "stop_request", "dispute",
    "hardship", "breathing_space", "mental_health_crisis", "ombudsman", "debt_advice", "vulnerability", "disaster",
    "plan_active", "plan_active",
)  # fmt: skip
_LAW_HOURS: Final = {"CN": ("CN-GBT45251-HOURS", "CN-CBA2026-HOURS"), "US-MA": ("US-REGF-TIME",)}
_AGREED: Final = {"CN": "CN-HOURS", "US-MA": "US-HOURS"}
_SOFT_LIMIT: Final = {
    "CN": ("CN-CBA2026-FREQ", law.SEVEN_CONTACTS),
    "US-MA": ("US-REGF-14A", law.THREE_VISITS_OR_TEXTS),
}


class Stops:
    """Plans and does all of it for one person."""

    def __init__(self, world: World, person: Person) -> None:
        self.world = world
        self.person = person
        self.case = world.bureau.cases[person.party_id]
        self._number = 0

    def plan(self) -> None:
        """Draw what will happen to the person."""
        draw = self.world.draw
        for _ in range(draw.choice((0, 0, 1, 1, 2))):
            self.world.at(self._some_time(), self._stop)
        if draw.random() < 0.25:
            self.world.at(self._some_time(), self._complain)
            if draw.random() < 0.5:
                self.world.at(self._some_time(), self._complain)
        if draw.random() < 0.12 and not self.world.merges:
            self.world.at(self._some_time(), self._cure)
        for _ in range(draw.choice((0, 0, 0, 1, 2))):
            self.world.at(self._some_time(), self._wish)
        if self.person.place in _LAW_HOURS and draw.random() < 0.3:
            self.world.at(self._some_time(), self._agree)
        if self.person.place in _SOFT_LIMIT and draw.random() < 0.3:
            self.world.at(self._some_time(), self._pass_limit)

    def request(self, channel: Channel) -> None:
        """The person asks to be contacted."""
        since = self.world.now
        self.world.hearing.request(self.case, self.world.moment(), channel=channel)
        self.world.history.requests.append(
            Request(
                party_id=self.person.party_id, channel=channel, since=since, recorded_real=self.world.real_now
            )
        )  # fmt: skip
        self.world.tell(f"{self.person.name} asks for contact: {channel}")

    def _wish(self) -> None:
        """No contact on one channel at some hours; it takes the place of what was wished before."""
        draw, since = self.world.draw, self.world.now
        channels: tuple[Channel, ...] = ("visit", "call", "sms")
        channel = draw.choice(channels)
        opens, closes = draw.choice(((540, 720), (720, 1_020), (1_080, 1_260)))

        def handle(reached: datetime) -> None:
            self.world.history.wishes.append(
                Wish(
                    party_id=self.person.party_id, channel=channel, opens_minute=opens, closes_minute=closes,
                    since=since, reached_real=reached, recorded_real=self.world.real_now,
                )
            )  # fmt: skip
            hours = Hours(time(opens // 60), time(closes // 60))
            self.world.hearing.wish(
                self.case, self.world.moment(), channel=channel, hours=hours, since=since, reached=reached
            )  # fmt: skip

        self.world.tell(f"{self.person.name} wants no {channel} from {opens // 60} to {closes // 60}")
        self.world.reaches(handle)

    def strike(self) -> None:
        """Something keeps contact away from now on."""
        self.world.draw.choice((self._stop, self._stop, self._stop, self._complain, self._wish))()

    def _some_time(self) -> datetime:
        span = self.world.ends - self.world.begins
        return self.world.begins + span * self.world.draw.random()

    def _source(self, name: str) -> str:
        self._number += 1
        return f"{name}:{self._number}"

    def _since(self) -> datetime:
        """Now, some days ago (told late), or soon."""
        draw, now = self.world.draw, self.world.now
        luck = draw.random()
        if luck < 0.4:
            return now
        return now - timedelta(days=12 * draw.random()) if luck < 0.85 else now + timedelta(days=3 * draw.random())

    def _stop(self) -> None:
        draw = self.world.draw
        kind, scope = draw.choice(_KINDS), self._scope()
        debt = draw.choice(self.person.debts) if scope == "loan" else None
        number = draw.choice(self.person.numbers) if scope == "contact_point" else None
        source, since = self._source(kind), self._since()
        until = since + timedelta(days=draw.uniform(2, 40)) if draw.random() < 0.4 else None
        told = 2 if draw.random() < 0.25 else 1
        for _ in range(told):
            self.world.at(self.world.now, lambda: self._tell_stop(kind, scope, source, since, until, debt, number))
        if draw.random() < 0.6:
            self.world.at(self.world.now + timedelta(days=draw.uniform(1, 25)), lambda: self._end(source, "ann"))
            self.world.at(self.world.now + timedelta(days=draw.uniform(1, 25)), lambda: self._end(source, "ann"))
        if draw.random() < 0.5:
            self.world.at(self.world.now + timedelta(days=draw.uniform(1, 25)), lambda: self._end(source, "bob"))

    def _scope(self) -> HoldScope:
        scopes: tuple[HoldScope, ...] = (
            "party", "party", "party", "visit_channel", "collection", "loan", "loan", "contact_point"
        )  # fmt: skip
        return self.world.draw.choice(scopes)

    def _tell_stop(
        self, kind: HoldKind, scope: HoldScope, source: str, since: datetime, until: datetime | None,
        debt: UUID | None, number: str | None,
    ) -> None:  # fmt: skip
        def handle(reached: datetime) -> None:
            self._record(kind, scope, source, since, until, reached, debt=debt, number=number)
            key = "" if debt is None else scope_key_of_debt(debt)
            self.world.hearing.place(
                self.case, self.world.moment(), kind=kind, scope=scope,
                scope_key=key if number is None else scope_key_of_point("phone", number), source=source, since=since,
                until=until, reached=reached,
            )  # fmt: skip

        self.world.tell(f"{self.person.name}: {kind} ({scope}) since {since:%d %b %H:%M} is told as {source}")
        self.world.reaches(handle)

    def _record(
        self, kind: str, scope: str, source: str, since: datetime, until: datetime | None, reached: datetime, *,
        debt: UUID | None = None, number: str | None = None,
    ) -> None:  # fmt: skip
        known = any(one.source == source and one.party_id == self.person.party_id for one in self.world.history.stops)
        if not known:
            self.world.history.stops.append(
                Stop(
                    party_id=self.person.party_id, source=source, kind=kind, scope=scope, since=since, until=until,
                    reached_real=reached, recorded_real=self.world.real_now, recorded_at=self.world.now,
                    debt=debt, number=number,
                )
            )  # fmt: skip

    def _end(self, source: str, by_whom: str) -> None:
        self.world.tell(f"{self.person.name}: {by_whom} says that {source} is over")
        for stop in self.world.history.stops:
            if stop.source == source and stop.party_id == self.person.party_id:
                stop.words.append((by_whom, self.world.now))
        try:
            self.world.hearing.end(self.case, self.world.moment(), source=source, by_whom=by_whom)
        except SecondPersonEndsHold:
            self.world.tell("... and is refused: a second person must say so")

    def _complain(self) -> None:
        draw = self.world.draw
        reference, since = self._source("letter"), self._since()
        since = min(since, self.world.now)
        for _ in range(2 if draw.random() < 0.3 else 1):
            self.world.at(self.world.now, lambda: self._tell_complaint(reference, since))
        closing = self.world.now + timedelta(days=draw.uniform(2, 20))
        self.world.at(closing, lambda: self._close(reference))

    def _tell_complaint(self, reference: str, since: datetime) -> None:
        def handle(reached: datetime) -> None:
            self.world.hearing.complain(
                self.case, self.world.moment(), reference=reference, since=since, reached=reached
            )  # fmt: skip
            self._record("complaint", "party", reference, since, None, reached)

        self.world.tell(f"{self.person.name} complains ({reference}), of {since:%d %b %H:%M}")
        self.world.reaches(handle)

    def _close(self, reference: str) -> None:
        """Whoever answered may not close; a second person does."""
        if reference not in self.case.complaints:
            return
        moment = self.world.moment()
        self.world.hearing.step(self.case, moment, reference=reference, step="answer", by_whom="cid")
        try:
            self.world.hearing.step(self.case, moment, reference=reference, step="close", by_whom="cid")
            self._closed(reference)
        except SecondPersonNeeded:
            self.world.tell(f"cid answered {reference} and may not close it")
        if self.world.draw.random() < 0.7:
            self.world.hearing.step(self.case, moment, reference=reference, step="close", by_whom="dan")
            self._closed(reference)

    def _closed(self, reference: str) -> None:
        self.world.tell(f"{self.person.name}'s complaint {reference} is closed")
        for stop in self.world.history.stops:
            if stop.source == reference and stop.party_id == self.person.party_id:
                stop.closed_at = self.world.now

    def _cure(self) -> None:
        def handle(reached: datetime) -> None:
            self._record("cured", "party", source, self.world.now, None, reached)
            self.world.hearing.cure(self.case, self.world.moment(), reached=reached)

        source = self._source("cured")
        self.world.tell(f"{self.person.name} pays everything")
        self.world.reaches(handle)
        if self.world.draw.random() < 0.5:
            self.world.at(self.world.now + timedelta(days=9), lambda: self._reopen(source))

    def _reopen(self, source: str) -> None:
        self.world.hearing.reopen(self.case)
        for stop in self.world.history.stops:
            if stop.source == source and stop.party_id == self.person.party_id:
                stop.closed_at = self.world.now

    def _agree(self) -> None:
        """Hours that the person agrees to, for a few weeks, on every rule of law that lets them."""
        draw = self.world.draw
        opens, closes = draw.choice(((6, 9), (21, 23), (7, 23)))
        valid = Span(self.world.now, self.world.now + timedelta(days=draw.uniform(3, 30)))
        for rule in _LAW_HOURS[self.person.place]:
            self.world.hearing.allow_exception(
                self.case, self.world.moment(), rule=rule, by="consent", valid=valid,
                hours=(time(opens), time(closes)),
            )  # fmt: skip
        self._leave(_AGREED[self.person.place], valid, opens * 60, closes * 60)
        self.world.tell(f"{self.person.name} agrees to contact from {opens} to {closes} until {valid.end:%d %b %H:%M}")

    def _pass_limit(self) -> None:
        rule, limit = _SOFT_LIMIT[self.person.place]
        valid = Span(self.world.now, self.world.now + timedelta(days=self.world.draw.uniform(1, 6)))
        self.world.hearing.allow_exception(
            self.case, self.world.moment(), rule=rule, by="supervisor", valid=valid, hours=None
        )  # fmt: skip
        self._leave(limit, valid, None, None)
        self.world.tell(f"a supervisor passes {rule} for {self.person.name} until {valid.end:%d %b %H:%M}")

    def _leave(self, limit: str, valid: Span, opens: int | None, closes: int | None) -> None:
        self.world.history.exceptions.append(
            Leave(
                party_id=self.person.party_id, limit=limit, start=valid.start, end=valid.end, opens_minute=opens,
                closes_minute=closes, given_real=self.world.real_now,
            )
        )  # fmt: skip
