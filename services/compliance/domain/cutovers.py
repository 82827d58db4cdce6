"""A cut-over: what another system kept of people is taken over once, before anybody of them may be contacted.

`importing` → `accepted` → `closed`. It begins, and is accepted, under two registered people's signatures: first over
what is to be imported (the manifest and its dry run), then over what the services say they hold. Only from then on may
histories be attested; until then nobody who takes part is granted a permit, whatever the core says of them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.compliance.domain.approvers import Approvers, decoded
from services.compliance.domain.canonical import Json, canonical
from services.compliance.domain.reports import Counters, Reached, counters
from shared.events.base import Reference
from shared.security.note_keys import person_key_name
from shared.web.problems import KnownProblem

CutoverState = Literal["importing", "accepted", "closed"]
Stage = Literal["begin", "accept"]
RecordKind = Literal["hold", "complaint", "contact", "third_person"]
OldChannel = Literal["visit", "call", "sms", "email", "letter"]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
SIGNERS_NEEDED: Final = 2
# Where the person was is not known of an imported contact: it falls on every date that it can have been.
ANYWHERE: Final = ("Pacific/Kiritimati", "Etc/GMT+12")
_STATEMENT: Final = b"doorstep-cutover/v1\n"


class CutoverNotSigned(KnownProblem):
    """Fewer than two registered people signed exactly this; `faults` says why a signature does not count."""

    kind, status, title = "cutover-not-signed", 403, "Two registered people must sign the cut-over"


class CutoverChanged(KnownProblem):
    """A cut-over of this name began with other terms."""

    kind, status, title = "cutover-changed", 409, "The cut-over began with other terms"


class CutoverNotOpen(KnownProblem):
    """The cut-over is not in the state that this step needs; `state` tells which it is in."""

    kind, status, title = "cutover-not-open", 409, "The cut-over takes no such step now"


class CutoverDiffers(KnownProblem):
    """What compliance holds of the cut-over is not what was announced; `differences` names each kind."""

    kind, status, title = "cutover-differs", 409, "What was imported is not what was announced"


class HistoryTooShort(KnownProblem):
    """The contacts do not reach as far back as a rule looks; `needed_from` is that date."""

    kind, status, title = "history-too-short", 422, "A rule looks further back than the contacts reach"


class CutoverTerms(BaseModel):
    """What is imported, as of which business date, and from when on past contacts are complete."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cutover_id: Reference = Field(description="Name of the cut-over.", examples=["old-system-2026"])
    core: Reference = Field(description="The core whose people take part.", examples=["core"])
    business_date: date = Field(description="Business date of the cut-over.")
    history_from: date = Field(description="Past contacts are complete from here on.")
    places: list[str] = Field(min_length=1, max_length=60, description="Where the people are.", examples=[["CN"]])
    manifest_sha256: Sha256 = Field(description="SHA-256 of the manifest.")
    dry_run_sha256: Sha256 = Field(description="SHA-256 of the report of the dry run.")
    expected: dict[RecordKind, int] = Field(description="Records per kind that the dry run found good.")
    system: Reference | None = Field(
        None,
        description="Name of the other system. A record of it that another cut-over has imported, under the same "
        "reference and with the same content, is not imported again. Not named: nothing is known of other cut-overs.",
    )

    def document(self) -> dict[str, Json]:
        """For the leaf, and for what is signed."""
        return self.model_dump(mode="json", exclude_none=True)


class CutoverSignature(BaseModel):
    """One registered person's signature (`./doorstep cutover sign`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    approver: str = Field(min_length=3, max_length=200, description="The person, as registered.")
    signed_on: date = Field(description="The day.")
    key: str = Field(max_length=200, description="Text form of the person's key: name+id+key.")
    signature: str = Field(max_length=200, description="Base64, by that key.")

    def document(self) -> dict[str, Json]:
        """For the leaf. Who signs does so in office: the name is part of it."""
        return self.model_dump(mode="json")


def statement(stage: Stage, said: Mapping[str, Json], *, approver: str, signed_on: date) -> bytes:
    """What a person signs: domain, line feed, canonical JSON of the stage, of what is signed, of who signs it when."""
    return _STATEMENT + canonical(
        {"stage": stage, "said": dict(said), "approver": approver, "signed_on": signed_on.isoformat()}
    )


def sign(
    stage: Stage, said: Mapping[str, Json], *, approver: str, on: date, key: str, signs: Callable[[bytes], bytes]
) -> CutoverSignature:
    """A person's signature; `signs` makes signatures with the private half of `key`."""
    signature = base64.b64encode(signs(statement(stage, said, approver=approver, signed_on=on))).decode()
    return CutoverSignature(approver=approver, signed_on=on, key=key, signature=signature)


def require_signers(
    approvers: Approvers, stage: Stage, said: Mapping[str, Json], signatures: Sequence[CutoverSignature], *, today: date
) -> None:
    """Raises CutoverNotSigned: two people with registered keys signed exactly this, not after `today`."""
    people: set[str] = set()
    faults: list[str] = []
    for one in signatures:
        held = approvers.held_by(one.approver, one.key, one.signed_on)
        signed = statement(stage, said, approver=one.approver, signed_on=one.signed_on)
        if held is None or one.signed_on > today:
            faults.append(f"{person_key_name(one.approver)}: no such key was registered on {one.signed_on}")
        elif not held.key.verifies(signed, decoded(one.signature)):
            faults.append(f"{person_key_name(one.approver)}: the signature does not hold")
        else:
            people.add(held.answers_for)
    if len(people) < SIGNERS_NEEDED:
        raise CutoverNotSigned(f"{len(people)} of {SIGNERS_NEEDED} people signed", faults=faults)


class Difference(NamedTuple):
    """A kind of which not as many are held, or were of people erased meanwhile, as were announced."""

    kind: str
    announced: int
    held: int
    erased: int


def differences(
    expected: Mapping[RecordKind, int], held: Mapping[RecordKind, int], erased: Mapping[RecordKind, int]
) -> list[Difference]:
    """Each kind that differs. What is not held because its person was erased meanwhile is accounted for."""
    kinds: Collection[RecordKind] = sorted(expected.keys() | held.keys())
    found = [Difference(kind, expected.get(kind, 0), held.get(kind, 0), erased.get(kind, 0)) for kind in kinds]
    return [one for one in found if one.announced != one.held + one.erased]


def counters_of_old(channel: OldChannel, reached: Reached, *, conversation: bool | None) -> Counters:
    """What another system's contact counts as. What it does not know counts as everything that it can have been."""
    if channel != "visit":
        return counters(channel, reached, conversation=conversation)
    debtor = reached in ("debtor", "unknown")
    return Counters(
        contact=reached != "nobody",
        conversation=debtor and conversation is not False,
        household_contacted=debtor or reached == "household",
        debtor_met=debtor,
    )
