"""Routes for the crew: set off, check in, check out, call for help. Only the check-in can be refused for want of a
permit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, cast

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.visits.api.access import VisitId, find_visit, is_of_crew, load_visit, require_crew
from services.visits.domain import door
from services.visits.domain.check_in import Attempt, Reason, Refusal, judge, stranger
from services.visits.domain.check_in import refused as check_in_refused
from services.visits.domain.visit import Visit, WrongVisitState
from services.visits.remote import Neighbours
from services.visits.schemas import AlarmView, CheckedIn, CheckIn, CheckOut, Sos, VisitView
from services.visits.store import facts as fact_store
from services.visits.store import visits as visit_store
from shared.database import UnitOfWork
from shared.security.callers import Caller, scope
from shared.telemetry.metrics import count
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.problems import KnownProblem, NotAllowed, NotFound, Problem
from shared.web.state import database_of

router = APIRouter(tags=["field"])

_TITLES: Final[dict[Reason, str]] = {
    Reason.NOT_OF_CREW: "The visit belongs to another crew",
    Reason.NO_PERMIT: "A visit needs a permit",
    Reason.PERMIT_FORGED: "The permit is not genuine",
    Reason.PERMIT_FOREIGN: "The permit is for another visit, person, device or crew",
    Reason.PERMIT_USED: "The permit was used before",
    Reason.PERMIT_REVOKED: "The permit was revoked",
    Reason.PERMIT_EXPIRED: "The permitted window is over",
    Reason.PERMIT_NOT_YET_VALID: "The permitted window has not begun",
    Reason.CREW_INCOMPLETE: "The crew is not complete",
    Reason.TOO_FAR: "The device is not at the permitted place",
    Reason.NOTHING_OWED: "Nothing is overdue any more",
    Reason.FACTS_STALE: "What is known is too old to begin a visit",
    Reason.NOT_ASSIGNED: "The visit is not assigned",
}
_CONFLICTS: Final = frozenset({Reason.PERMIT_USED, Reason.NOTHING_OWED, Reason.FACTS_STALE, Reason.NOT_ASSIGNED})


def _problem_of(reason: Reason) -> type[KnownProblem]:
    members = {
        "kind": reason.replace("_", "-"),
        "status": 409 if reason in _CONFLICTS else 403,
        "title": _TITLES[reason],
        "__doc__": f"The check-in is refused: {reason}. `reasons` names every rule that refused, with its citation.",
    }
    return type(f"CheckInRefused{reason.title().replace('_', '')}", (KnownProblem,), members)


CHECK_IN_PROBLEMS: Final[dict[Reason, type[KnownProblem]]] = {reason: _problem_of(reason) for reason in Reason}


def refused(refusals: Sequence[Refusal]) -> Problem:
    """The problem of a refused check-in: the weightiest reason names it, all of them are listed."""
    first = refusals[0]
    return CHECK_IN_PROBLEMS[first.reason](
        first.detail,
        retry_after_seconds=2 if first.reason is Reason.FACTS_STALE else None,
        reason=str(first.reason),
        rule=first.rule.name,
        citation=first.rule.citation,
        reasons=[
            {
                "reason": str(refusal.reason),
                "rule": refusal.rule.name,
                "citation": refusal.rule.citation,
                "detail": refusal.detail,
            }
            for refusal in refusals
        ],
    )


@router.post(
    "/v1/visits/{visit_id}/en-route",
    summary="The crew sets off",
    response_model=VisitView,
    responses=problem_responses(NotFound, WrongVisitState),
)
async def set_off(
    visit_id: VisitId, request: Request, caller: Annotated[Caller, Depends(scope("visits.set-off"))]
) -> Response:
    """An assigned visit is on its way. A recall reaches it until the check-in."""
    visit = await find_visit(request, visit_id)
    require_crew(caller, visit)

    async def handle(uow: UnitOfWork) -> VisitView:
        change = door.set_off(await load_visit(uow, visit_id))
        await visit_store.save_changes(uow, [change])
        return VisitView.of(change.visit)

    return await command(request, body=None, parties=[visit.party_id], handler=handle)


@router.post(
    "/v1/visits/{visit_id}/check-in",
    summary="Begin a visit at the door",
    response_model=CheckedIn,
    responses=problem_responses(NotFound, *CHECK_IN_PROBLEMS.values()),
)
async def check_in(
    visit_id: VisitId, body: CheckIn, request: Request, caller: Annotated[Caller, Depends(scope("visits.check-in"))]
) -> Response:
    """Nobody rings a doorbell without a permit. It is verified here, with our own data; compliance need not answer.
    Who comes to collect asks intake once more whether anything is owed; when intake does not answer, the device's
    signed list of revoked permits must be fresh.

    A refusal is recorded with device, time and coarse place, and told to compliance; repeating it with the same key
    repeats it. `reason` names it, `reasons` lists all of them. A collector of another crew is refused so, too.
    """
    visit = await find_visit(request, visit_id)
    own = is_of_crew(caller, visit)
    neighbours = cast(Neighbours, request.app.state.neighbours)
    at_door = own and body.permit is not None
    home, balance = await neighbours.at_the_door(visit.party_id, visit.case_id) if at_door else (None, None)
    attempt = Attempt(
        permit=body.permit,
        device_id=body.device_id,
        crew_present=frozenset(body.crew_present),
        position=body.position,
        home=home,
        balance=balance,
        revocation_list=body.revocation_list,
    )
    limit_seconds = database_of(request).settings.freshness_limit_seconds

    async def handle(uow: UnitOfWork) -> CheckedIn | Problem:
        now_known = await load_visit(uow, visit_id)
        if not is_of_crew(caller, now_known):
            return await _refuse(uow, now_known, attempt, stranger())
        return await _judged(uow, now_known, attempt, limit_seconds=limit_seconds)

    return await command(request, body=body, parties=[visit.party_id], handler=handle)


async def _refuse(uow: UnitOfWork, visit: Visit, attempt: Attempt, refusals: Sequence[Refusal]) -> Problem:
    """Whoever stood at the door in vain leaves a trace: recorded here, and told to compliance."""
    cell = attempt.position.cell()
    await fact_store.save_refusal(uow, visit, device_id=attempt.device_id, refusals=refusals, cell=cell)
    uow.emit(check_in_refused(visit, attempt, refusals, now=uow.now, real_now=uow.real_now))
    count("doorstep.check_ins", outcome=str(refusals[0].reason))
    return refused(refusals)


async def _judged(uow: UnitOfWork, visit: Visit, attempt: Attempt, *, limit_seconds: float) -> CheckedIn | Problem:
    standing = await fact_store.load_standing(uow, visit, fact_limit_seconds=limit_seconds)
    verdict = judge(visit, attempt, standing, now=uow.now, real_now=uow.real_now)
    if isinstance(verdict, list):
        return await _refuse(uow, visit, attempt, verdict)
    change = door.check_in(visit, verdict, now=uow.now, real_now=uow.real_now)
    await visit_store.save_changes(uow, [change])
    count("doorstep.check_ins", outcome="accepted")
    return CheckedIn(
        visit_id=visit.visit_id,
        state=change.visit.state,
        checked_in_at=uow.now,
        end_by=visit.window_end,
        distance_m=verdict.distance_m,
        door_code=visit.door_code,
    )


@router.post(
    "/v1/visits/{visit_id}/check-out",
    summary="End a visit",
    response_model=VisitView,
    responses=problem_responses(NotFound),
)
async def check_out(
    visit_id: VisitId, body: CheckOut, request: Request, caller: Annotated[Caller, Depends(scope("visits.check-out"))]
) -> Response:
    """What happened at the door, in codes. Accepted in every state; a contact without permit becomes the auditor's
    finding.
    """
    visit = await find_visit(request, visit_id)
    require_crew(caller, visit)

    async def handle(uow: UnitOfWork) -> VisitView:
        change = door.check_out(
            await load_visit(uow, visit_id),
            body.record(),
            said=body.at_the_door(),
            left_at=body.checked_out_at or uow.now,
            now=uow.now,
            real_now=uow.real_now,
        )
        await visit_store.save_changes(uow, [change])
        return VisitView.of(change.visit)

    return await command(request, body=body, parties=[visit.party_id], handler=handle)


@router.post(
    "/v1/visits/{visit_id}/sos",
    summary="Call for help during a visit",
    status_code=201,
    response_model=AlarmView,
    responses=problem_responses(NotFound),
)
async def call_for_help_at_visit(
    visit_id: VisitId, body: Sos, request: Request, caller: Annotated[Caller, Depends(scope("visits.send-sos"))]
) -> Response:
    """Accepted in every state, whatever else is down; the visit ends for safety."""
    _require_own_call(caller, body)
    return await _sos(request, body, await find_visit(request, visit_id))


@router.post(
    "/v1/sos",
    summary="Call for help",
    status_code=201,
    response_model=AlarmView,
)
async def call_for_help(
    body: Sos, request: Request, caller: Annotated[Caller, Depends(scope("visits.send-sos"))]
) -> Response:
    """For a device that does not know its visit: the collector's current visit is found, and an alarm is raised
    without one too.
    """
    _require_own_call(caller, body)
    async with database_of(request).read_only() as uow:
        visit = await visit_store.load_visit_of_collector(uow, body.collector_id)
    return await _sos(request, body, visit)


async def _sos(request: Request, body: Sos, found: Visit | None) -> Response:
    async def handle(uow: UnitOfWork) -> AlarmView:
        raised_at = min(body.raised_at or uow.now, uow.now)
        call = door.CallForHelp(collector_id=body.collector_id, silent=body.silent, raised_at=raised_at)
        if found is None:
            alarm = door.sos_alarm(None, call, real_now=uow.real_now)
            await visit_store.save_alarm(uow, alarm)
        else:
            visit = await load_visit(uow, found.visit_id)
            await visit_store.save_changes(uow, [door.raise_sos(visit, call, now=uow.now, real_now=uow.real_now)])
            alarm = door.sos_alarm(visit, call, real_now=uow.real_now)
        count("doorstep.alarms.raised", kind="sos")
        return AlarmView(
            alarm_id=alarm.alarm_id, kind=alarm.kind, visit_id=alarm.visit_id, collector_id=alarm.collector_id,
            silent=alarm.silent, raised_at=alarm.raised_at, raised_real=alarm.raised_real,
            acknowledged_real=None, acknowledged_by=None,
        )  # fmt: skip

    parties = [found.party_id] if found else []
    return await command(request, body=body, parties=parties, handler=handle, status=201)


def _require_own_call(caller: Caller, body: Sos) -> None:
    """A collector's device calls for its own collector only; the dispatcher's software calls for anybody. Raises
    NotAllowed.
    """
    if caller.attributes.get("collector_id", str(body.collector_id)) != str(body.collector_id):
        raise NotAllowed("a device calls for its own collector")
