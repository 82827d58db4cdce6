"""Carrying a cut-over out: step by step, each record once. Killed, it begins again and is answered `repeated`.

1. It begins at compliance, which knows who may sign, then at plans. 2. Everybody on the tape or in a file takes part:
nobody of them is granted a permit from then on. 3. Loans. 4. Holds, complaints. 5. Plans, each after its hold. 6. Past
contacts, questions to third persons. 7. What the services hold is read back. 8. Two people accept that; only then are
histories attested.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from services.intake.cutover.manifest import KINDS, CutoverManifest, FileKind
from services.intake.cutover.reading import Group, Reader
from services.intake.cutover.rows import Payload, Rejection, Row, RowError, hold_of_plan, plan_of, record_of
from services.intake.cutover.services import Result, Services
from services.intake.tapes.contract import Contract
from services.intake.tapes.survey import Tell, unheard

_CASES_WAIT_SECONDS: Final = 60
_POLL_SECONDS: Final = 2.0
# Sent again: the person's case may be on its way from intake to plans.
_LATER: Final = "case_not_open"
LoadLoans = Callable[[], Awaitable[Mapping[str, Any]]]


class Missed(NamedTuple):
    """A difference between what was announced and what is held."""

    what: str
    announced: str
    held: str


@dataclass
class Run:
    """One cut-over on its way. `load_loans` loads the tape, or goes on with it, and says what it holds."""

    reader: Reader
    manifest: CutoverManifest
    report: Mapping[str, Any]
    services: Services
    contract: Contract
    load_loans: LoadLoans
    tell: Tell = unheard
    cases_wait_seconds: float = _CASES_WAIT_SECONDS
    refused: list[Rejection] = field(default_factory=list)

    @property
    def _id(self) -> str:
        return self.manifest.cutover_id

    async def run(self, terms: Mapping[str, Any], signatures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """All steps but the last; returns what was read back. Raises RemoteProblem, RemoteUnavailable, CutoverError."""
        await self.services.begin(terms, signatures)
        if (await self.services.at_compliance(self._id)).state == "importing":
            await self._enrol()
            await self.load_loans()
            await self._records("holds")
            await self._records("complaints")
            await self._plans()
            await self._records("contacts")
            await self._records("third_persons")
        return await self.read_back()

    async def read_back(self) -> dict[str, Any]:
        """What the services hold now, counted by them."""
        held, plans = await self.services.at_compliance(self._id), await self.services.at_plans(self._id)
        return {
            "cutover_id": self._id,
            "loans": dict(await self.load_loans()),
            "compliance": dict(sorted(held.held.items())),
            "parties": held.parties,
            "plans": {"held": plans.held, "rests_minor": {one.currency: one.amount_minor for one in plans.total}},
        }

    def differences(self, read_back: Mapping[str, Any]) -> list[Missed]:
        """What is held beside what the dry run found good."""
        report = self.report
        pairs = [(f"records of kind {kind}", count, read_back["compliance"].get(kind, 0))
                 for kind, count in sorted(report["expected"].items())]  # fmt: skip
        plans = report["files"]["plans"]
        rests = {code: minor for code, minor in plans["rests_minor"].items() if minor}
        held = {code: minor for code, minor in read_back["plans"]["rests_minor"].items() if minor}
        pairs += [
            ("plans", plans["good"], read_back["plans"]["held"]),
            ("rests of plans, minor units", rests, held),
            *((f"loans: {name}", report["loans"][name], read_back["loans"][name]) for name in report["loans"]),
        ]
        return [Missed(what, str(told), str(found)) for what, told, found in pairs if told != found]

    async def accept(self, sha256: str, signatures: Sequence[Mapping[str, Any]]) -> int:
        """The last step: accepted, attested, closed; returns how many are attested now.

        Attested is who the file of people says is complete, unless one of their contacts could not be imported.
        """
        await self.services.accept(self._id, sha256, signatures)
        incomplete, done = set(self.report["history_incomplete"]), 0
        if (await self.services.at_compliance(self._id)).state == "accepted":
            async for group in self.reader.groups("people"):
                complete = [
                    group.ids.parties[row.party_ref]
                    for row in group.rows
                    if row.values["history"] == "complete" and row.party_ref and row.party_ref not in incomplete
                ]
                if complete:
                    await self.services.attest(self._id, complete)
                done = group.read
                self.tell("Attesting", done, max(self.manifest.of_kind("people").rows, done))
            await self.services.close_cutover(self._id)
        return (await self.services.at_compliance(self._id)).attested

    async def _enrol(self) -> None:
        async for people in self.reader.people_of_tape(self.contract):
            await self._take_part(await self.reader.ids_of(people))
        for kind in KINDS:
            async for group in self.reader.groups(kind):
                await self._take_part(list(group.ids.parties.values()))
                self.tell("Enrolling", group.read, max(self.manifest.of_kind(kind).rows, group.read))

    async def _take_part(self, party_ids: Sequence[UUID]) -> None:
        for first in range(0, len(party_ids), 500):
            await self.services.enrol(self._id, party_ids[first : first + 500])

    async def _records(self, kind: FileKind) -> None:
        async for group in self.reader.groups(kind):
            good: list[tuple[Row, Payload]] = []
            for row in group.rows:
                try:
                    good.append((row, record_of(kind, row, group.ids, cutover_id=self._id)))
                except RowError as error:
                    self._refuse(kind, row, error.field, error.reason)
            if good:
                results = await self.services.take_over(self._id, [payload for _, payload in good])
                self._keep_refused(kind, [row for row, _ in good], results)
            self.tell(f"Importing {kind}", group.read, max(self.manifest.of_kind(kind).rows, group.read))

    async def _plans(self) -> None:
        async for group in self.reader.groups("plans"):
            await self._plans_of(group)
            self.tell("Importing plans", group.read, max(self.manifest.of_kind("plans").rows, group.read))

    async def _plans_of(self, group: Group) -> None:
        readable: list[tuple[Row, Payload]] = []
        for row in group.rows:
            try:
                plan_of(row, group.ids, hold_id=UUID(int=0))
                readable.append((row, hold_of_plan(row, group.ids, cutover_id=self._id)))
            except RowError as error:
                self._refuse("plans", row, error.field, error.reason)
        if not readable:
            return
        holds = await self.services.take_over(self._id, [payload for _, payload in readable])
        self._keep_refused("plans", [row for row, _ in readable], holds)
        waiting = [
            (row, plan_of(row, group.ids, hold_id=one.target_id))
            for (row, _), one in zip(readable, holds, strict=True)
            if one.target_id is not None
        ]
        clock = asyncio.get_running_loop()
        until = clock.time() + self.cases_wait_seconds
        while waiting:
            results = await self.services.take_over_plans(self._id, [plan for _, plan in waiting])
            later = [pair for pair, one in zip(waiting, results, strict=True) if one.kind == _LATER]
            if not later or clock.time() > until:
                self._keep_refused("plans", [row for row, _ in waiting], results)
                return
            done = [one for one in results if one.kind != _LATER]
            rows = [row for (row, _), one in zip(waiting, results, strict=True) if one.kind != _LATER]
            self._keep_refused("plans", rows, done)
            waiting = later
            await asyncio.sleep(_POLL_SECONDS)

    def _keep_refused(self, kind: FileKind, rows: Sequence[Row], results: Sequence[Result]) -> None:
        for row, result in zip(rows, results, strict=True):
            if result.status in ("refused", "erased"):
                self._refuse(kind, row, *result.reason)

    def _refuse(self, kind: FileKind, row: Row, name: str, reason: str) -> None:
        self.refused.append(Rejection(kind, row.number, name, reason, row.party_ref))
