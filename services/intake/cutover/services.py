"""The services that take over records, as the one who carries out a cut-over uses them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from services.intake.cutover.rows import Ids, Payload
from shared.ids import event_id
from shared.money import Money
from shared.security.token_source import ClientCredentials
from shared.settings import ServiceSettings
from shared.web.client import ServiceClient

AT_ONCE: Final = 500


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")


class LookBack(_Answer):
    """How far back compliance's rules look."""

    needed_from: date | None
    rule: str | None


class Result(_Answer):
    """What became of one record."""

    position: int
    status: str
    target_id: UUID | None = None
    stands: bool | None = None
    plan_id: UUID | None = None
    problem: dict[str, JsonValue] | None = None

    @property
    def reason(self) -> tuple[str, str]:
        """Field and reason of a refusal."""
        problem = self.problem or {}
        errors = problem.get("errors")
        if isinstance(errors, list) and errors and isinstance(errors[0], dict):
            pointer = str(errors[0].get("pointer", "")).split("/")
            return "/".join(pointer[3:]), str(errors[0].get("detail", ""))
        return "", str(problem.get("detail") or problem.get("title") or self.status)

    @property
    def kind(self) -> str:
        """The meaning of the refusal."""
        return str((self.problem or {}).get("type", "")).rpartition("/")[2]


class _Results(_Answer):
    items: list[Result]


class _StepResult(_Answer):
    outcome: str


class _StepResults(_Answer):
    items: list[_StepResult]


class StepsHeld(_Answer):
    """How many steps intake keeps, and how many are of people whom it does not know any more."""

    held: int
    of_nobody: int


class AtCompliance(_Answer):
    """What compliance holds of a cut-over; `erased`: what it does not hold, for the people were erased meanwhile."""

    state: str
    held: dict[str, int]
    erased: dict[str, int]
    parties: int
    attested: int


class AtPlans(_Answer):
    """What plans holds of a cut-over."""

    state: str
    held: int
    total: list[Money]
    left_out: int
    left_out_total: list[Money]


class _References(BaseModel):
    core: str
    party_refs: list[str]
    loan_refs: list[str]
    reserve: bool


class _Known(_Answer):
    parties: dict[str, UUID]
    debts: dict[str, UUID]
    one_person: dict[str, str] = Field(default_factory=dict)


class _Items(BaseModel):
    items: list[Any]


class _Parties(BaseModel):
    party_ids: list[UUID]


class _Body(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Taken(_Answer):
    parties: int = Field(0)


@dataclass(frozen=True)
class Services:
    """Calls to them. Every record is one by its reference, so each call may be repeated under another key."""

    intake: ServiceClient
    compliance: ServiceClient
    plans: ServiceClient
    tokens: ClientCredentials

    @classmethod
    def open(cls, settings: ServiceSettings, *, client_id: str, client_secret: str) -> Self:
        """Clients under the credentials of whoever carries out the cut-over."""
        tokens = ClientCredentials(
            issuer=settings.oidc_issuer, client_id=client_id, client_secret=client_secret,
            audience=settings.oidc_audience,
        )  # fmt: skip

        def client(service: str, url: str) -> ServiceClient:
            return ServiceClient(
                service=service, base_url=url, token_source=tokens, deadline_seconds=60, attempt_timeout_seconds=30
            )

        return cls(
            client("intake", settings.intake_url), client("compliance", settings.compliance_url),
            client("plans", settings.plans_url), tokens,
        )  # fmt: skip

    async def close(self) -> None:
        """Let the connections go."""
        for one in (self.intake, self.compliance, self.plans, self.tokens):
            await one.close()

    async def ids(
        self, core: str, party_refs: Collection[str], loan_refs: Collection[str] = (), *, reserve: bool
    ) -> Ids:
        """Our ids of what rows name."""
        body = _References(
            core=core, party_refs=sorted(set(party_refs)), loan_refs=sorted(set(loan_refs)), reserve=reserve
        )
        found = await self.intake.command("/v1/core-references", _Known, body=body, idempotency_key=str(event_id()))
        return Ids(found.parties, found.debts, found.one_person)

    async def look_back(self, places: Sequence[str], on: date) -> LookBack:
        """From which date on contacts must be known."""
        query = "&".join(f"place={place}" for place in places)
        return await self.compliance.get(f"/v1/look-back?{query}&on={on.isoformat()}", LookBack)

    async def check(self, records: Sequence[Payload]) -> list[Result]:
        """Whether compliance would import them."""
        return (await self.compliance.ask("/v1/cutover-checks", _Results, body=_Items(items=list(records)))).items

    async def check_plans(self, plans: Sequence[Payload]) -> list[Result]:
        """Whether plans can read them."""
        return (await self.plans.ask("/v1/cutover-checks", _Results, body=_Items(items=list(plans)))).items

    async def begin(self, terms: Mapping[str, Any], signatures: Sequence[Mapping[str, Any]]) -> None:
        """Begin, or go on, at compliance, then at plans. Raises RemoteProblem when it is not signed."""
        body = _Body.model_validate({"terms": dict(terms), "signatures": [dict(one) for one in signatures]})
        await self._command(self.compliance, "/v1/cutovers", body)
        if (await self.at_compliance(terms["cutover_id"])).state == "importing":
            await self._command(self.plans, "/v1/cutovers", _Body.model_validate({"cutover_id": terms["cutover_id"]}))

    async def enrol(self, cutover_id: str, party_ids: Collection[UUID]) -> None:
        """The people take part."""
        body = _Parties(party_ids=sorted(party_ids))
        await self._command(self.compliance, f"/v1/cutovers/{cutover_id}/parties", body)

    async def take_over(self, cutover_id: str, records: Sequence[Payload]) -> list[Result]:
        """Import records at compliance."""
        return await self._import(self.compliance, f"/v1/cutovers/{cutover_id}/records", records)

    async def take_over_steps(self, steps: Sequence[Payload]) -> list[str]:
        """Tell intake what was done, as history; what became of each."""
        body = _Items(items=list(steps))
        answer = await self.intake.command("/v1/steps", _StepResults, body=body, idempotency_key=str(event_id()))
        return [one.outcome for one in answer.items]

    async def steps_held(self, steps: Sequence[Payload]) -> StepsHeld:
        """How many of the steps intake keeps."""
        return await self.intake.ask("/v1/step-checks", StepsHeld, body=_Items(items=list(steps)))

    async def take_over_plans(
        self, cutover_id: str, plans: Sequence[Payload], *, final: bool = False
    ) -> list[Result]:  # fmt: skip
        """Import plans; `final`: of those that are refused now the holds end."""
        path = f"/v1/cutovers/{cutover_id}/plans"
        if not final:
            return await self._import(self.plans, path, plans)
        body = _Body.model_validate({"items": list(plans), "final": True})
        return (await self.plans.command(path, _Results, body=body, idempotency_key=str(event_id()))).items

    async def leave_out_plans(self, cutover_id: str, plans: Sequence[Payload]) -> None:
        """The plans are of people who were erased since they were announced."""
        await self._command(self.plans, f"/v1/cutovers/{cutover_id}/left-out-plans", _Items(items=list(plans)))

    async def accept(self, cutover_id: str, sha256: str, signatures: Sequence[Mapping[str, Any]]) -> None:
        """Two people accept what was read back."""
        body = _Body.model_validate({"read_back_sha256": sha256, "signatures": [dict(one) for one in signatures]})
        await self._command(self.compliance, f"/v1/cutovers/{cutover_id}/accept", body)
        await self._command(self.plans, f"/v1/cutovers/{cutover_id}/close", None)

    async def attest(self, cutover_id: str, party_ids: Collection[UUID]) -> int:
        """The people's past contacts are known; of how many that is new."""
        body = _Parties(party_ids=sorted(party_ids))
        path = f"/v1/cutovers/{cutover_id}/attestations"
        return (await self.compliance.command(path, _Taken, body=body, idempotency_key=str(event_id()))).parties

    async def close_cutover(self, cutover_id: str) -> None:
        """Everybody who can be attested is."""
        await self._command(self.compliance, f"/v1/cutovers/{cutover_id}/close", None)

    async def at_compliance(self, cutover_id: str) -> AtCompliance:
        """What compliance holds."""
        return await self.compliance.get(f"/v1/cutovers/{cutover_id}", AtCompliance)

    async def at_plans(self, cutover_id: str) -> AtPlans:
        """What plans holds."""
        return await self.plans.get(f"/v1/cutovers/{cutover_id}", AtPlans)

    async def _import(self, client: ServiceClient, path: str, items: Sequence[Payload]) -> list[Result]:
        body = _Items(items=list(items))
        return (await client.command(path, _Results, body=body, idempotency_key=str(event_id()))).items

    async def _command(self, client: ServiceClient, path: str, body: BaseModel | None) -> None:
        await client.command(path, _Answer, body=body, idempotency_key=str(event_id()))
