"""Cases as the strategy sees them."""

from datetime import date, timedelta

from services.intake.strategy.decision import CaseState
from services.intake.strategy.history import PastFact
from services.intake.strategy.policy import read_policy
from services.intake.strategy.release import POLICY_FILE, SHIPPED

TODAY = date(2026, 3, 10)
CONTENT = (SHIPPED / POLICY_FILE).read_bytes()
POLICY = read_policy(CONTENT)
LADDER = tuple(step.action for step in POLICY.step)


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def fact(kind: str, days_ago: int, *codes: str, reference: str = "") -> PastFact:
    return PastFact(ago(days_ago), kind, reference or f"{kind}-{days_ago}", codes)


ALL_DONE = (fact("remind", 40), fact("call", 35), fact("letter", 30), fact("offer_help", 20))


def case(days: int = 45, *history: PastFact, **changes) -> CaseState:
    """An open case of 5,000 CNY, of somebody who can be reached, that many days past due."""
    bucket = next((name for last, name in ((30, "B1"), (60, "B2"), (90, "B3"), (180, "B4")) if days <= last), "B5")
    facts = {
        "status": "open", "held": False, "suspended": (), "bucket": bucket, "days": days, "as_of": TODAY,
        "late_since": ago(days),
        "overdue_minor": (("CNY", 500_000),), "has_phone": True, "has_home": True, "today": TODAY, "history": history,
    }  # fmt: skip
    return CaseState(**(facts | changes))
