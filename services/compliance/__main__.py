"""`python -m services.compliance --roles api,consumer,relay,worker`"""

from services.compliance.app import define
from shared.service import run_service

run_service(define)
