"""Carrying a cut-over out: step by step, each record once. Killed, it begins again and is answered `repeated`.

1. It begins at compliance, which knows who may sign, then at plans. 2. Everybody on the tape or in a file takes part:
nobody of them is granted a permit from then on. 3. What was done softly with them, so that no case begins with what was
done before; then loans. 4. Holds, complaints. 5. Plans, each after its hold. 6. Past
contacts, questions to third persons. 7. What the services hold is read back. 8. Two people accept that; only then are
histories attested.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from services.intake.cutover.manifest import KINDS, CutoverManifest, FileKind
from services.intake.cutover.reading import Group, Reader
from services.intake.cutover.rows import (
    Payload,
    PlansOfPeople,
    Rejection,
    Row,
    RowError,
    hold_of_plan,
    plan_of,
    record_of,
    schedule_of,
    step_of,
)
from services.intake.cutover.services import Result, Services
from services.intake.tapes.contract import Contract
from services.intake.tapes.survey import Tell, unheard
from shared.money import Money

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
            await self._steps()
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
            "erased": dict(sorted(held.erased.items())),
            "parties": held.parties,
            "plans": {"held": plans.held, "rests_minor": _minor(plans.total)},
            "left_out_plans": {"held": plans.left_out, "rests_minor": _minor(plans.left_out_total)},
            "steps": await self._steps_held(),
        }

    def differences(self, read_back: Mapping[str, Any]) -> list[Missed]:
        """What is held beside what the dry run found good. What was of people erased meanwhile is accounted for."""
        report, erased = self.report, read_back["erased"]
        pairs = [(f"records of kind {kind}", count, read_back["compliance"].get(kind, 0) + erased.get(kind, 0))
                 for kind, count in sorted(report["expected"].items())]  # fmt: skip
        plans, held, left_out = report["files"]["plans"], read_back["plans"], read_back["left_out_plans"]
        rests = Counter(held["rests_minor"]) + Counter(left_out["rests_minor"])
        steps = read_back["steps"]
        pairs += [
            ("plans", plans["good"], held["held"] + left_out["held"]),
            ("rests of plans, minor units", dict(+Counter(plans["rests_minor"])), dict(rests)),
            ("steps", report["files"]["steps"]["good"], steps["held"] + steps["of_nobody"]),
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

    async def _steps(self) -> None:
        async for group in self.reader.groups("steps"):
            steps = self._readable_steps(group)
            if steps:
                outcomes = await self.services.take_over_steps([payload for _, payload in steps])
                for (row, _), outcome in zip(steps, outcomes, strict=True):
                    if outcome not in ("recorded", "duplicate"):
                        self._refuse("steps", row, "", outcome)
            self.tell("Importing steps", group.read, max(self.manifest.of_kind("steps").rows, group.read))

    async def _steps_held(self) -> dict[str, int]:
        held: Counter[str] = Counter(held=0, of_nobody=0)
        async for group in self.reader.groups("steps"):
            if steps := self._readable_steps(group):
                held.update((await self.services.steps_held([payload for _, payload in steps])).model_dump())
        return dict(held)

    def _readable_steps(self, group: Group) -> list[tuple[Row, Payload]]:
        """Those that the dry run found good; it has named the others."""
        one, found = self.manifest, list[tuple[Row, Payload]]()
        for row in group.rows:
            with suppress(RowError):
                found.append((row, step_of(row, core=one.core, source=one.source, last=one.business_date)))
        return found

    async def _records(self, kind: FileKind) -> None:
        async for group in self.reader.groups(kind):
            good: list[tuple[Row, Payload]] = []
            for row in group.rows:
                try:
                    good.append((row, record_of(kind, row, group.ids, source=self.manifest.source)))
                except RowError as error:
                    self._refuse(kind, row, error.field, error.reason)
            if good:
                results = await self.services.take_over(self._id, [payload for _, payload in good])
                self._keep_refused(kind, [row for row, _ in good], results)
            self.tell(f"Importing {kind}", group.read, max(self.manifest.of_kind(kind).rows, group.read))

    async def _plans(self) -> None:
        planned = PlansOfPeople()
        async for group in self.reader.groups("plans"):
            await self._plans_of(group, planned)
            self.tell("Importing plans", group.read, max(self.manifest.of_kind("plans").rows, group.read))

    async def _plans_of(self, group: Group, planned: PlansOfPeople) -> None:
        readable: list[tuple[Row, Payload]] = []
        for row in group.rows:
            try:
                plan_of(row, group.ids, hold_id=UUID(int=0))
                hold = hold_of_plan(row, group.ids, source=self.manifest.source)
                planned.admit(row, group.ids)
                readable.append((row, hold))
            except RowError as error:
                self._refuse("plans", row, error.field, error.reason)
        if not readable:
            return
        holds = await self.services.take_over(self._id, [payload for _, payload in readable])
        self._keep_refused("plans", [row for row, _ in readable], holds)
        held = list(zip((row for row, _ in readable), holds, strict=True))
        await self._leave_out([row for row, one in held if one.status == "erased"])
        waiting = [
            (row, plan_of(row, group.ids, hold_id=one.target_id) | {"hold_stands": bool(one.stands)})
            for row, one in held
            if one.target_id is not None
        ]
        await self._import_plans(waiting)

    async def _leave_out(self, rows: Sequence[Row]) -> None:
        """They were announced, and their people were erased since: counted apart, or nobody could accept the rest."""
        rests = [(row, [rest for _, rest in schedule_of(row)]) for row in rows]
        plans = [
            {
                "record_ref": row.values["record_ref"],
                "total": {
                    "amount_minor": sum(one.amount_minor for one in of_row), "currency": row.values["currency"],
                },
            }
            for row, of_row in rests
        ]  # fmt: skip
        if plans:
            await self.services.leave_out_plans(self._id, plans)

    async def _import_plans(self, waiting: Sequence[tuple[Row, Payload]]) -> None:
        """Each is tried until its case is known, or for so long; then once more, and the holds of the refused end."""
        clock = asyncio.get_running_loop()
        until = clock.time() + self.cases_wait_seconds
        refused: list[tuple[Row, Payload]] = []
        while waiting:
            results = await self.services.take_over_plans(self._id, [plan for _, plan in waiting])
            later = [pair for pair, one in zip(waiting, results, strict=True) if one.kind == _LATER]
            refused += [pair for pair, one in zip(waiting, results, strict=True)
                        if one.status == "refused" and one.kind != _LATER]  # fmt: skip
            if clock.time() > until:
                refused += later
                break
            waiting = later
            if waiting:
                await asyncio.sleep(_POLL_SECONDS)
        if refused:
            results = await self.services.take_over_plans(self._id, [plan for _, plan in refused], final=True)
            self._keep_refused("plans", [row for row, _ in refused], results)

    def _keep_refused(self, kind: FileKind, rows: Sequence[Row], results: Sequence[Result]) -> None:
        for row, result in zip(rows, results, strict=True):
            if result.status in ("refused", "erased"):
                self._refuse(kind, row, *result.reason)

    def _refuse(self, kind: FileKind, row: Row, name: str, reason: str) -> None:
        self.refused.append(Rejection(kind, row.number, name, reason, row.party_ref))


def _minor(amounts: Sequence[Money]) -> dict[str, int]:
    return {one.currency: one.amount_minor for one in amounts if one.amount_minor}
