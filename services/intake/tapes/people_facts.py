"""From a row of a people's tape to `party.updated`, at the tape's watermark. The same event as from the topic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from services.intake.tapes.facts import Origin
from services.intake.tapes.people_contract import PeopleContract
from services.intake.tapes.people_reading import ZONE_SEPARATOR
from services.intake.tapes.understanding import Understood
from shared.events import Event
from shared.events.base import EventData
from shared.events.loan import ContactPoint, PartyUpdated
from shared.geo import Point


@dataclass(frozen=True, slots=True)
class PeopleOrigin(Origin):
    """A file of people."""

    contract: PeopleContract

    def stated(self, understood: Understood, row: int, *, is_overdue: bool) -> Event[EventData]:
        """The row as `party.updated`. The model checks once more: a sealed card is hard to mend."""
        assert not is_overdue  # people owe nothing: their loans do
        born_on = understood.dates["born_on"].at(row) if "born_on" in understood.dates else None
        data = PartyUpdated(
            tenant=self.tenant,
            core=self.contract.core,
            party_ref=understood.reference("party_ref", row),
            core_sequence=self.number_of(understood, row),
            name=understood.text("name", row),
            born_on=None if born_on == date.max else born_on,
            language=understood.text("language", row),
            time_zones=understood.text("time_zone", row).split(ZONE_SEPARATOR),
            jurisdiction=understood.text("jurisdiction", row),
            history_known_from=understood.dates["history_known_from"].at(row),
            contact_points=self._contact_points(understood, row),
        )
        return self._event("party.updated", data, f"{self.file_id}:{understood.sheet.numbers[row]}")

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
