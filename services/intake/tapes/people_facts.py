"""From a row of a people's tape to `party.updated`, at the tape's watermark. The same event as from the topic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone
from typing import Final, cast

from services.intake.tapes.facts import Origin
from services.intake.tapes.people_contract import PeopleContract
from services.intake.tapes.people_reading import ZONE_SEPARATOR
from services.intake.tapes.understanding import Understood
from shared.events import Event
from shared.events.base import EventData
from shared.events.loan import Consent, ContactPoint, PartyUpdated, ZoneSource
from shared.geo import Point

_FIRST_ZONE: Final = timezone(timedelta(hours=14))
_LAST_ZONE: Final = timezone(timedelta(hours=-12))


@dataclass(frozen=True, slots=True)
class PeopleOrigin(Origin):
    """A file of people."""

    contract: PeopleContract

    def stated(self, understood: Understood, row: int, *, is_overdue: bool) -> Event[EventData]:
        """The row as `party.updated`. The model checks once more: a sealed card is hard to mend."""
        assert not is_overdue  # people owe nothing: their loans do
        data = PartyUpdated(
            tenant=self.tenant,
            core=self.contract.core,
            party_ref=understood.reference("party_ref", row),
            core_sequence=self.number_of(understood, row),
            name=understood.text("name", row),
            born_on=understood.day("born_on", row),
            language=understood.text("language", row),
            time_zones=understood.text("time_zone", row).split(ZONE_SEPARATOR),
            jurisdiction=understood.text("jurisdiction", row),
            history_known_from=understood.dates["history_known_from"].at(row),
            contact_points=self._contact_points(understood, row),
            zone_sources=_zone_sources(understood, row),
            consents=self._consents(understood, row),
        )
        return self._event("party.updated", data, f"{self.file_id}:{understood.sheet.numbers[row]}")

    def _consents(self, understood: Understood, row: int) -> list[Consent]:
        """What the row says of consents. Of a day only the date is known, so it counts where it allows least: a consent
        from its first moment anywhere on earth (a withdrawal of the same day is later), a withdrawal until its last.
        """
        found = []
        for kind in self.contract.consent:
            prefix = f"consent.{kind}."
            day = understood.day(prefix + "said_on", row)
            if day is None or not (given := understood.text(prefix + "given", row)):
                continue
            first = datetime.combine(day, time(), tzinfo=_FIRST_ZONE)
            last = min(datetime.combine(day + timedelta(days=1), time(), tzinfo=_LAST_ZONE), self.watermark)
            evidence = understood.text(prefix + "evidence", row) if prefix + "evidence" in understood.texts else ""
            said_at = first if given == "yes" else max(first, last)
            found.append(Consent(kind=kind, given=given == "yes", said_at=said_at, evidence=evidence or None))
        return found

    def _contact_points(self, understood: Understood, row: int) -> list[ContactPoint]:
        found = []
        for number in range(len(self.contract.contact)):
            prefix = f"contact.{number}."
            if not (value := understood.text(prefix + "value", row)):
                continue
            lat, lon = (understood.text(prefix + name, row) if prefix + name in understood.texts else ""
                        for name in ("lat", "lon"))  # fmt: skip
            found.append(
                ContactPoint.model_validate(
                    {
                        "kind": understood.text(prefix + "kind", row),
                        "value": value,
                        "source": understood.text(prefix + "source", row),
                        "point": Point(lat=float(lat), lon=float(lon), crs="WGS84") if lat and lon else None,
                    }
                )
            )
        return found


def _zone_sources(understood: Understood, row: int) -> list[ZoneSource]:
    told = understood.text("zone_source", row) if "zone_source" in understood.texts else ""
    return cast("list[ZoneSource]", told.split(ZONE_SEPARATOR)) if told else []
