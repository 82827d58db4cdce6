"""Who is handed to the router: areas around the pairs' starting points, filled with candidates in the policy's order.

Areas stay small (routing.md 3: 150 visits are planned within 3 % of the best known plan in seconds; cutting a large day
into such areas costs about 3 % travel). An area is a group of neighbouring pairs; a candidate belongs to the nearest
area that has room and a pair who speaks the person's language.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import cos, radians
from uuid import UUID

import h3

from services.assignment.domain.candidacy import Candidacy
from services.assignment.domain.collectors import ReadyPair
from services.assignment.domain.policy import DayPolicy, SelectionPolicy
from shared.geo import Point, distance_m


@dataclass(kw_only=True)
class Area:
    """Neighbouring pairs and the parties chosen for them."""

    pairs: tuple[ReadyPair, ...]
    room: int
    parties: list[UUID] = field(default_factory=list)

    @property
    def languages(self) -> frozenset[str]:
        """Languages that some pair of the area speaks."""
        return frozenset().union(*(pair.languages for pair in self.pairs))


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The areas, and how many candidates were not chosen, by reason."""

    areas: tuple[Area, ...]
    not_chosen: dict[str, int]


def select(
    candidates: Iterable[Candidacy], pairs: Sequence[ReadyPair], *, policy: SelectionPolicy, max_visits: int | None,
    visited: Collection[str] = (),
) -> Selection:  # fmt: skip
    """Fill the areas of `pairs` with `candidates` (already eligible), best first, up to `max_visits` in all.

    People of one home, and people bound by one debt, get one visit, not two: the lead case's. `visited`: homes and
    debts about which a visit is planned already.
    """
    candidates = list(candidates)
    leading = {name for one in candidates if one.case is not None and one.case.leads for name in one.case.shared}
    taken = set(visited)
    areas = [Area(pairs=tuple(group), room=_room(len(group), policy.day)) for group in _groups(pairs, policy.day)]
    left = sum(area.room for area in areas) if max_visits is None else max_visits
    not_chosen: Counter[str] = Counter()
    for candidate in sorted(candidates, key=lambda each: _rank(each, policy)):
        shared, leads = (candidate.case.shared, candidate.case.leads) if candidate.case is not None else ((), True)
        if not taken.isdisjoint(shared):
            not_chosen["one_visit_for_all"] += 1
            continue
        if not leads and not leading.isdisjoint(shared):
            not_chosen["visited_with_lead_case"] += 1
            continue
        if areas and left == 0:
            not_chosen["capacity"] += 1
            continue
        area, reason = _area_for(candidate, areas, reach_m=policy.day.reach_km * 1000)
        if area is None:
            not_chosen[reason] += 1
            continue
        taken.update(shared)
        area.parties.append(candidate.party_id)
        area.room -= 1
        left -= 1
    return Selection(areas=tuple(area for area in areas if area.parties), not_chosen=dict(not_chosen))


def fenced(
    selection: Selection, candidacies: Mapping[UUID, Candidacy], *, chosen: Collection[UUID], taken: Collection[str]
) -> Selection:
    """The selection without whom somebody else has chosen since it was made.

    `candidacies`: of everybody selected, as known now; `chosen`: people chosen for other days; `taken`: the homes and
    debts about which a visit is chosen or planned elsewhere.
    """
    not_chosen = Counter(selection.not_chosen)
    areas: list[Area] = []
    for area in selection.areas:
        kept: list[UUID] = []
        for party_id in area.parties:
            reason = _lost(candidacies[party_id], chosen=chosen, taken=taken)
            if reason is None:
                kept.append(party_id)
            else:
                not_chosen[reason] += 1
        if kept:
            areas.append(replace(area, parties=kept))
    return Selection(areas=tuple(areas), not_chosen=dict(not_chosen))


def _lost(candidacy: Candidacy, *, chosen: Collection[UUID], taken: Collection[str]) -> str | None:
    if candidacy.party_id in chosen:
        return "chosen_for_another_day"
    if candidacy.visit is not None:
        return "already_planned"
    return None if about(candidacy).isdisjoint(taken) else "one_visit_for_all"


def about(candidacy: Candidacy) -> frozenset[str]:
    """The home and the shared debts that a visit would be about."""
    return frozenset() if candidacy.case is None else frozenset(candidacy.case.shared)


def _room(pair_count: int, day: DayPolicy) -> int:
    """Capacity plus the reserve that the router may swap in, rounded up."""
    return -(-pair_count * day.visits_per_pair * (100 + day.reserve_percent) // 100)


def _groups(pairs: Sequence[ReadyPair], day: DayPolicy) -> list[list[ReadyPair]]:
    """Halve the pairs along their wider direction until an area's visits fit."""
    if not pairs:
        return []
    if len(pairs) == 1 or _room(len(pairs), day) <= day.area_visits:
        return [sorted(pairs, key=lambda each: each.pair.pair_id)]
    homes = [each.pair.home for each in pairs]
    spread_lat = max(home.lat for home in homes) - min(home.lat for home in homes)
    spread_lon = max(home.lon for home in homes) - min(home.lon for home in homes)
    by_lat = spread_lat >= spread_lon * cos(radians(homes[0].lat))
    ordered = sorted(pairs, key=lambda each: (each.pair.home.lat if by_lat else each.pair.home.lon, each.pair.pair_id))
    middle = len(ordered) // 2
    return _groups(ordered[:middle], day) + _groups(ordered[middle:], day)


def _rank(candidate: Candidacy, policy: SelectionPolicy) -> tuple[int, Fraction, UUID]:
    """Order of the policy: bucket, then the overdue amount as a multiple of its currency's minimum, largest first."""
    case = candidate.case
    assert case is not None
    worth = [
        Fraction(total.amount_minor, max(1, policy.minimum_overdue_minor[total.currency]))
        for total in case.overdue_totals
        if total.currency in policy.minimum_overdue_minor
    ]
    buckets: tuple[str, ...] = policy.buckets
    return buckets.index(case.bucket), -max(worth, default=Fraction(0)), candidate.party_id


def _area_for(candidate: Candidacy, areas: Sequence[Area], *, reach_m: int) -> tuple[Area | None, str]:
    case = candidate.case
    assert case is not None
    assert case.cell is not None
    speaking = [area for area in areas if case.language in area.languages]
    if not speaking:
        return None, "no_pair_speaks_language" if areas else "no_pair_ready"
    place = cell_centre(case.cell)
    near = [(distance, i) for i, area in enumerate(speaking) if (distance := _distance_m(place, area)) <= reach_m]
    if not near:
        return None, "no_pair_near"
    free = [pair for pair in sorted(near) if speaking[pair[1]].room > 0]
    return (speaking[free[0][1]], "") if free else (None, "capacity")


def _distance_m(place: Point, area: Area) -> float:
    return min(distance_m(place, each.pair.home) for each in area.pairs)


def cell_centre(cell: str) -> Point:
    """The middle of an H3 cell: enough to choose an area; exact points are asked for later, under purpose."""
    lat, lon = h3.cell_to_latlng(cell)
    return Point(lat=lat, lon=lon, crs="WGS84")
