"""The HTTP side of assignment."""

from __future__ import annotations

from fastapi import APIRouter

from services.assignment.api.field_days import field_days_router
from services.assignment.api.staff import staff_router
from services.assignment.domain.policy import SelectionPolicy


def routers(policy: SelectionPolicy) -> list[APIRouter]:
    """The routes of assignment."""
    return [staff_router(), field_days_router(policy)]
