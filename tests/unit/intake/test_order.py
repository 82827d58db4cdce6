"""Order and repetition of arrival do not matter: equal folded state, equal final permission to contact."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.domain.assessment import assess, newest_date, stops, suspensions
from services.intake.domain.policy import DelinquencyPolicy
from tests.unit.intake.facts import DAY, cured, death, due, overdue, payment, person, reversal
from tests.unit.intake.folding import fold_all

_amounts = st.integers(0, 900)


@st.composite
def _fact(draw, sequence, *, straying):
    day = DAY + timedelta(days=sequence // 3)
    loan = draw(st.sampled_from(["L-1", "L-2"]))
    amount = draw(st.integers(1, 900))
    items = [due(draw(st.integers(-2, 130)), amount, draw(_amounts)) for _ in range(draw(st.integers(1, 2)))]
    more = {"loan": loan, "business_date": day}
    # A faulty core may use one reference for two loans; then the newest record counts.
    ref = f"T-{draw(st.integers(1, 2))}" + ("" if straying else loan)
    kind = draw(st.sampled_from(["overdue"] * 4 + ["payment", "payment", "reversal", "cured", "person", "death"]))
    match kind:
        case "overdue":
            flags = draw(st.lists(st.sampled_from(["disputed", "sold", "represented"]), max_size=1))
            return overdue(sequence, *items, flags=flags, **more)
        case "payment":
            cleared = draw(st.booleans())
            stated = draw(st.sampled_from([None, 5_000]))
            return payment(sequence, amount, *draw(st.sampled_from([[], items])), ref=ref, cleared=cleared,
                           balance=stated, **more)  # fmt: skip
        case "reversal":
            return reversal(sequence, amount, *items, ref=ref, **more)
        case "cured":
            return cured(sequence, **more)
        case "person":
            return person(sequence, language=draw(st.sampled_from(["zh", "en"])))
        case _:
            return death(sequence)


@st.composite
def _histories(draw, *, straying=True):
    return [draw(_fact(sequence, straying=straying)) for sequence in range(1, draw(st.integers(2, 9)))]


def _end(facts):
    book, _ = fold_all(facts)
    if book.case is None:
        return (book.loans, book.movements, book.person, None, stops(book))
    as_of = newest_date(book, None)
    state = assess(book, as_of, DelinquencyPolicy())
    return (book.loans, _money(book), book.person, state, suspensions(book, state.loans), stops(book), book.case.status,
            book.case.suspended)  # fmt: skip


def _money(book):
    """Movements without the memory of what was announced, which depends on the order."""
    return {reference: (m.receipt, m.reversal) for reference, m in book.movements.items()}


@settings(max_examples=150, deadline=None)
@given(facts=_histories(), random=st.randoms(use_true_random=False))
def test_shuffle_and_tenfold_repetition_fold_to_the_same(facts, random):
    straight = _end(facts)
    shuffled = [fact for fact in facts for _ in range(10)]
    random.shuffle(shuffled)
    assert _end(shuffled) == straight


@settings(max_examples=80, deadline=None)
@given(facts=_histories(straying=False), random=st.randoms(use_true_random=False))
def test_every_payment_of_a_known_loan_is_announced_in_any_order(facts, random):
    shuffled = list(facts)
    random.shuffle(shuffled)
    assert _announced(shuffled) == _announced(facts)


def _announced(facts):
    book, _ = fold_all(facts)
    return {reference for reference, movement in book.movements.items() if movement.posted}
