"""A small model and drawn feature rows for the tests of the score."""

from hypothesis import strategies as st

from services.intake.scoring.artefact import Gate, Model
from services.intake.scoring.features import SEGMENTS, FeatureRow
from services.intake.scoring.scorecard import TARGETS, Bin, Characteristic, Scorecard

OPEN = Gate(cases=900, auc=0.7, auc_low=0.65, auc_high=0.75, brier=0.18, brier_base=0.2)
SHUT = Gate(cases=90, auc=0.7, auc_low=0.5, auc_high=0.9, brier=0.18, brier_base=0.2)
LATE = Characteristic("late_now", (Bin(None, 20, 0.3, 0.8), Bin(3, -40, -0.6, 0.2)))
BEFORE = Characteristic("late_month_ago", (Bin(None, 30, 0.5, 0.5), Bin(1, -25, -0.4, 0.5)))
PAID = Characteristic("paid_last_month", (Bin(None, -15, -0.2, 0.5), Bin(50, 35, 0.5, 0.5)))
CARDS = tuple(Scorecard(target, 10, (LATE, BEFORE, PAID)) for target in TARGETS)
MODEL = Model(
    version="test-1",
    purpose="tenant",
    data_sha256="0" * 64,
    cards=CARDS,
    gates={target: {SEGMENTS[0]: OPEN, SEGMENTS[1]: SHUT} for target in TARGETS},
)

_DAYS = st.none() | st.integers(0, 400)
_PAID = st.none() | st.integers(0, 1_000)
ROWS = st.builds(
    FeatureRow,
    days_now=st.integers(1, 400),
    days_month_ago=_DAYS,
    days_two_months_ago=_DAYS,
    paid_last_permille=_PAID,
    paid_before_permille=_PAID,
)
