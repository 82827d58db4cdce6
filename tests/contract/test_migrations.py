"""The migrations of each service are one chain, in the order of their numbers."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("intake", "assignment", "visits", "plans", "compliance")


@pytest.mark.parametrize("service", SERVICES)
def test_each_migration_follows_the_one_before(service: str) -> None:
    found = sorted((ROOT / "services" / service / "migrations" / "versions").glob("[0-9]*.py"))
    numbers = [path.name[:4] for path in found]
    assert numbers == [f"{number:04d}" for number in range(1, len(found) + 1)]
    for path, number, before in zip(found, numbers, [None, *numbers[:-1]], strict=True):
        text = path.read_text()
        assert re.search(r'^revision = "(\d+)"$', text, re.MULTILINE)[1] == number, path.name  # type: ignore[index]
        follows = re.search(r'^down_revision = (?:"(\d+)"|None)$', text, re.MULTILINE)
        assert follows is not None, path.name
        assert follows[1] == before, path.name
