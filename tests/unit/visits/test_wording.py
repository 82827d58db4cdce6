"""What customers read names bank, time and rights, and never the debt."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.visits import wording
from services.visits.domain.visit import Visit

_DEBT_WORDS = ("debt", "overdue", "loan", "arrears", "owe", "collect", "repay", "欠", "逾期", "贷", "债", "催", "还款")


def _offer(visit: Visit, language: str | None, *zones: str) -> str:
    return wording.offer_text(visit, bank="Example Bank", link="https://l/t", language=language, time_zones=zones)


@pytest.mark.parametrize("language", ["zh", "en", None, "fr"])
def test_never_the_debt(make_visit: Callable[..., Visit], language: str | None) -> None:
    text = _offer(make_visit(), language, "Asia/Shanghai") + " ".join(wording.rights(language))
    assert not [word for word in _DEBT_WORDS if word in text.lower()]


def test_local_time(make_visit: Callable[..., Visit]) -> None:
    assert "2026-03-12 08:30至10:30" in _offer(make_visit(), "zh", "Asia/Shanghai")


@pytest.mark.parametrize("zones", [(), ("Asia/Shanghai", "Asia/Urumqi"), ("Nowhere/Land",)])
def test_unknown_zone_is_named(make_visit: Callable[..., Visit], zones: tuple[str, ...]) -> None:
    assert "2026-03-12 00:30 to 02:30 UTC" in _offer(make_visit(), "en", *zones)


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_right_to_refuse(make_visit: Callable[..., Visit], language: str) -> None:
    assert any(word in _offer(make_visit(), language) for word in ("refuse", "拒绝"))
