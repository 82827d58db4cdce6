"""Whatever order a person's contacts, facts, holds and traces are told in, and however often: the end is the same."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.compliance.domain.facts import Question
from services.compliance.domain.findings import FindingVersion, found_again
from services.compliance.domain.local_time import Span
from services.compliance.domain.preferences import Hours
from services.compliance.domain.traces import Reported, Trace, unreported, unreported_found, unreported_id
from shared.events.contact import Channel, ContactRecorded
from worlds import people
from worlds.books import book_of
from worlds.bureau import Bureau
from worlds.hearing import Hearing
from worlds.kept import Case, Moment

# Ten o'clock in the four places.
TEN = {"CN": 2, "GB": 10, "AU-VIC": -1, "US-MA": 15}
MIDNIGHT = datetime(2026, 2, 27, tzinfo=UTC)
REAL = timedelta(days=11)
F = timedelta(seconds=120)
CHANNELS: tuple[Channel, ...] = ("visit", "call", "sms")
Told = tuple[Any, ...]
hours_after = st.builds(lambda day, hour: 24 * day + hour, st.integers(0, 8), st.sampled_from((0, 1, 3, 5, 7, 12)))
contacts = st.tuples(
    st.just("contact"), hours_after, st.sampled_from(CHANNELS), st.booleans(), st.sampled_from((None, "threat"))
)
holds = st.tuples(
    st.just("hold"), hours_after, st.sampled_from(("complaint", "dispute", "deceased", "hardship", "insolvency"))
)
wishes = st.tuples(st.just("wish"), hours_after, st.sampled_from(CHANNELS), st.integers(0, 22))
facts = st.tuples(
    st.just("fact"), hours_after, st.sampled_from(("visit_permitted", "validation_notice_sent")), st.booleans()
)
traces = st.tuples(st.just("trace"), hours_after, st.sampled_from(("door_code", "device_track")))
tellings = st.lists(contacts | holds | wishes | facts | traces, min_size=2, max_size=7, unique_by=lambda one: one[:2])
# On a permit that was granted: one more contact so many minutes from the first, recorded or only its use reported.
twice = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from((-9, -4, 2, 6)), st.sampled_from(("again", "used"))), max_size=3,
    unique_by=lambda one: one[:2],
)  # fmt: skip
permitted = st.lists(st.tuples(hours_after, st.sampled_from(CHANNELS)), max_size=4, unique_by=lambda one: one[0])


def an_id(*parts: Any) -> UUID:
    return UUID(int=Random(repr(parts)).getrandbits(128))


class Desk:
    """One person, and all that is told of him. Each telling comes a minute after the one before."""

    def __init__(self, place: str) -> None:
        draw = Random(1)
        self.begins = MIDNIGHT + timedelta(hours=TEN[place])
        person = replace(
            people.person_of(draw, an_id("party"), MIDNIGHT, (an_id("debt"),), ()), place=place,
            zones=people.ZONES[place][0], history_known_from=date(2025, 1, 1),
        )  # fmt: skip
        self.case: Case = people.case_of(
            draw, person, an_id("case"), begins=self.begins, ends=self.begins + timedelta(days=30), real=REAL
        )
        self.bureau = Bureau(
            book_of(None), freshness_limit=F, draw_id=lambda: UUID(int=draw.getrandbits(128)),
            draw_bytes=draw.randbytes, on_revoked=lambda permit, moment: None,
        )  # fmt: skip
        self.bureau.open_case(self.case)
        self.hearing = Hearing(self.bureau)
        self.now = self.begins
        self.traces: dict[UUID, Trace] = {}
        self.unreported: dict[UUID, FindingVersion] = {}

    @property
    def moment(self) -> Moment:
        return Moment(self.now, self.now + REAL, self.now + REAL)

    def ask(self, hours: int, channel: Channel) -> tuple[Any, UUID | None]:
        start = self.begins + timedelta(hours=hours, minutes=5)
        question = Question(
            party_id=self.case.party_id, case_id=self.case.case_id, subject_id=an_id("subject", hours, channel),
            channel=channel, purpose="collection", jurisdiction=self.case.place, zones=self.case.zones,
            span=Span(start, start + timedelta(minutes=30)), duration=timedelta(minutes=30),
            crew=(an_id(1), an_id(2)), device_id="device", place_cell="cell", now=self.now, real_now=self.now + REAL,
        )  # fmt: skip
        decision, permit = self.bureau.ask(question, self.moment)
        refused_by = sorted(one.rule.id for one in decision.refusals)
        return (decision.answer, refused_by, decision.earliest), None if permit is None else permit.permit_id

    def tell(self, one: Told) -> None:
        self.now += timedelta(minutes=1)
        tell: Callable[..., None] = getattr(self, f"tell_{one[0]}")
        tell(self.begins + timedelta(hours=one[1]), *one[2:])
        self._look_at_traces()

    def tell_again(self, start: datetime, channel: Channel, minutes: int, permit_id: UUID) -> None:
        self.tell_contact(start, channel, True, None, permit_id, minutes)

    def tell_used(self, start: datetime, channel: Channel, minutes: int, permit_id: UUID) -> None:
        began = start + timedelta(minutes=10 + minutes)
        self.bureau.use(
            self.case.party_id, permit_id, self.moment, contact_id=an_id("used", start, channel, minutes), used_at=began
        )  # fmt: skip

    def tell_contact(
        self, start: datetime, channel: Channel, reached: bool, flag: str | None, permit_id: UUID | None = None,
        minutes: int = 0,
    ) -> None:  # fmt: skip
        begins = start + timedelta(minutes=10 + minutes)
        contact = ContactRecorded(
            contact_id=an_id("contact", begins, channel), party_id=self.case.party_id, permit_id=permit_id,
            visit_id=an_id("subject", round((start - self.begins) / timedelta(hours=1)), channel), channel=channel,
            purpose="collection", started_at=begins, ended_at=begins + timedelta(minutes=10),
            started_real=begins + REAL, outcome="told", contact=reached, conversation=reached,
            household_contacted=reached, debtor_met=reached and channel == "visit", crew=[an_id(1), an_id(2)],
            identity_shown=True, recording_complete=True, entered_home=False, asked_to_leave=False,
            conduct_flags=[] if flag is None else [flag],
        )  # fmt: skip
        self.bureau.audit(contact, self.moment, reached=self.now + REAL, use_came_first=channel != "visit")

    def tell_hold(self, since: datetime, kind: Any) -> None:
        self.hearing.place(
            self.case, self.moment, kind=kind, scope="party", source=f"{kind} of {since}", since=since, until=None,
            reached=self.now + REAL,
        )  # fmt: skip

    def tell_wish(self, since: datetime, channel: Channel, hour: int) -> None:
        hours = Hours(time(hour), time(hour + 1))
        self.hearing.wish(
            self.case, self.moment, channel=channel, hours=hours, since=since, reached=self.now + REAL
        )  # fmt: skip

    def tell_fact(self, since: datetime, name: Any, value: bool) -> None:
        self.hearing.tell(self.case, self.moment, name=name, value=value, since=since, reached=self.now + REAL)

    def tell_trace(self, seen: datetime, kind: Any) -> None:
        trace = Trace(
            trace_id=an_id("trace", seen, kind), party_id=self.case.party_id, source=kind, kind=kind,
            channel="visit", seen_at=seen + timedelta(minutes=12),
        )  # fmt: skip
        self.traces[trace.trace_id] = trace

    def _look_at_traces(self) -> None:
        """As the desk of traces does after a contact and when a trace is due."""
        reported = [
            Reported(one.contact_id, one.channel, one.started_at, one.ended_at) for one in self.case.judged.values()
        ]
        open_ = unreported(self.traces.values(), reported)
        for trace in self.traces.values():
            found = unreported_found(trace) if trace.trace_id in open_ and self.now >= trace.due_at else None
            after = found_again(self.unreported.get(unreported_id(trace)), found, repaired="its report came later")
            if after is not None:
                self.unreported[after.finding_id] = after

    def ends(self) -> tuple[Any, ...]:
        """The findings that stand, without those that were nothing; and what may be done from here on."""
        stands = {
            (contact_id, rule, one.finding.conduct, one.finding.harm, one.finding.severity, one.state)
            for contact_id, found in self.case.findings.items()
            for rule, one in found.items()
            if one.finding.conduct or one.finding.harm
        }
        nothing = {
            one.state for found in self.case.findings.values() for one in found.values()
            if not (one.finding.conduct or one.finding.harm)
        }  # fmt: skip
        assert nothing <= {"dismissed"}
        unreported_now = {one.finding_id for one in self.unreported.values() if one.finding.harm}
        self.now = self.begins + timedelta(days=13, hours=1)
        may = [self.ask(hours, channel)[0] for hours in (13 * 24 + 2, 15 * 24 + 1) for channel in CHANNELS]
        return stands, unreported_now, may


def lived(place: str, granted: list[tuple[int, Channel]], known: list[Told], told: list[Told]) -> tuple[Any, ...]:
    desk = Desk(place)
    for one in known:
        desk.tell(one)
    permits = {(hours, channel): desk.ask(hours, channel)[1] for hours, channel in granted}
    desk.now = desk.begins + timedelta(days=12)
    for one in told:
        permit_id = permits.get((one[1], one[2])) if one[0] in ("contact", "again", "used") else None
        if permit_id is not None:
            desk.tell((*one, permit_id))
        elif one[0] not in ("again", "used"):
            desk.tell(one)
    return desk.ends()


def second_contacts(granted: list[tuple[int, Channel]], drawn: list[tuple[int, int, str]]) -> list[Told]:
    named = [(granted[place], minutes, how) for place, minutes, how in drawn if place < len(granted)]
    return [(how, *on_permit, minutes) for on_permit, minutes, how in named]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(TEN)), permitted, st.lists(holds | wishes | facts, max_size=1), tellings, twice, st.data()
)  # fmt: skip
def test_the_order_and_number_of_tellings_change_nothing(
    place: str, granted: list[tuple[int, Channel]], known: list[Told], told: list[Told],
    drawn: list[tuple[int, int, str]], data: st.DataObject,
) -> None:  # fmt: skip
    made: list[Told] = [("contact", hours, channel, False, None) for hours, channel in granted]
    taken = {one[1] for one in made}
    told = made + second_contacts(granted, drawn) + [one for one in told if one[1] not in taken]
    again = data.draw(st.lists(st.sampled_from(told), max_size=3)) if told else []
    shuffled = data.draw(st.permutations([*told, *again]))
    assert lived(place, granted, known, told) == lived(place, granted, known, shuffled)


def test_a_contact_stays_one_with_the_home_that_was_known_when_it_was_told() -> None:
    desk = Desk("US-MA")
    for day in (1, 3):
        desk.now = desk.begins + timedelta(days=day + 0.1)
        desk.tell_contact(desk.begins + timedelta(days=day), "visit", True, None)
    second = max(desk.case.judged.values(), key=lambda one: one.started_at).contact_id
    assert desk.case.findings[second]["US-MA-VISIT"].finding.harm
    desk.hearing.resettle(desk.case, desk.moment, home="elsewhere", since=desk.now, reached=desk.now + REAL)
    desk.tell_wish(desk.begins, "call", 3)  # judges all contacts again
    assert desk.case.findings[second]["US-MA-VISIT"].finding.harm
