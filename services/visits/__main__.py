"""`python -m services.visits --roles api,consumer,relay,worker`"""

from services.visits.app import define
from services.visits.settings import VisitSettings
from shared.service import run_service

run_service(define, settings_type=VisitSettings)
