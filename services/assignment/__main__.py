"""`python -m services.assignment --roles api,consumer,relay,worker`."""

from services.assignment.app import define
from shared.service import run_service

run_service(define)
