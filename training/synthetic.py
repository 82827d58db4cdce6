"""A small made-up file in the form of UCI's: for tests, never for a model that anybody uses."""

from __future__ import annotations

import random
from pathlib import Path

_HEADER = ",".join(["ID", *(f"X{number}" for number in range(1, 24)), "Y"])


def write(path: Path, *, accounts: int, seed: int) -> None:
    """Accounts whose habit decides what they pay; who pays little grows later month by month."""
    draw = random.Random(seed)  # noqa: S311 - nothing secret
    rows = (",".join(map(str, _account(draw, number))) for number in range(1, accounts + 1))
    path.write_text("\n".join([_HEADER, *rows, ""]), encoding="utf-8")


def _account(draw: random.Random, number: int) -> list[int]:
    habit, balance, late = draw.random(), draw.randrange(2_000, 90_000), draw.choice([0, 0, 2, 2, 3])
    status, bills, paid = [], [], []
    for _ in range(6):
        pays = draw.random() < 0.15 + 0.7 * habit
        amount = round(balance * draw.uniform(0.02, 0.3)) if pays else 0
        cured = late > 0 and pays and draw.random() < 0.5 * habit + 0.5 * amount / balance
        late = 0 if cured else min(max(late + (0 if pays else 1), 2 if late or not pays else 0), 8)
        balance = max(balance - amount + draw.randrange(0, 900), 100)
        status.append(late)
        bills.append(balance)
        paid.append(amount)
    person = [draw.choice([1, 2]), draw.choice([1, 2, 3]), draw.choice([1, 2]), draw.randrange(21, 70)]
    return [number, 100_000, *person, *status[::-1], *bills[::-1], *paid[::-1], int(late > 2)]
