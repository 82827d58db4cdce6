"""`python -m services.intake --roles api,consumer,relay,worker`."""

from services.intake.app import define
from shared.service import run_service

run_service(define)
