"""Fineract's REST API: the complete loan, and the person behind it. Asked outside any transaction."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final, NamedTuple, Self, TypeVar

import httpx
from msgspec import Struct, structs
from pydantic import TypeAdapter, ValidationError

from services.intake.fineract.people import AddressDocument, ClientDocument, ClientState, GroupDocument
from services.intake.fineract.settings import FineractSettings
from services.intake.fineract.state import LoanDocument, LoanState, StateRefusedError, state_of
from shared.security.authorities import trusted_authorities

log = logging.getLogger(__name__)

_ASSOCIATIONS: Final = "repaymentSchedule,transactions,charges,guarantors"
_PASSING: Final = frozenset({401, 403, 408, 425, 429, 502, 503, 504})
_TRIES: Final = 3
_SLOW_TRIES: Final = 5
_TRY_AGAIN_SECONDS: Final = 0.2
T = TypeVar("T")
_ADDRESSES: Final = TypeAdapter(list[AddressDocument])


class CoreUnavailableError(OSError):
    """The core does not answer, or not to us, at present: the same question later can succeed."""


class SlowAnswerError(CoreUnavailableError):
    """The core took the question and has not answered it in time."""


class Refusal(Struct, frozen=True):
    """Why a loan cannot be used: the core answers, and its answer is no whole loan. `detail` quotes no value."""

    reason: str
    detail: str
    client_id: int | None = None


class Snapshot(Struct, frozen=True):
    """A loan, with its client when something is past due."""

    loan: LoanState
    person: ClientState | None


class Version(NamedTuple):
    """The newest record about a loan that was in hand when the loan was read: the state contains all up to it."""

    partition: int
    offset: int


class Wanted(NamedTuple):
    """As new as `version`; the person, too, when something is past due on `day`."""

    version: Version
    day: date

    def is_met_by(self, known: Wanted) -> bool:
        """Whether what was read for `known` answers this. Offsets of two partitions cannot be compared."""
        same = known.version.partition == self.version.partition
        return same and known.version.offset >= self.version.offset and known.day >= self.day


class _Cached(NamedTuple):
    wanted: Wanted
    snapshot: Snapshot


class FineractPort:
    """Questions to the core: bounded in time and number. Close it with the process."""

    def __init__(self, settings: FineractSettings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(
            base_url=settings.api_url.rstrip("/"),
            auth=(settings.api_username, settings.api_password.get_secret_value()),
            headers={"Fineract-Platform-TenantId": settings.tenant, "Accept": "application/json"},
            timeout=settings.api_timeout_seconds,
            limits=httpx.Limits(max_connections=settings.api_concurrency),
            verify=trusted_authorities(),
            transport=transport,
            follow_redirects=False,
        )
        self._slots = asyncio.Semaphore(settings.api_concurrency)
        self._cache: OrderedDict[int, _Cached] = OrderedDict()
        self._people: OrderedDict[int, tuple[float, ClientState]] = OrderedDict()
        self._members: OrderedDict[int, tuple[float, tuple[int, ...]]] = OrderedDict()
        self._slow: dict[int, int] = {}
        self._groups_bind = settings.group_liability == "joint"
        self._person_seconds = settings.api_person_seconds
        self._cache_limit = settings.api_cache_loans

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def read(self, wanted: Mapping[int, Wanted]) -> dict[int, Snapshot | Refusal]:
        """The loans, each at least as new as its version asks. Raises CoreUnavailableError.

        A state read for a record answers for that record and for those before it, never for a later one.
        """
        found: dict[int, Snapshot | Refusal] = {}
        missing: list[int] = []
        for loan_id, one in wanted.items():
            known = self._cache.get(loan_id)
            if known is not None and one.is_met_by(known.wanted):
                found[loan_id] = known.snapshot
            else:
                missing.append(loan_id)
        async with asyncio.TaskGroup() as group:
            tasks = {loan_id: group.create_task(self._attempt(loan_id, wanted[loan_id].day)) for loan_id in missing}
        answers = {loan_id: task.result() for loan_id, task in tasks.items()}
        for loan_id, answer in answers.items():
            if isinstance(answer, Snapshot):
                self._slow.pop(loan_id, None)
                _keep(self._cache, loan_id, _Cached(wanted[loan_id], answer), limit=self._cache_limit)
        for loan_id, answer in answers.items():
            found[loan_id] = await self._given_up(loan_id, answer) if isinstance(answer, OSError) else answer
        return found

    async def _given_up(self, loan_id: int, failure: CoreUnavailableError) -> Refusal:
        """The refusal of a loan that the core, alive, has left unanswered too often. Raises `failure` before that."""
        if not isinstance(failure, SlowAnswerError) or not await self._is_alive():
            raise failure
        times = self._slow[loan_id] = self._slow.get(loan_id, 0) + 1
        if times < _SLOW_TRIES:
            raise failure
        del self._slow[loan_id]
        return Refusal("core_failed", f"no answer in time, {times} times")

    async def _is_alive(self) -> bool:
        """Whether the core answers at all; that there is no such loan is an answer."""
        try:
            return isinstance(await self._get("/loans/0", {}), Refusal)
        except CoreUnavailableError:
            return False

    def forget(self, loan_id: int) -> None:
        """Ask anew next time: what was read could not be used, and somebody may mend it."""
        known = self._cache.pop(loan_id, None)
        if known is None:
            return
        loan = known.snapshot.loan
        if loan.lead is not None:
            self._people.pop(loan.lead, None)
        if loan.group_id is not None:
            self._members.pop(loan.group_id, None)

    async def _attempt(self, loan_id: int, day: date) -> Snapshot | Refusal | CoreUnavailableError:
        try:
            return await self._snapshot(loan_id, day)
        except CoreUnavailableError as error:
            return error

    async def _snapshot(self, loan_id: int, day: date) -> Snapshot | Refusal:
        answer = await self._get(f"/loans/{loan_id}", {"associations": _ASSOCIATIONS})
        if isinstance(answer, Refusal):
            return answer
        try:
            document = LoanDocument.model_validate(answer)
        except ValidationError as error:
            return Refusal("core_state_refused", _fields_of(error), _client_of(answer))
        try:
            loan = state_of(document)
        except StateRefusedError as error:
            return Refusal("core_state_refused", str(error), document.client_id)
        if loan.loan_id != loan_id:
            return Refusal("core_state_refused", "id: another loan than asked for")
        # Also of a loan that is not late: what is told of it is told under the same lead as before.
        if loan.group_id is not None and self._groups_bind:
            members = await self._members_of(loan.group_id)
            if isinstance(members, Refusal):
                return members
            loan = structs.replace(loan, members=members)
        if loan.lead is None or not loan.past_due_on(day):
            return Snapshot(loan, None)
        person = await self._person(loan.lead)
        return (
            Refusal(person.reason, person.detail, loan.lead) if isinstance(person, Refusal) else Snapshot(loan, person)
        )

    async def clients(self, client_ids: Iterable[int]) -> dict[int, ClientDocument]:
        """The clients as the core has them now; one of whom it says nothing usable is left out.

        Raises CoreUnavailableError.
        """
        wanted = list(client_ids)
        async with asyncio.TaskGroup() as group:
            tasks = {client_id: group.create_task(self._attempt_client(client_id)) for client_id in wanted}
        answers = {client_id: task.result() for client_id, task in tasks.items()}
        failures = [answer for answer in answers.values() if isinstance(answer, CoreUnavailableError)]
        # One question that the core never answers must not keep the others from being heard.
        if failures and (len(failures) == len(answers) or not isinstance(failures[0], SlowAnswerError)):
            raise failures[0]
        return {client_id: answer for client_id, answer in answers.items() if isinstance(answer, ClientDocument)}

    async def _attempt_client(self, client_id: int) -> ClientDocument | Refusal | CoreUnavailableError:
        try:
            answer = await self._get(f"/clients/{client_id}", {})
            return answer if isinstance(answer, Refusal) else ClientDocument.model_validate(answer)
        except CoreUnavailableError as error:
            return error
        except ValidationError as error:
            return Refusal("core_person_refused", _fields_of(error))

    async def _members_of(self, group_id: int) -> tuple[int, ...] | Refusal:
        read_at, known = self._members.get(group_id, (0.0, ()))
        if known and time.monotonic() - read_at < self._person_seconds:
            return known
        asked_at = time.monotonic()
        answer = await self._get(f"/groups/{group_id}", {"associations": "clientMembers"})
        if isinstance(answer, Refusal):
            return answer
        try:
            members = GroupDocument.model_validate(answer).bound
        except ValidationError as error:
            return Refusal("core_state_refused", f"group: {_fields_of(error)}")
        _keep(self._members, group_id, (asked_at, members), limit=self._cache_limit)
        return members

    async def _person(self, client_id: int) -> ClientState | Refusal:
        read_at, known = self._people.get(client_id, (0.0, None))
        if known is not None and time.monotonic() - read_at < self._person_seconds:
            return known
        asked_at = time.monotonic()
        person = await self._ask_person(client_id)
        if isinstance(person, ClientState):
            _keep(self._people, client_id, (asked_at, person), limit=self._cache_limit)
        return person

    async def _ask_person(self, client_id: int) -> ClientState | Refusal:
        answer = await self._get(f"/clients/{client_id}", {})
        if isinstance(answer, Refusal):
            return answer
        listed = await self._get(f"/client/{client_id}/addresses", {}, passing=_PASSING - {403})
        try:
            client = ClientDocument.model_validate(answer)
            # An installation without addresses refuses the question; the person then has none.
            addresses = [] if isinstance(listed, Refusal) else _ADDRESSES.validate_python(listed)
        except ValidationError as error:
            return Refusal("core_person_refused", _fields_of(error))
        return ClientState(client, tuple(addresses))

    async def _get(self, path: str, query: Mapping[str, str], *, passing: frozenset[int] = _PASSING) -> Any | Refusal:
        """The JSON document, amounts as decimals. Raises CoreUnavailableError."""
        for attempt in range(1, _TRIES + 1):
            try:
                async with self._slots:
                    answer = await self._http.get(path, params=dict(query))
            except httpx.ReadTimeout as error:
                raise SlowAnswerError("no answer in time") from error
            except httpx.HTTPError as error:
                raise CoreUnavailableError(type(error).__name__) from error
            if answer.status_code in passing:
                log.warning("the core puts us off: HTTP %d", answer.status_code)
                raise CoreUnavailableError(f"HTTP {answer.status_code}")
            if answer.status_code < 500:
                break
            # The core lives and fails at this very question: not a reason to keep the others waiting.
            if attempt < _TRIES:
                await asyncio.sleep(_TRY_AGAIN_SECONDS * attempt)
        if answer.status_code == 404:
            return Refusal("core_unknown", path.strip("/").split("/", 1)[0])
        if answer.status_code != 200:
            return Refusal("core_failed", f"HTTP {answer.status_code}")
        try:
            return json.loads(answer.content, parse_float=Decimal)
        except ValueError:
            return Refusal("core_state_refused", "no JSON")


def _keep(kept: OrderedDict[int, T], key: int, value: T, *, limit: int) -> None:
    """Keep the newest; the oldest make room."""
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > limit:
        kept.popitem(last=False)


def _client_of(answer: Any) -> int | None:
    client_id = answer.get("clientId") if isinstance(answer, dict) else None
    return client_id if isinstance(client_id, int) else None


def _fields_of(error: ValidationError) -> str:
    found: Iterable[Any] = error.errors(include_input=False, include_url=False)[:5]
    return "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {one['type']}" for one in found)
