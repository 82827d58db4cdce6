"""The topics: who writes, who reads, how long. Topics, rights and documents are generated from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SERVICES: Final = ("intake", "assignment", "visits", "plans", "compliance")
PARTITIONS: Final = 12
MAX_MESSAGE_BYTES: Final = 1024 * 1024
_EVERYONE: Final = frozenset(SERVICES)


@dataclass(frozen=True)
class TopicSpec:
    """One topic. `express` topics hold facts that reduce contact and are read first."""

    name: str
    meaning: str
    writers: frozenset[str]
    readers: frozenset[str]
    retention_days: int
    partitions: int = PARTITIONS
    max_message_bytes: int = MAX_MESSAGE_BYTES
    express: bool = False


def _dead_letters(service: str) -> TopicSpec:
    return TopicSpec(
        name=f"{service}.dlq",
        meaning=f"Digest, reason and coordinates of records that {service} could not process",
        writers=frozenset({service}),
        readers=frozenset({service}),
        retention_days=14,
        partitions=1,
    )


_ALL: Final = (
    TopicSpec(
        "loan",
        "What the bank core says of loans and people, contact data too: deleted after 7 days, at the latest after 8 "
        "(whole segments, of a day). Adapters of intake translate cores that speak otherwise",
        frozenset({"core", "intake"}),
        frozenset({"intake"}),
        7,
    ),
    TopicSpec(
        "loan-urgent",
        "Payments, deaths and stops from a core that can separate them; deleted like `loan`",
        frozenset({"core"}),
        frozenset({"intake"}),
        7,
        express=True,
    ),
    TopicSpec("case", "Cases: what intake concludes", frozenset({"intake"}), _EVERYONE, 14),
    TopicSpec("visit", "The saga of each visit", frozenset({"assignment", "visits"}), _EVERYONE, 14),
    TopicSpec("plan", "Plans agreed and kept", frozenset({"plans"}), _EVERYONE, 14),
    TopicSpec("contact", "Every contact", frozenset({"visits", "plans", "compliance"}), _EVERYONE, 14),
    TopicSpec("compliance", "Decisions, permits, findings, checkpoints", frozenset({"compliance"}), _EVERYONE, 14),
    TopicSpec("stop", "Facts that stop contact, first", _EVERYONE, _EVERYONE, 14, express=True),
    *(_dead_letters(service) for service in SERVICES),
)
TOPICS: Final[dict[str, TopicSpec]] = {spec.name: spec for spec in _ALL}


def heartbeat_topics(service: str) -> tuple[str, ...]:
    """Topics on whose partitions `service` sends its heartbeat: those it writes for others.

    Left out are its dead letters, and facts that it only translates for a core: these speak for the core.
    """
    return tuple(
        spec.name
        for spec in _ALL
        if service in spec.writers and "core" not in spec.writers and not spec.name.endswith(".dlq")
    )
