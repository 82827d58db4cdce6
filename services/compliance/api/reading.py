"""Decisions and figures."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request

from services.compliance.api.surroundings import instruments_of
from services.compliance.domain.audit import PERMIT_RULES
from services.compliance.domain.judged_on import REPLACES, REUSED
from services.compliance.domain.packs import RuleBook
from services.compliance.erased import PartyErased
from services.compliance.restricted import PartyRestricted, RecordsDeleted, refuse_gone, refuse_restricted
from services.compliance.schemas.reading import DecisionView, RuleCount, SummaryView
from services.compliance.store import log as log_store
from services.compliance.store.audits import find_decision
from services.compliance.store.reading import load_figures
from shared.security.callers import scope
from shared.web.openapi import problem_responses
from shared.web.problems import NotFound
from shared.web.state import database_of

router = APIRouter(prefix="/v1", tags=["reading"], dependencies=[Depends(scope("compliance.read"))])


@router.get(
    "/decisions/{decision_id}",
    responses=problem_responses(NotFound, PartyErased, RecordsDeleted, PartyRestricted),
    summary="One decision",
)
async def read_decision(
    request: Request, decision_id: Annotated[UUID, Path(description="The decision.")]
) -> DecisionView:
    """Every rule that was asked, with citation and values, and the bytes that were hashed into the log."""
    async with database_of(request).read_only() as uow:
        found = await find_decision(uow, instruments_of(request).cipher, decision_id)
        if found is None:
            raise NotFound("there is no such decision")
        if found.record is None:
            await refuse_gone(uow, instruments_of(request).cipher, found.party_id, "decision")
        await refuse_restricted(uow, instruments_of(request).book, found.party_id, "decision")
        return DecisionView(
            decision_id=decision_id,
            record=found.told(),
            record_canonical=found.record.decode(),
            frame_canonical=None if found.frame is None else found.frame.decode(),
            record_sha256=found.record_sha256.hex(),
            permit_id=found.permit_id,
            leaf_id=found.leaf_id,
            leaf_index=await log_store.index_of(uow, found.leaf_id),
        )


@router.get("/summary", summary="Figures")
async def read_summary(request: Request) -> SummaryView:
    """Permits, refusals by rule with citation, audits, findings, the log, recall times: counted from the tables."""
    instruments = instruments_of(request)
    async with database_of(request).read_only() as uow:
        figures = await load_figures(uow)
        leaves, pending = await log_store.tree_size(uow), await log_store.count_pending(uow)
    return SummaryView(
        permits=figures.permits,
        permits_granted=sum(figures.permits.values()),
        decisions=figures.decisions,
        refused_by_rule=_rule_counts(figures.refused_by, instruments.book),
        contacts_audited=sum(count for verdict, count in figures.verdicts.items() if verdict != "imported"),
        contacts_lawful=figures.verdicts.get("lawful", 0),
        findings=sum(figures.broken.values()),
        findings_by_rule=_rule_counts(figures.broken, instruments.book),
        parties_stopped=figures.parties_stopped,
        holds_open=figures.holds,
        leaves=leaves,
        leaves_pending=pending,
        checkpoints=figures.checkpoints,
        log_key=instruments.log_key.vkey,
        log_key_fingerprint=instruments.log_key.fingerprint,
        rule_set=instruments.book.rule_set,
        recalls=figures.recalls,
    )


def _rule_counts(counts: dict[str, int], book: RuleBook) -> list[RuleCount]:
    return [RuleCount(rule=rule, citation=_citation(rule, book), count=count) for rule, count in counts.items()]


def _citation(rule_id: str, book: RuleBook) -> str:
    for rule in (book.rule(rule_id), REUSED, REPLACES):
        if rule is not None and rule.id == rule_id:
            return rule.citation
    return PERMIT_RULES.get(rule_id, "a rule of an earlier rule set")
