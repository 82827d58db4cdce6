"""The score of a case."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path

from services.intake.score_schemas import CaseScore
from services.intake.score_views import score_of
from services.intake.scoring.release import Release
from services.intake.store import scores
from shared.database import Database
from shared.security.callers import scope
from shared.web.openapi import problem_responses
from shared.web.problems import NotFound


def scores_router(database: Database, release: Release) -> APIRouter:
    """Scores, with reasons or with the reason why there is none."""
    router = APIRouter(prefix="/v1", tags=["scores"])

    @router.get(
        "/cases/{case_id}/score",
        dependencies=[Depends(scope("intake.read-score"))],
        summary="Score with reasons",
        responses=problem_responses(NotFound),
    )
    async def read_score(case_id: Annotated[UUID, Path(description="The case.")]) -> CaseScore:
        """Of the last scoring. What the model cannot answer is `unavailable` with its reason, and never a number."""
        async with database.read_only() as uow:
            found = await scores.read(uow, case_id)
        if found is None:
            raise NotFound("no such case")
        return score_of(case_id, found, release)

    return router
