"""The keys of a contact budget: what a contact counts on beside its person, whoever else shares it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, cast
from uuid import UUID

from services.compliance.domain.rule_records import Key

Keys = Mapping[Key, frozenset[str]]
"""By kind: ids of debts, commitments to a home, a contact point, an address. A kind left out is not known."""

OF_ALL_CONTACTS: Final[frozenset[Key]] = frozenset({"debt", "household"})
"""Kinds that every contact with a person counts on, known by who it is with; the others depend on the contact."""

NAMED: Final[frozenset[Key]] = frozenset({"contact_point", "address"})
"""Kinds that a contact names itself: that they are the person's follows from that."""

_FACTS: Final[Mapping[Key, str]] = {"debt": "party.debts", "household": "party.household"}


_HOME: Final = "home."


def key_of_home(address_key: str) -> str:
    """The key of an address of which only intake's commitment is known, under kind `address`.

    It is another one than that of the same address as it is written: compliance cannot tell that both are one.
    """
    return f"{_HOME}{address_key}"


def written(addresses: frozenset[str] | None) -> frozenset[str] | None:
    """The addresses as far as they are known as written; None: one is not, so it may be any."""
    return None if addresses is None or any(one.startswith(_HOME) for one in addresses) else addresses


def keys_about(debts: frozenset[UUID] | None, keys: Keys) -> Keys:
    """The keys of a contact that is about these debts only (None: about all of the person's)."""
    return keys if debts is None else {**keys, "debt": frozenset(map(str, debts))}


def joined(*several: Keys) -> dict[Key, frozenset[str]]:
    """All of them; of a kind in two, the values of both."""
    found: dict[Key, frozenset[str]] = {}
    for keys in several:
        for kind, values in keys.items():
            if values:
                found[kind] = found.get(kind, frozenset()) | values
    return found


def names_of(keys: Keys) -> tuple[str, ...]:
    """The keys by name (`debt:…`), in the one order in which they are locked and kept."""
    return tuple(sorted(f"{kind}:{value}" for kind, values in keys.items() for value in values))


def keys_named(names: Iterable[str]) -> dict[Key, frozenset[str]]:
    """The keys of these names."""
    found: dict[Key, frozenset[str]] = {}
    for name in names:
        kind, _, value = name.partition(":")
        found[cast(Key, kind)] = found.get(cast(Key, kind), frozenset()) | {value}
    return found


def missing_fact(keys: Iterable[Key], unresolved: frozenset[Key]) -> str | None:
    """The fact without which nobody can say who else shares one of the keys; None: all are known."""
    unknown = [key for key in keys if key in unresolved]
    return _FACTS.get(unknown[0], f"contact.{unknown[0]}") if unknown else None
