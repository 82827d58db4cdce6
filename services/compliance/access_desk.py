"""The desk of subject access: everything kept about one person in plain words, its clock recorded, each pack a leaf."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.compliance import complaint_desk, duty_cause_desk, finding_desk, hold_desk, override_desk, sample_desk
from services.compliance.domain.access import AccessPack
from services.compliance.domain.canonical import Json, canonical, format_time
from services.compliance.domain.erasures import clock_of_request
from services.compliance.domain.explanations import explain
from services.compliance.domain.keeping import reasons_to_keep, today_everywhere
from services.compliance.domain.leaves import NewLeaf
from services.compliance.erased import refuse_erased
from services.compliance.explanation_texts import explanation_texts, rule_kinds
from services.compliance.instruments import Instruments
from services.compliance.restricted import demand_reason
from services.compliance.store import access as store
from services.compliance.store.evidence import knows_party
from services.compliance.store.frames import load_told
from services.compliance.store.keeping import load_holdings
from services.compliance.store.leaves import append_leaves
from services.compliance.store.sealed import CONTACT, DECISION, open_records, open_terms, open_words
from shared.access.lists import digest_of, list_of
from shared.access.texts import LANGUAGES, Texts, access_texts
from shared.database import UnitOfWork
from shared.ids import event_id
from shared.security.party_keys import Sealed
from shared.security.scopes import CLIENTS
from shared.web.problems import NotFound

_FREE_TEXT: Final = {
    "holds": ("sealed_reason", hold_desk.REASON, "reason"),
    "complaints": ("sealed_words", complaint_desk.WORDS, "words_said"),
    "findings": ("sealed_reason", finding_desk.REASON, "reason"),
    "samples": ("sealed_reason", sample_desk.REASON, "reason"),
    "overrides": ("sealed_reason", override_desk.REASON, "reason"),
}
_OF_CONTACT: Final = ("outcome", "contact", "conversation", "debt_disclosed_to_third", "conduct_flags")
_NOT_SHOWN: Final = frozenset({"party_id", "record", "token", "staff", "crew", "case_open", "version"})
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class GivenPack:
    """A pack and the leaf that proves that it was given."""

    pack: AccessPack
    leaf_id: UUID


def compliance_texts() -> Texts:
    """The sentences of compliance."""
    return access_texts("services.compliance")


async def give_pack(
    uow: UnitOfWork, instruments: Instruments, party_id: UUID, *, received_at: datetime, by_whom: str,
    reason: str | None = None, others: Mapping[str, str] | None = None,
) -> GivenPack:  # fmt: skip
    """Everything kept about the person; that it was given, and why, becomes a leaf. Locks the person.

    `others`: what the person is given of other services, by their names: SHA-256 (hexadecimal) of each document in its
    canonical form. The leaf commits to them all, so that it proves the whole.

    Raises PartyErased, NotFound; ReasonNeeded where records are restricted.
    """
    await uow.lock_parties([party_id])
    await refuse_erased(uow, instruments.cipher, [party_id])
    if not await knows_party(uow, party_id):
        raise NotFound("nothing is kept about that person")
    await demand_reason(uow, party_id, reason)
    holding = (await load_holdings(uow, [party_id]))[party_id]
    reasons = reasons_to_keep(holding, instruments.book, today=today_everywhere(uow.now))
    key = duty_cause_desk.key_of_person(instruments, party_id)
    found = {name: await store.load_list(uow, name, party_id, key) for name in store.LISTS}
    # Systems are named; people of ours are not, whichever list tells who they are.
    named = {one for rows in found.values() for row in rows for one in row.get("staff") or () if one is not None}
    staff = named - CLIENTS
    lists = [
        list_of(name, await _readable(uow, instruments, name, rows), compliance_texts(), staff=staff)
        for name, rows in found.items()
    ]
    # That there is a legal hold the person may know, not for which matter.
    kept: list[Row] = [
        {
            "rule": one.rule, "citation": one.citation, "earliest": one.earliest, "after": one.after,
            "detail": "a legal hold stands" if one.rule == "RIGHTS-LEGAL-HOLD" else one.detail,
        }
        for one in reasons
    ]  # fmt: skip
    pack = AccessPack(
        title=compliance_texts().words("service"),
        party_id=party_id,
        received_at=received_at,
        made_at=uow.now,
        clock=clock_of_request(instruments.book, jurisdiction=holding.jurisdiction, received_at=received_at),
        lists=[*lists, list_of("kept", kept, compliance_texts())],
    )
    leaf = _leaf(uow, pack, by_whom, reason, others or {})
    await append_leaves(uow, instruments.cipher, [leaf])
    given = {party_id: uow.now}
    await duty_cause_desk.settle(
        uow, instruments, given, reference=str(leaf.leaf_id), kinds=["request"], right="access"
    )  # fmt: skip
    return GivenPack(pack, leaf.leaf_id)


async def _readable(uow: UnitOfWork, instruments: Instruments, name: str, found: Sequence[asyncpg.Record]) -> list[Row]:
    """The rows of a list with what only the person's key opens."""
    rows = [_shown(row) for row in found]
    if name == "place":
        rows = [row | {"is_open": one["case_open"]} for row, one in zip(rows, found, strict=True)]
    elif name == "told":
        words = await open_words(uow, instruments.cipher, found)
        rows = [
            row | {"value": None if word is None else _value(word[0]), "reference": None if word is None else word[1]}
            for row, word in zip(rows, words, strict=True)
        ]
    elif name in ("contacts", "decisions"):
        records = await open_records(uow, instruments.cipher, found, CONTACT if name == "contacts" else DECISION)
        if name == "contacts":
            rows = [_contact(row, record) for row, record in zip(rows, records, strict=True)]
        else:
            tell = _decision(instruments)
            rows = [tell(row, record) for row, record in zip(rows, await load_told(uow, records), strict=True)]
    elif name == "permits":
        terms = await open_terms(uow, instruments.cipher, found)
        rows = [
            row
            | {
                "crew_size": None if one is None else len(one.crew),
                "place_cell": None if one is None else one.place_cell,
            }
            for row, one in zip(rows, terms, strict=True)
        ]
    elif name in _FREE_TEXT:
        rows = await _with_text(uow, instruments, found, rows, *_FREE_TEXT[name])
    return rows


def _shown(row: asyncpg.Record) -> Row:
    return {key: value for key, value in row.items() if key not in _NOT_SHOWN and not key.startswith("sealed_")}


def _value(value: Any) -> Json:
    """What was told, as text where it has parts of its own."""
    if isinstance(value, list):
        return [json.dumps(one, ensure_ascii=False) if isinstance(one, dict) else one for one in value]
    told: Json = value
    return told


def _contact(row: Row, record: bytes | None) -> Row:
    kept = {} if record is None else json.loads(record)
    return row | {name: kept.get(name) for name in _OF_CONTACT}


def _decision(instruments: Instruments) -> Any:
    kinds, texts = rule_kinds(instruments.book), explanation_texts()

    def tell(row: Row, kept: Mapping[str, Any] | None) -> Row:
        if kept is None:
            return row | {"words": {one: compliance_texts().said("erased_value", language=one) for one in LANGUAGES}}
        return row | {
            "words": {one: explain(kept, texts, kinds, voice="customer", language=one) for one in LANGUAGES},
            "rules_that_refused": [one["rule"] for one in kept["rules"] if one["answer"] != "allow"],
        }

    return tell


async def _with_text(
    uow: UnitOfWork, instruments: Instruments, found: Sequence[asyncpg.Record], rows: list[Row], column: str,
    field: str, name: str,
) -> list[Row]:  # fmt: skip
    sealed = [(place, row) for place, row in enumerate(found) if row[column] is not None]
    texts = await instruments.cipher.open_many(
        uow, [Sealed(row["party_id"], field, bytes(row[column])) for _, row in sealed]
    )
    told: dict[int, str | None] = {place: text for (place, _), text in zip(sealed, texts, strict=True)}
    return [row | {name: told.get(place)} for place, row in enumerate(rows)]


def _leaf(
    uow: UnitOfWork, pack: AccessPack, by_whom: str, reason: str | None, others: Mapping[str, str]
) -> NewLeaf:  # fmt: skip
    counts: dict[str, Json] = {one.name: len(one.rows) for one in pack.lists}
    return NewLeaf(
        kind="access",
        leaf_id=event_id(),
        party_id=pack.party_id,
        occurred_at=uow.now,
        recorded_at=uow.real_now,
        public={
            "received_at": format_time(pack.received_at),
            "answer_by": format_time(pack.clock.answer_by),
            "clock": pack.clock.rule,
            "rows": counts,
            **({"others": sorted(others)} if others else {}),
        },
        committed={
            "pack": digest_of(pack.document()),
            "by_whom": by_whom.encode(),
            **({"others": canonical(others)} if others else {}),
            **({} if reason is None else {"reason": reason.encode()}),
        },
    )
