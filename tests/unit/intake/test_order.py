"""Order and repetition of arrival do not matter: equal folded state, equal final permission to contact."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.intake.domain.assessment import assess, newest_date, stops, suspensions
from services.intake.domain.policy import DelinquencyPolicy
from shared.events.loan import ChargeWaived, DueItemsChanged, LoanReaged, LoanRescheduled
from shared.ids import derived_id
from tests.unit.intake.facts import (
    DAY,
    balance,
    charge_off,
    closed,
    credit,
    cured,
    death,
    due,
    hold,
    hold_end,
    obligors,
    overdue,
    payment,
    person,
    recovery,
    reversal,
    sold,
    stated,
    written_off,
)
from tests.unit.intake.folding import fold_all

_PARTIES = {reference: derived_id("test", reference) for reference in ("P-1", "P-9")}
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
    kind = draw(st.sampled_from(
        ["overdue"] * 5 + ["payment", "payment", "reversal", "cured", "person", "death", "credit", "recovery"]
        + ["stated", "stated", "ended", "hold", "hold", "hold_end", "balance", "charge_off", "obligors"]
    ))  # fmt: skip
    match kind:
        case "overdue":
            flags = draw(st.lists(st.sampled_from(["disputed", "sold", "represented"]), max_size=1))
            return overdue(sequence, *items, flags=flags, **more)
        case "payment":
            cleared = draw(st.booleans())
            left = draw(st.sampled_from([None, 5_000]))
            return payment(sequence, amount, *draw(st.sampled_from([[], items])), ref=ref, cleared=cleared,
                           balance=left, **more)  # fmt: skip
        case "reversal":
            return reversal(sequence, amount, *items, ref=ref, **more)
        case "cured":
            return cured(sequence, **more)
        case "credit":
            return credit(sequence, amount, *draw(st.sampled_from([[], items])), ref=ref, **more)
        case "recovery":
            return recovery(sequence, amount, ref=ref, **more)
        case "stated":
            model = draw(st.sampled_from([DueItemsChanged, LoanRescheduled, LoanReaged, ChargeWaived]))
            return stated(model, sequence, *draw(st.sampled_from([[], items])), **more)
        case "ended":
            return draw(st.sampled_from([closed, sold, written_off]))(sequence, **more)
        case "hold":
            lasting = draw(st.sampled_from([None, day, day + timedelta(days=2)]))
            return hold(sequence, starts_on=day - timedelta(days=draw(st.integers(0, 3))), ends_on=lasting,
                        scope=draw(st.sampled_from(["loan", "party"])), **more)  # fmt: skip
        case "hold_end":
            return hold_end(sequence, ended_on=day, **more)
        case "balance":
            return balance(sequence, draw(st.integers(0, 1_000)), **more)
        case "charge_off":
            return charge_off(sequence, **more)
        case "obligors":
            return obligors(sequence, draw(st.sampled_from(["P-1", "P-9"])), **more)
        case "person":
            return person(sequence, language=draw(st.sampled_from(["zh", "en"])))
        case _:
            return death(sequence)


@st.composite
def histories(draw, *, straying=True):
    return [draw(_fact(sequence, straying=straying)) for sequence in range(1, draw(st.integers(2, 9)))]


def _end(facts):
    book, _ = fold_all(facts, parties=_PARTIES)
    if book.case is None:
        return (_loans(book), book.movements, book.person, None, stops(book))
    as_of = newest_date(book, None)
    state = assess(book, as_of, DelinquencyPolicy())
    return (_loans(book), _money(book), book.person, state, suspensions(book, state), stops(book), book.case.status,
            book.case.suspended)  # fmt: skip


def _loans(book):
    """Loans without what depends on the order: which holds were announced, and how they rolled on the way."""
    return {reference: replace(loan, place=None, standing=_standing(loan)) for reference, loan in book.loans.items()}


def _standing(loan):
    if loan.standing is None:
        return None
    return replace(loan.standing, holds=tuple(replace(hold, told=None) for hold in loan.standing.holds))


def _money(book):
    """Movements without the memory of what was announced, which depends on the order."""
    return {reference: (m.receipt, m.reversal) for reference, m in book.movements.items()}


@settings(max_examples=150, deadline=None)
@given(facts=histories(), random=st.randoms(use_true_random=False))
def test_shuffle_and_tenfold_repetition_fold_to_the_same(facts, random):
    straight = _end(facts)
    shuffled = [fact for fact in facts for _ in range(10)]
    random.shuffle(shuffled)
    assert _end(shuffled) == straight


@settings(max_examples=80, deadline=None)
@given(facts=histories(straying=False), random=st.randoms(use_true_random=False))
def test_every_payment_of_a_known_loan_is_announced_in_any_order(facts, random):
    shuffled = list(facts)
    random.shuffle(shuffled)
    assert _announced(shuffled) == _announced(facts)


def _announced(facts):
    book, _ = fold_all(facts, parties=_PARTIES)
    return {reference for reference, movement in book.movements.items() if movement.posted}
