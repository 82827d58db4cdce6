"""`python -m services.plans --roles api,consumer,relay,worker`."""

from services.plans.app import define
from shared.service import run_service

run_service(define)
