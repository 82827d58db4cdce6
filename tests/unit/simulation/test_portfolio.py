"""The committed fit, and how well generated accounts follow the source's statistics."""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from simulation.portfolio.accounts import Account, unpaid_minimums
from simulation.portfolio.fit import fit, targets_of
from simulation.portfolio.fitted import load_fitted
from simulation.portfolio.generate import generate_accounts
from simulation.portfolio.people import person_of
from simulation.portfolio.uci import PortfolioError, read_accounts

AS_OF = date(2026, 3, 2)
HEADER = "ID,X1,X7,X8,X9,X10,X11,X13,X14,X15,X16,X17,X19,X20,X21,X22,X23\n"


@cache
def generated() -> tuple[Account, ...]:
    return tuple(generate_accounts(load_fitted(), count=8_000, seed=11))


def account(statuses: tuple[int, ...], bills: tuple[int, ...]) -> Account:
    return Account(number=1, limit=50_000, statuses=statuses, bills=bills, payments=(0, 0, 0, 0, 0))


def test_fit_names_its_source() -> None:
    fitted = load_fitted()
    assert fitted.sha256.startswith("023eb2c3")
    assert (fitted.accounts, fitted.overdue_accounts) == (30_000, 4_354)


def test_cure_of_two_months_late_is_the_published_rate() -> None:
    """routing.md, section 7.3: 24-30 % a month among two or more months late."""
    late = load_fitted().repayment.values()
    share = sum(each.cure * each.accounts for each in late) / sum(each.accounts for each in late)
    assert 0.24 <= share <= 0.31


def test_status_of_every_month_follows_the_source() -> None:
    measured, wanted = targets_of(generated()), load_fitted().targets
    distance = np.abs(np.array(measured.status) - np.array(wanted.status)).sum(axis=1) / 2
    assert distance.max() < 0.02


def test_dependence_follows_the_source() -> None:
    measured, wanted = targets_of(generated()), load_fitted().targets
    assert np.abs(np.array(measured.spearman) - np.array(wanted.spearman)).max() < 0.12


@pytest.mark.parametrize("name", ["august_bill", "overdue"])
def test_amounts_follow_the_source(name: str) -> None:
    """Kolmogorov-Smirnov distance at the source's own 5 % steps, between the 5th and the 95th percentile."""
    wanted = np.array(getattr(load_fitted().targets, name))
    if name == "august_bill":
        values = np.array([each.bills[-1] for each in generated()])
    else:
        values = np.array(
            [sum(item.amount_minor for item in unpaid_minimums(each, as_of=AS_OF)) for each in generated()]
        )
    distances = [abs((values <= wanted[step]).mean() - step / 20) for step in range(1, 20)]
    assert max(distances) < 0.05


def test_unpaid_months_follow_the_source() -> None:
    measured, wanted = targets_of(generated()), load_fitted().targets
    assert np.abs(np.array(measured.paid_nothing) - np.array(wanted.paid_nothing)).max() < 0.03


def test_a_wrong_generator_would_be_noticed() -> None:
    """The comparison has power: accounts drawn month by month without dependence fail it."""
    random, accounts = np.random.default_rng(3), generated()
    mixed = [random.permutation([each.bills[month] for each in accounts]) for month in range(5)]
    shuffled = [
        Account(each.number, each.limit, each.statuses, tuple(int(month[row]) for month in mixed), each.payments)
        for row, each in enumerate(accounts)
        if mixed[-1][row] > 0
    ]
    assert np.abs(np.array(targets_of(shuffled).spearman) - np.array(load_fitted().targets.spearman)).max() > 0.3


def test_same_seed_same_accounts() -> None:
    fitted = load_fitted()
    assert generate_accounts(fitted, count=50, seed=5) == generate_accounts(fitted, count=50, seed=5)
    assert generate_accounts(fitted, count=50, seed=5) != generate_accounts(fitted, count=50, seed=6)


def test_everyone_generated_is_overdue() -> None:
    assert all(each.is_overdue and each.limit >= 10_000 for each in generated())


def test_unpaid_minimums_are_five_percent_of_their_own_bills() -> None:
    items = unpaid_minimums(account((0, 0, 2, 2, 3), (1_000, 2_000, 3_000, 4_000, 5_000)), as_of=AS_OF)
    assert [(item.due_date, item.amount_minor) for item in items] == [
        (date(2025, 12, 5), 15_000),
        (date(2026, 1, 5), 20_000),
        (date(2026, 2, 5), 25_000),
    ]


def test_minimums_never_exceed_what_is_owed() -> None:
    items = unpaid_minimums(account((0, 0, 2, 2, 2), (0, 0, 0, 90_000, 1_000)), as_of=AS_OF)
    assert [item.amount_minor for item in items] == [5_000, 5_000]


@pytest.mark.parametrize("as_of", [date(2026, 3, 5), date(2026, 2, 6)])
def test_last_due_date_lies_before_the_business_date(as_of: date) -> None:
    items = unpaid_minimums(account((2,) * 5, (1_000,) * 5), as_of=as_of)
    assert items[-1].due_date == date(2026, 2, 5)


def test_current_account_owes_nothing() -> None:
    assert unpaid_minimums(account((2, 2, 2, 2, 0), (1_000,) * 5), as_of=AS_OF) == []


def test_people_are_seeded_and_labelled_synthetic() -> None:
    one, other = person_of(7, seed=1), person_of(7, seed=1)
    assert one == other
    assert "synthetic" in one.name
    assert one.address.startswith("Synthetic")
    assert 30.9 < one.home.lat < 31.5


def test_of_three_thousand_people_two_are_minors() -> None:
    young = [number for number in range(1, 3_001) if person_of(number, seed=1).born_on > date(2008, 3, 2)]
    assert young == [1_203, 2_703]


def test_file_of_the_documented_form_is_read(tmp_path: Path) -> None:
    path = tmp_path / "small.csv"
    path.write_text(HEADER + "1,5.00E+05,2,2,0,0,-1,100,90,80,70,60,1,2,3,4,5\n")
    (read,) = read_accounts(path)
    assert read == Account(1, 500_000, (-1, 0, 0, 2, 2), (60, 70, 80, 90, 100), (5, 4, 3, 2, 1))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1,1000,9,0,0,0,0,1,1,1,1,1,0,0,0,0,0", "status"),
        ("1,1000,x,0,0,0,0,1,1,1,1,1,0,0,0,0,0", "column X7"),
        ("1,0.5,2,0,0,0,0,1,1,1,1,1,0,0,0,0,0", "column X1"),
        ("1,1000,2,0,0,0,0,1,1,1,1,1,-4,0,0,0,0", "payment"),
        ("1,1e99,2,0,0,0,0,1,1,1,1,1,0,0,0,0,0", "column X1"),
    ],
)
def test_bad_file_names_the_place(tmp_path: Path, row: str, said: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(HEADER + row + "\n")
    with pytest.raises(PortfolioError, match=said):
        read_accounts(path)


def test_file_without_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("ID,X1\n1,2\n")
    with pytest.raises(PortfolioError, match="missing columns"):
        read_accounts(path)


def test_fit_of_generated_accounts_is_the_fit() -> None:
    """Fitting what was generated gives back the parameters: nothing is lost on the way."""
    again = fit(generated(), source="generated", sha256="0" * 64)
    assert np.abs(np.array(again.correlation) - np.array(load_fitted().correlation)).max() < 0.1
