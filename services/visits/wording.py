"""What customers read: who comes, when, and that they may say no. Never a debt, an amount or a reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.visits.domain.visit import Visit

_OFFER: Final = {
    "zh": "{bank}：我行两名工作人员拟于{start}至{end}登门拜访，请确认是否方便：{link} "
    "您有权拒绝或改期，也可要求停止联系。",
    "en": "{bank}: two of our staff would like to visit you, {start} to {end}. Please answer: {link} "
    "You may refuse, choose another time, or ask us to stop.",
}
_RIGHTS: Final = {
    "zh": [
        "您可以随时拒绝拜访，无需说明理由。",
        "您可以要求另约时间。",
        "您可以要求停止联系。",
        "未经您同意，任何人不得进入您的住所或拍摄。",
        "请核对工牌；如有疑问，请致电我行官方客服。",
    ],
    "en": [
        "You may refuse the visit at any time, without giving a reason.",
        "You may ask for another time.",
        "You may ask us to stop contacting you.",
        "Nobody may enter or film your home without your consent.",
        "Check the badges; in doubt call the bank's official number.",
    ],
}
DEFAULT_LANGUAGE: Final = "en"


def offer_text(visit: Visit, *, bank: str, link: str, language: str | None, time_zones: Sequence[str] = ()) -> str:
    """The offer in the customer's language, times in the customer's zone (UTC, named, while it is not known)."""
    zone, suffix = _zone(time_zones)
    start, end = visit.window_start.astimezone(zone), visit.window_end.astimezone(zone)
    last = f"{end:%H:%M}" if end.date() == start.date() else f"{end:%Y-%m-%d %H:%M}"
    return _OFFER[known_language(language)].format(
        bank=bank, start=f"{start:%Y-%m-%d %H:%M}", end=last + suffix, link=link
    )


def rights(language: str | None) -> list[str]:
    """What the customer may do, in plain words."""
    return list(_RIGHTS[known_language(language)])


def known_language(language: str | None) -> str:
    """The language in which we can write to a customer who prefers `language`."""
    short = (language or "").split("-")[0].lower()
    return short if short in _OFFER else DEFAULT_LANGUAGE


def _zone(time_zones: Sequence[str]) -> tuple[ZoneInfo, str]:
    if len(time_zones) == 1:
        try:
            return ZoneInfo(time_zones[0]), ""
        except (ZoneInfoNotFoundError, ValueError):
            pass
    return ZoneInfo("UTC"), " UTC"
