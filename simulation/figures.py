"""Figures of a run, asked of the services' own APIs. Nothing here was counted by the simulation."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from simulation.api import Api
from simulation.pace import SERVICES


@dataclass(frozen=True, slots=True)
class Figures:
    """What each service says about itself."""

    summaries: dict[str, dict[str, Any]]
    dead_letters: dict[str, list[dict[str, Any]]]
    reconciliation: dict[str, Any]
    next_actions: list[dict[str, Any]]
    """Open cases by next action, as intake's strategy has chosen it."""
    checkpoint: str


async def read_summaries(api: Api) -> dict[str, dict[str, Any]]:
    """`GET /v1/summary` of every service. Raises UnexpectedAnswer."""
    answers = await asyncio.gather(*(api.get(service, "/v1/summary") for service in SERVICES))
    return {service: answer.expected() for service, answer in zip(SERVICES, answers, strict=True)}


async def read_figures(api: Api, *, business_date: str) -> Figures:
    """Everything the summary and the report show. Raises UnexpectedAnswer."""
    letters = await asyncio.gather(*(api.get(service, "/internal/dead-letters") for service in SERVICES))
    return Figures(
        summaries=await read_summaries(api),
        dead_letters={service: answer.expected() for service, answer in zip(SERVICES, letters, strict=True)},
        reconciliation=(await api.get("intake", "/v1/reconciliation", business_date=business_date)).expected(),
        next_actions=(await api.get("intake", "/v1/next-actions/figures")).expected()["actions"],
        checkpoint=str((await api.get("compliance", "/v1/log/checkpoint")).expected()),
    )
