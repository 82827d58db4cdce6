"""Next actions, and why."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query

from services.intake.store import strategy as store
from services.intake.strategy.decision import walk
from services.intake.strategy_desk import Deciding
from services.intake.strategy_schemas import (
    ActionCount,
    ActionFigures,
    CaseNextAction,
    NextActionItem,
    StrategyUsed,
    WalkedStep,
)
from shared.database import Database
from shared.events.case import NextAction
from shared.security.callers import scope
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import InvalidCursor, NotFound

_READ = [Depends(scope("intake.read"))]


def strategy_router(database: Database, deciding: Deciding) -> APIRouter:
    """What happens next in a case."""
    router = APIRouter(prefix="/v1", tags=["strategy"])

    @router.get(
        "/cases/{case_id}/next-action",
        dependencies=_READ,
        summary="Next action of a case, with why",
        responses=problem_responses(NotFound),
    )
    async def read_next_action(case_id: Annotated[UUID, Path(description="The case.")]) -> CaseNextAction:
        """Of the newest choice. A case of which nothing was chosen yet waits, and its `rule` is `not-chosen-yet`."""
        async with database.read_only() as uow:
            row = await store.chosen_for(uow, case_id)
            if row is None:
                raise NotFound("no such case")
            looked, *_ = await deciding.look(uow, [row["party"]])
            policy = deciding.strategy.of_arm(row["arm"] or "champion").policy
        steps = [WalkedStep(step=one.step.action, by=one.by, done_on=one.done_on) for one in walk(policy, looked.case)]
        return CaseNextAction(steps=steps, **_item(row, deciding))

    @router.get(
        "/next-actions", dependencies=_READ, summary="Cases by next action", responses=problem_responses(InvalidCursor)
    )
    async def list_next_actions(
        page: Annotated[PageRequest, Depends(page_request)],
        action: Annotated[NextAction, Query(description="The action.")],
    ) -> Page[NextActionItem]:
        """Work lists for the bank's systems, in order of case id. Whoever contacts needs a permit all the same."""
        name = f"next-actions|{action}"
        after = page.after(name, UUID)
        async with database.read_only() as uow:
            rows = await store.page(uow, action, after=None if after is None else after[0], limit=page.limit + 1)
        return page.page(
            rows,
            list_name=name,
            key=lambda row: (row["case_id"],),
            item=lambda row: NextActionItem(**_item(row, deciding)),
        )

    @router.get("/next-actions/figures", dependencies=_READ, summary="How many cases have which next action")
    async def read_action_figures() -> ActionFigures:
        """Open cases, counted now."""
        async with database.read_only() as uow:
            rows = await store.figures(uow)
        counts: dict[str, dict[str, int]] = {}
        for row in rows:
            counts.setdefault(row["action"], {})[row["arm"]] = row["cases"]
        actions = [
            ActionCount(action=action, champion=arms.get("champion", 0), challenger=arms.get("challenger", 0))
            for action, arms in counts.items()
        ]
        return ActionFigures(actions=actions, not_used=deciding.strategy.not_used)

    return router


def _item(row: Any, deciding: Deciding) -> dict[str, Any]:
    if row["number"] is None:
        champion = deciding.strategy.champion
        used = StrategyUsed(id=champion.policy.id, version=0, sha256=champion.sha256, arm="champion")
        return {
            "case_id": row["case"], "party_id": row["party"], "action": "wait", "reasons": ["not_chosen_yet"],
            "rule": "not-chosen-yet", "next_on": None, "number": 0, "strategy": used, "chosen_at": row["opened_at"],
        }  # fmt: skip
    used = StrategyUsed(
        id=row["strategy"], version=row["strategy_version"], sha256=row["strategy_sha256"], arm=row["arm"]
    )
    return {
        "case_id": row["case_id"], "party_id": row["party_id"], "action": row["action"],
        "reasons": list(row["reasons"]), "rule": row["rule"], "next_on": row["next_on"], "number": row["number"],
        "strategy": used, "chosen_at": row["chosen_at"],
    }  # fmt: skip
