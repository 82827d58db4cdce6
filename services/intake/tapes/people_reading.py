"""What the rows of a people's tape say of each person: what is refused here is what topic `loan` would refuse, too."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, ClassVar, Final, get_args
from zoneinfo import available_timezones

import numpy as np

from services.intake.tapes.agreement import Source
from services.intake.tapes.columns import Categories, Refusals, ValueRefusedError
from services.intake.tapes.people_contract import PeopleContract
from services.intake.tapes.sheets import Sheet
from services.intake.tapes.understanding import NO_DATE, Reading, allowed_words
from shared.events.loan import ContactPoint, ZoneSource

ZONE_SEPARATOR: Final = ";"
_LONGEST_LIFE_DAYS: Final = 45_000
_LONGEST_HISTORY_DAYS: Final = 40_000
_CONTACT_LENGTH: Final = 400
_NAME_LENGTH: Final = 200
_MOST_ZONES: Final = 4
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")
_DEGREES: Final = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,15})?", re.ASCII)
_LARGEST_DEGREES: Final = {"lat": 90.0, "lon": 180.0}
_FIRST_PRINTABLE: Final = 32
_EVIDENCE: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)


class PeopleReading(Reading):
    """One sheet of people."""

    longest_age_days: ClassVar[Mapping[str, int]] = {
        "born_on": _LONGEST_LIFE_DAYS, "history_known_from": _LONGEST_HISTORY_DAYS, "said_on": _LONGEST_LIFE_DAYS,
    }  # fmt: skip
    optional_dates: ClassVar[frozenset[str]] = frozenset({"born_on", "said_on"})
    words: ClassVar[Mapping[str, frozenset[str]]] = {
        "kind": allowed_words(ContactPoint, "kind") | {""},
        "source": allowed_words(ContactPoint, "source") | {""},
        "given": frozenset({"yes", "no", ""}),
    }

    def __init__(self, sheet: Sheet, contract: PeopleContract, business_date: date) -> None:
        super().__init__(sheet, contract, business_date)
        self._contacts = len(contract.contact)
        self._consents = tuple(contract.consent)
        self._has_position = [one.lat is not None and one.lon is not None for one in contract.contact]

    def completed(self) -> np.ndarray:
        """Whoever is told of can be reached somehow; a contact point has kind and source, and a home its position."""
        reachable = np.zeros(self._sheet.count, bool)
        for number in range(self._contacts):
            prefix = f"contact.{number}."
            filled = self._texts[prefix + "value"].mask(bool)
            reachable |= filled
            for name in ("kind", "source"):
                self._miss(prefix + name, filled & self._texts[prefix + name].mask(lambda text: not text))
            at_home = filled & self._texts[prefix + "kind"].mask("home".__eq__)
            for name in ("lat", "lon"):
                if not self._has_position[number]:
                    self._miss(prefix + "value", at_home, reason="no_position")
                else:
                    self._miss(prefix + name, at_home & self._texts[prefix + name].mask(lambda text: not text))
        self._miss("contact.0.value", ~reachable)
        for kind in self._consents:
            said = self._texts[f"consent.{kind}.given"].mask(bool)
            self._miss(f"consent.{kind}.said_on", said & self._dates[f"consent.{kind}.said_on"].mask(NO_DATE.__eq__))
        if "zone_source" in self._texts:
            zones, sources = (_counted(self._texts[slot]) for slot in ("time_zone", "zone_source"))
            self._miss("zone_source", (sources > 0) & (sources != zones), reason="not_one_for_each_zone")
        return super().completed()

    def _miss(self, slot: str, rows: np.ndarray, *, reason: str = "missing") -> None:
        for row in np.flatnonzero(rows):
            self._found[slot].setdefault(int(row), reason)

    def _read_slot(self, slot: str, source: Source) -> Refusals:
        reader = _READERS.get(slot.rpartition(".")[2])
        if reader is None:
            return super()._read_slot(slot, source)
        self._texts[slot], refused = self._categories(slot, source, _coded(source, reader))
        return refused


def _counted(texts: Categories[str]) -> np.ndarray:
    """How many values each row has; 0 where there is none, or the text was refused."""
    counts = np.array([len(text.split(ZONE_SEPARATOR)) if text else 0 for text in texts.values], np.int64)
    found: np.ndarray = counts[texts.indices]
    return found


def _coded(source: Source, read: Callable[[str], str]) -> Callable[[str], Any]:
    """`read` behind the bank's code list, where the place has one."""
    if not source.codes or source.value is not None:
        return read

    def translated(text: str) -> str:
        if text not in source.codes:
            raise ValueRefusedError("unknown_code")
        return read(source.codes[text])

    return translated


def _name(text: str) -> str:
    return _line(_present(text), longest=_NAME_LENGTH)


def _contact(text: str) -> str:
    return _line(text, longest=_CONTACT_LENGTH)


def _language(text: str) -> str:
    if _LANGUAGE.fullmatch(_present(text)) is None:
        raise ValueRefusedError("not_a_language")
    return text


def _time_zone(text: str) -> str:
    zones = _present(text).split(ZONE_SEPARATOR)
    if len(zones) > _MOST_ZONES or not _ZONES.issuperset(zones):
        raise ValueRefusedError("unknown_time_zone")
    return text


def _zone_source(text: str) -> str:
    if text and not _ZONE_SOURCES.issuperset(text.split(ZONE_SEPARATOR)):
        raise ValueRefusedError("unknown_zone_source")
    return text


def _evidence(text: str) -> str:
    if text and _EVIDENCE.fullmatch(text) is None:
        raise ValueRefusedError("not_a_reference")
    return text


def _degrees(name: str) -> Callable[[str], str]:
    largest = _LARGEST_DEGREES[name]

    def read(text: str) -> str:
        if text and (_DEGREES.fullmatch(text) is None or abs(float(text)) > largest):
            raise ValueRefusedError("not_a_position")
        return text

    return read


def _line(text: str, *, longest: int) -> str:
    if len(text) > longest:
        raise ValueRefusedError("too_long")
    if any(ord(character) < _FIRST_PRINTABLE for character in text):
        raise ValueRefusedError("control_character")
    return text


def _present(text: str) -> str:
    if not text:
        raise ValueRefusedError("missing")
    return text


_ZONES: Final = frozenset(available_timezones())
_ZONE_SOURCES: Final = frozenset(get_args(ZoneSource))
_READERS: Final[Mapping[str, Callable[[str], str]]] = {
    "name": _name, "value": _contact, "language": _language, "time_zone": _time_zone,
    "lat": _degrees("lat"), "lon": _degrees("lon"), "zone_source": _zone_source, "evidence": _evidence,
}  # fmt: skip
