"""The desk of cut-overs: what another system kept is taken over under two signatures, and histories are attested.

Until the totals that were read back are signed, too, nobody who takes part is granted a permit: budgets counted from
zero would be unlawful.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from services.compliance import fact_desk, reconsideration
from services.compliance.cutover_importing import Record, import_new
from services.compliance.domain.approvers import approvers
from services.compliance.domain.canonical import Json, canonical
from services.compliance.domain.cutovers import (
    CutoverChanged,
    CutoverDiffers,
    CutoverNotOpen,
    CutoverSignature,
    CutoverTerms,
    HistoryTooShort,
    differences,
    require_signers,
)
from services.compliance.domain.leaves import NewLeaf
from services.compliance.domain.look_back import longest_look_back
from services.compliance.domain.reports import CLOCK_SKEW, ContactInFuture
from services.compliance.instruments import Instruments
from services.compliance.schemas.contacts import ItemProblem
from services.compliance.schemas.cutovers import (
    ImportedComplaint,
    ImportedContact,
    ImportedHold,
    ImportedResult,
)
from services.compliance.store import cutovers as store
from services.compliance.store.holds import load_holds
from services.compliance.store.leaves import append_leaves, load_erased
from services.compliance.store.third_persons import reach_back
from shared.database import UnitOfWork
from shared.ids import event_id
from shared.web.problems import NotFound, Problem

_MEMBER: Final = "cutover_record"
_CONTENT: Final = "cutover_content"


async def begin(
    uow: UnitOfWork, instruments: Instruments, terms: CutoverTerms, signatures: Sequence[CutoverSignature]
) -> store.Cutover:
    """Begin to import; begun again with the same terms, it goes on.

    Raises CutoverNotSigned, HistoryTooShort, CutoverChanged.
    """
    known = await store.find_to_move(uow, terms.cutover_id)
    if known is not None:
        if known.terms != terms:
            raise CutoverChanged()
        return known
    people = approvers(instruments.approver_keys)
    require_signers(people, "begin", terms.document(), signatures, today=uow.real_now.date())
    needed = longest_look_back(instruments.book, terms.places, terms.business_date)
    if needed is not None and terms.history_from > needed.first_date:
        raise HistoryTooShort(
            f"{needed.rule} looks back to {needed.first_date}, the contacts to {terms.history_from}",
            rule=needed.rule, citation=needed.citation, needed_from=needed.first_date.isoformat(),
        )  # fmt: skip
    await store.begin(uow, terms)
    signed: list[Json] = [one.document() for one in signatures]
    said: dict[str, Json] = {"terms": terms.document(), "signatures": signed}
    await append_leaves(uow, instruments.cipher, [_leaf(uow, terms.cutover_id, "begun", said)])
    return store.Cutover(terms, "importing")


async def enrol(
    uow: UnitOfWork, instruments: Instruments, cutover_id: str, party_ids: Sequence[UUID], *,
    one_person: Collection[UUID] = (),
) -> int:  # fmt: skip
    """The people take part: nobody attests their contacts until the cut-over does; of how many that is new.

    `one_person`: their other ids, whose permits stand on the same contacts. The parties are locked.

    Raises NotFound, CutoverNotOpen.
    """
    await _importing(uow, cutover_id)
    erased = await load_erased(uow, instruments.cipher, party_ids)
    fresh = await store.enrol(uow, cutover_id, set(party_ids) - erased)
    await reconsideration.reconsider(uow, instruments, {*party_ids, *one_person})
    return fresh


async def check(uow: UnitOfWork, instruments: Instruments, records: Mapping[int, Record]) -> dict[int, ImportedResult]:
    """What would become of the records; nothing is written."""
    erased = await load_erased(uow, instruments.cipher, [one for r in records.values() if (one := party_of(r))])
    return {position: _refused(uow, record, erased, position) or ImportedResult(position=position, status="good")
            for position, record in records.items()}  # fmt: skip


async def take_over(
    uow: UnitOfWork, instruments: Instruments, cutover_id: str, records: Mapping[int, Record], *, by_whom: str
) -> dict[int, ImportedResult]:
    """Import what is new; results by position. The parties are locked. Raises NotFound, CutoverNotOpen."""
    terms = await _importing(uow, cutover_id)
    erased = await load_erased(uow, instruments.cipher, [one for r in records.values() if (one := party_of(r))])
    named = {position: _key_of(instruments, cutover_id, record) for position, record in records.items()}
    contents = {position: _content_of(instruments, terms, record) for position, record in records.items()}
    known = await store.load_imported(uow, set(named.values()))
    same = await store.load_same(uow, {one for one in contents.values() if one is not None})
    results: dict[int, ImportedResult] = {}
    new: dict[int, Record] = {}
    kept: list[store.Imported] = []

    def became(position: int, target_id: UUID, *, is_erased: bool = False) -> None:
        kind = records[position].kind
        kept.append(store.Imported(named[position], contents[position], kind, target_id, is_erased))
        known[named[position]] = None if is_erased else target_id

    waiting: dict[bytes, int] = {}
    for position, record in sorted(records.items()):
        refused = _refused(uow, record, erased, position)
        before = contents[position]
        if named[position] in known:
            results[position] = _repeated(position, known[named[position]])
        elif named[position] in waiting:
            continue
        elif refused is not None:
            results[position] = refused
            if refused.status == "erased":
                became(position, event_id(), is_erased=True)
        elif before in same and before is not None:
            became(position, same[before])
            results[position] = _repeated(position, same[before])
        else:
            waiting[named[position]] = position
            new[position] = record
    for position, target_id in (await import_new(uow, instruments, cutover_id, new, by_whom=by_whom)).items():
        became(position, target_id)
        results[position] = ImportedResult(position=position, status="imported", target_id=target_id)
    await store.keep_imported(uow, cutover_id, kept)
    for position in records.keys() - results.keys():
        results[position] = _repeated(position, known[named[position]])
    return await _with_standing(uow, records, results)


async def _with_standing(
    uow: UnitOfWork, records: Mapping[int, Record], results: Mapping[int, ImportedResult]
) -> dict[int, ImportedResult]:
    """Of each hold whether it stands: one that was imported before may have ended since."""
    parties = {record.hold.party_id for record in records.values() if isinstance(record, ImportedHold)}
    holds = await load_holds(uow, parties) if parties else {}
    standing = {
        hold.hold_id: hold.until is None or hold.until > uow.now for held in holds.values() for hold in held
    }  # fmt: skip
    return {
        position: result if result.target_id is None or not isinstance(records[position], ImportedHold)
        else result.model_copy(update={"stands": standing.get(result.target_id, False)})
        for position, result in results.items()
    }  # fmt: skip


def _repeated(position: int, target_id: UUID | None) -> ImportedResult:
    """Imported before; what was of somebody erased before it came stays so."""
    if target_id is None:
        return ImportedResult(position=position, status="erased")
    return ImportedResult(position=position, status="repeated", target_id=target_id)


async def accept(
    uow: UnitOfWork, instruments: Instruments, cutover_id: str, read_back_sha256: str,
    signatures: Sequence[CutoverSignature],
) -> store.Cutover:  # fmt: skip
    """Two people signed the totals read back: nothing more is imported, histories may be attested.

    Raises NotFound, CutoverNotSigned, CutoverDiffers.
    """
    known = await store.find_to_move(uow, cutover_id)
    if known is None:
        raise NotFound("there is no such cut-over")
    if known.state != "importing":
        return known
    said: dict[str, Json] = {"cutover_id": cutover_id, "read_back_sha256": read_back_sha256}
    people = approvers(instruments.approver_keys)
    require_signers(people, "accept", said, signatures, today=uow.real_now.date())
    erased = await store.erased(uow, cutover_id)
    differing = differences(known.terms.expected, await store.held(uow, cutover_id), erased)
    if differing:
        raise CutoverDiffers(
            "; ".join(f"{one.kind}: {one.announced} announced, {one.held} held" for one in differing),
            differences=[one._asdict() for one in differing],
        )
    await store.move(uow, cutover_id, "accepted")
    await reach_back(uow, known.terms.history_from)
    signed: list[Json] = [one.document() for one in signatures]
    left_out: dict[str, Json] = {"erased": {str(kind): count for kind, count in erased.items()}} if erased else {}
    leaf = _leaf(uow, cutover_id, "accepted", said | left_out | {"signatures": signed})
    await append_leaves(uow, instruments.cipher, [leaf])
    return store.Cutover(known.terms, "accepted")


async def attest(uow: UnitOfWork, instruments: Instruments, cutover_id: str, party_ids: Sequence[UUID]) -> int:
    """The histories of these people of an accepted cut-over are known; of how many that is new. Parties are locked.

    Raises NotFound, CutoverNotOpen.
    """
    known = await store.find_to_import(uow, cutover_id)
    if known is None:
        raise NotFound("there is no such cut-over")
    if known.state != "accepted":
        raise CutoverNotOpen(f"it is {known.state}", state=known.state)
    since = known.terms.history_from
    told = await store.attest(uow, cutover_id, party_ids, since)
    leaves = [
        _leaf(uow, cutover_id, "attested", {"history_known_from": since.isoformat()}, party_id=one) for one in told
    ]
    await append_leaves(uow, instruments.cipher, leaves)
    await fact_desk.hear(uow, [(one, "party.history_known_from") for one in told])
    return len(told)


async def close(uow: UnitOfWork, instruments: Instruments, cutover_id: str) -> store.Cutover:
    """Everybody who can be attested is; closed again, it stays closed. Raises NotFound, CutoverNotOpen."""
    known = await store.find_to_move(uow, cutover_id)
    if known is None:
        raise NotFound("there is no such cut-over")
    if known.state == "importing":
        raise CutoverNotOpen("it is importing", state=known.state)
    if known.state == "accepted":
        parties, attested = await store.count_enrolled(uow, cutover_id)
        await store.move(uow, cutover_id, "closed")
        said: dict[str, Json] = {"parties": parties, "attested": attested}
        await append_leaves(uow, instruments.cipher, [_leaf(uow, cutover_id, "closed", said)])
    return replace(known, state="closed")


def party_of(record: Record) -> UUID | None:
    """Whom the record is about; None: a third person, of whom nothing is kept."""
    match record:
        case ImportedHold(hold=hold):
            return hold.party_id
        case ImportedComplaint(complaint=complaint):
            return complaint.party_id
        case ImportedContact(contact=contact):
            return contact.party_id
        case _:
            return None


async def _importing(uow: UnitOfWork, cutover_id: str) -> CutoverTerms:
    known = await store.find_to_import(uow, cutover_id)
    if known is None:
        raise NotFound("there is no such cut-over")
    if known.state != "importing":
        raise CutoverNotOpen(f"it is {known.state}", state=known.state)
    return known.terms


def _content_of(instruments: Instruments, terms: CutoverTerms, record: Record) -> bytes | None:
    """A commitment to what the other system says under its own reference, whatever the cut-over is called."""
    if terms.system is None:
        return None
    content = canonical({"system": terms.system, "core": terms.core, "said": record.model_dump(mode="json")})
    return instruments.cipher.blind_index(_CONTENT, content.decode())


def _key_of(instruments: Instruments, cutover_id: str, record: Record) -> bytes:
    return instruments.cipher.blind_index(_MEMBER, f"{cutover_id}|{record.kind}|{record.record_ref}")


def _refused(uow: UnitOfWork, record: Record, erased: set[UUID], position: int) -> ImportedResult | None:
    if party_of(record) in erased:
        return ImportedResult(position=position, status="erased")
    if isinstance(record, ImportedContact) and record.contact.started_at > uow.now + CLOCK_SKEW:
        return refusal(position, ContactInFuture())
    return None


def refusal(position: int, problem: Problem) -> ImportedResult:
    """The result of a record that cannot be imported."""
    document = ItemProblem.model_validate(problem.document())
    return ImportedResult(position=position, status="refused", problem=document)


def _leaf(
    uow: UnitOfWork, cutover_id: str, state: str, said: Mapping[str, Json], *, party_id: UUID | None = None
) -> NewLeaf:
    return NewLeaf(
        kind="cutover",
        leaf_id=event_id(),
        party_id=party_id,
        occurred_at=uow.now,
        recorded_at=uow.real_now,
        public={"cutover_id": cutover_id, "state": state, **said},
    )
