"""What is gathered at the end of a run: proofs, the exported log and its damaged copy, the oracle's history."""

from __future__ import annotations

import asyncio
import base64
import io
import sys
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from shared.events.topics import TOPICS
from simulation.api import Api
from simulation.core.ledger import Ledger
from simulation.oracle import History
from simulation.oracle.proof import includes
from simulation.oracle.read import read_topics
from simulation.oracle.record import Record
from simulation.platform import ORACLE_PRINCIPAL, Platform

VERIFIER = Path(__file__).resolve().parents[1] / "tools" / "verify_log.py"


@dataclass(frozen=True, slots=True)
class Verification:
    """Exit code and words of one run of the stand-alone verifier."""

    code: int
    said: str


@dataclass(frozen=True, slots=True)
class LogEvidence:
    """The exported log under the verifier, and a copy with one flipped byte."""

    size_bytes: int
    whole: Verification
    damaged: Verification
    damaged_leaf: int

    @property
    def holds(self) -> bool:
        """The export verifies, and the copy does not, with the damaged leaf named."""
        return self.whole.code == 0 and self.damaged.code == 1 and str(self.damaged_leaf) in self.damaged.said


async def gather_history(platform: Platform, api: Api, ledger: Ledger, *, freshness: timedelta) -> History:
    """Every topic raw, and the public answers to compare with them. Raises UnexpectedAnswer, KafkaError."""
    records = await read_topics(
        list(TOPICS), kafka=platform.kafka.client_options(ORACLE_PRINCIPAL), prefix=platform.prefix
    )
    head = Head.parse(str((await api.get("compliance", "/v1/log/checkpoint")).expected()))
    return History(
        records=records,
        freshness=freshness,
        cases=await _case_sums(api),
        core_overdue={reference: loan.overdue for reference, loan in ledger.loans.items()},
        told_back=list(ledger.told_back.values()),
        leaves=await _proved_leaves(api, records, head),
        tree_size=head.size,
    )


@dataclass(frozen=True, slots=True)
class Head:
    """Size and root of a C2SP checkpoint note, unverified (the verifier checks signatures)."""

    size: int
    root: bytes

    @classmethod
    def parse(cls, note: str) -> Head:
        """From the note's second and third line."""
        _, size, root, *_ = note.split("\n")
        return cls(int(size), base64.b64decode(root))


async def _case_sums(api: Api) -> dict[str, int]:
    sums: dict[str, int] = {}
    async for case in api.pages("intake", "/v1/cases"):
        sums[case["case_id"]] = sum(int(total["amount_minor"]) for total in case["overdue_totals"])
    return sums


async def _proved_leaves(api: Api, records: Sequence[Record], head: Head) -> dict[str, int]:
    """Contact id -> leaf index, for every leaf whose inclusion under the newest checkpoint we verified ourselves."""
    parties = sorted({record.text("party_id") for record in records if record.type == "contact.recorded"})
    found: dict[str, int] = {}
    for leaves in await asyncio.gather(*(party_leaves(api, party) for party in parties)):
        for leaf in leaves:
            if leaf["kind"] == "contact" and is_proved(leaf, head):
                found[leaf["record"]["contact_id"]] = leaf["proof"]["leaf_index"]
    return found


async def party_leaves(api: Api, party_id: str) -> list[dict[str, Any]]:
    """A party's leaves with their proofs. Raises UnexpectedAnswer."""
    return [leaf async for leaf in api.pages("compliance", f"/v1/parties/{party_id}/leaves")]


def is_proved(leaf: Mapping[str, Any], head: Head) -> bool:
    """Whether the leaf's bytes are under the head's root."""
    proof = leaf["proof"]
    return includes(
        base64.b64decode(leaf["leaf"]),
        index=proof["leaf_index"],
        size=proof["tree_size"],
        path=[base64.b64decode(value) for value in proof["path"]],
        root=head.root,
    )


async def wait_for_log(api: Api, *, timeout_seconds: float = 15) -> None:
    """Until every leaf is under a signed checkpoint: the sequencer runs beside the services' own quiet.

    Raises UnexpectedAnswer, TimeoutError.
    """
    async with asyncio.timeout(timeout_seconds):
        while True:
            summary = (await api.get("compliance", "/v1/summary")).expected()
            head = Head.parse(str((await api.get("compliance", "/v1/log/checkpoint")).expected()))
            if not summary["leaves_pending"] and head.size == summary["leaves"]:
                return
            await asyncio.sleep(0.1)


async def examine_log(api: Api, folder: Path, *, approvers: Sequence[str] = ()) -> LogEvidence:
    """Export, verify, flip one byte in a copy, verify again. Raises UnexpectedAnswer.

    `approvers`: fingerprints of who released the rules.
    """
    export = await api.download("compliance", "/v1/log/export")
    whole, damaged = folder / "audit-log.tar", folder / "audit-log-one-byte-flipped.tar"
    whole.write_bytes(export)
    copy, leaf = with_flipped_byte(export)
    damaged.write_bytes(copy)
    fingerprint = (await api.get("compliance", "/v1/summary")).expected()["log_key_fingerprint"]
    found = await asyncio.gather(*(_verify(each, fingerprint, approvers) for each in (whole, damaged)))
    return LogEvidence(size_bytes=len(export), whole=found[0], damaged=found[1], damaged_leaf=leaf)


def with_flipped_byte(export: bytes) -> tuple[bytes, int]:
    """A copy of the export with one bit of one leaf's content changed, and that leaf's index."""
    with tarfile.open(fileobj=io.BytesIO(export)) as archive:
        members = [(member, archive.extractfile(member)) for member in archive.getmembers()]
        contents = {member.name: file.read() for member, file in members if file is not None}
    name = min(name for name in contents if name.startswith("leaves/"))
    lines = contents[name].splitlines()
    place = len(lines) // 2
    lines[place] = _flip(lines[place])
    contents[name] = b"\n".join(lines) + b"\n"
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for member, _ in members:
            if member.name in contents:
                member.size = len(contents[member.name])
                archive.addfile(member, io.BytesIO(contents[member.name]))
    return target.getvalue(), int(Path(name).stem) + place  # a file is named after its first leaf


def _flip(line: bytes) -> bytes:
    """Change one byte in the middle of the line's longest base64 text, keeping it base64."""
    start, end = max(_texts(line), key=lambda span: span[1] - span[0])
    place = (start + end) // 2
    changed = b"A" if line[place : place + 1] != b"A" else b"B"
    return line[:place] + changed + line[place + 1 :]


def _texts(line: bytes) -> list[tuple[int, int]]:
    quotes = [place for place, byte in enumerate(line) if byte == ord('"')]
    if len(quotes) < 2:
        return [(0, len(line))]
    return [(begin + 1, end) for begin, end in zip(quotes[::2], quotes[1::2], strict=False)]


async def _verify(export: Path, fingerprint: str, approvers: Sequence[str]) -> Verification:
    named = [argument for one in approvers for argument in ("--approver", one)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", str(VERIFIER), str(export), "--fingerprint", fingerprint, *named,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return Verification(process.returncode or 0, said.decode().strip())
