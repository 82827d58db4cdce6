"""Why was it decided so? In three voices."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request

from services.compliance.api.surroundings import instruments_of
from services.compliance.domain.explanations import Voice, explain, explained_rules
from services.compliance.erased import PartyErased
from services.compliance.explanation_texts import explanation_texts, rule_kinds
from services.compliance.replay_desk import Otherwise, otherwise
from services.compliance.restricted import PartyRestricted, RecordsDeleted, refuse_gone, refuse_restricted
from services.compliance.schemas.explanations import (
    ChangeView,
    CounterfactualView,
    ExplainedRuleView,
    ExplanationView,
)
from services.compliance.store.audits import find_decision
from shared.access.texts import Language
from shared.security.callers import Caller, caller_of, scope
from shared.web.openapi import problem_responses
from shared.web.problems import NotAllowed, NotFound
from shared.web.state import database_of

router = APIRouter(prefix="/v1", tags=["decisions"])
_EXPLAIN = [Depends(scope("compliance.explain-decision"))]
# Whoever is not named here may hear every voice.
_VOICE_OF: Final[dict[str, Voice]] = {"collector-app": "collector", "customer-portal": "customer"}


@router.get(
    "/decisions/{decision_id}/explain",
    dependencies=_EXPLAIN,
    responses=problem_responses(NotFound, NotAllowed, PartyErased, RecordsDeleted, PartyRestricted),
    summary="A decision in words",
)
async def explain_decision(
    request: Request,
    decision_id: Annotated[UUID, Path(description="The decision.")],
    voice: Annotated[Voice, Query(description="Who reads it.")] = "collector",
    language: Annotated[Language, Query(description="Language; the auditor's voice is English.")] = "en",
) -> ExplanationView:
    """Why the contact was allowed or refused, rendered from the very record that was hashed into the log.

    Collector: one sentence, nothing about the person. Customer: plain language, and the right to complain. Auditor:
    clause, values, facts with their times, and which fact would have changed the answer, found by judging it again. The
    collector's app hears the collector's voice only, a customer that about themselves.
    """
    async with database_of(request).read_only() as uow:
        found = await find_decision(uow, instruments_of(request).cipher, decision_id)
        if found is None:
            raise NotFound("there is no such decision")
        if found.record is None:
            await refuse_gone(uow, instruments_of(request).cipher, found.party_id, "decision")
        await refuse_restricted(uow, instruments_of(request).book, found.party_id, "decision")
        record = found.told()
        _refuse_foreign(caller_of(request), voice, record)
        # The collector learns no fact of the person, and no hold.
        told = Otherwise() if voice == "collector" else await otherwise(uow, instruments_of(request), found)
    earliest = record["earliest_lawful"] or {}
    return ExplanationView(
        decision_id=decision_id,
        answer=record["answer"],
        voice=voice,
        language="en" if voice == "auditor" else language,
        text=explain(
            record, explanation_texts(), rule_kinds(instruments_of(request).book), voice=voice, language=language,
            changes=told.changes,
        ),
        earliest_lawful=earliest.get("at"),
        lawful_after=earliest.get("after") if voice == "auditor" else None,
        rules=[
            ExplainedRuleView(
                rule=rule.rule,
                citation=rule.citation,
                answer=rule.answer,
                confidence=rule.confidence,
                detail=rule.detail,
                values=dict(rule.values),
            )
            for rule in explained_rules(record)
        ]
        if voice == "auditor"
        else [],
        rule_set=record["rule_set"],
        counterfactual=_counterfactual(told) if voice == "auditor" else None,
        facts_as_of=dict(told.as_of) if voice == "auditor" else {},
    )  # fmt: skip


def _counterfactual(told: Otherwise) -> CounterfactualView:
    return CounterfactualView(
        changes=[
            ChangeView.model_validate(
                {"kind": one.kind, "subject": one.subject, "was": one.was, "would_be": one.would_be}
            )
            for one in told.changes
        ],
        missing=told.missing,
    )


def _refuse_foreign(caller: Caller, voice: Voice, record: dict[str, Any]) -> None:
    own = _VOICE_OF.get(caller.client_id)
    if own is not None and voice != own:
        raise NotAllowed(f"{caller.client_id} hears the voice {own!r} only")
    if own == "customer" and caller.attribute("party_id") != record["party_id"]:
        raise NotAllowed("the decision is about somebody else")
