"""The shadow: the challenger scores the cases that the scorecards score, in a process of its own; nothing uses it.

`python -m services.intake.shadow`, with intake's settings, once and then it ends. LightGBM takes some 160 MB, so no
process that serves, consumes or scores imports it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sys
from collections.abc import Mapping
from pathlib import Path

import lightgbm
import numpy as np
from numpy.typing import NDArray

from services.intake.scoring.artefact import ArtefactError
from services.intake.scoring.features import Features
from services.intake.scoring.release import Release, read_folder, release
from services.intake.scoring.scorecard import TARGETS, Target
from services.intake.scoring.shipped import SHIPPED, challenger_file
from services.intake.settings import IntakeSettings
from services.intake.store import challenger_scores, days, score_features
from shared.database import Database
from shared.settings import ServiceSettings
from shared.telemetry.logs import setup_logging

log = logging.getLogger(__name__)
Boosters = Mapping[Target, lightgbm.Booster]


def load_challengers(folder: Path, found: Release) -> Boosters:
    """The challengers that the model names. Raises ArtefactError when a file was changed or is missing."""
    boosters: dict[Target, lightgbm.Booster] = {}
    for target in TARGETS:
        path = folder / challenger_file(target)
        content = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(content).hexdigest() != found.model.challengers.get(target):
            raise ArtefactError(f"{path.name} is not the challenger of {found.model.version}")
        boosters[target] = lightgbm.Booster(model_str=content.decode())
    return boosters


def predict(boosters: Boosters, features: Features) -> dict[Target, NDArray[np.float32]]:
    """The challengers' probabilities."""
    table = features.table()
    return {target: np.asarray(one.predict(table)).astype(np.float32) for target, one in boosters.items()}


async def shadow(database: Database, own: IntakeSettings) -> int:
    """Score the cases of every core that has closed a day; returns how many. Raises ArtefactError."""
    folder = own.score_folder or SHIPPED
    found = release(read_folder(folder), production=False)
    boosters, scored = load_challengers(folder, found), 0
    async with database.read_only() as uow:
        cores = sorted(await days.closed_dates(uow))
    for core in cores:
        async with database.read_only() as uow:
            heard = await score_features.heard_since(uow, core, time_zone=own.time_zone)
        after, is_last = score_features.FIRST, False
        while not is_last:
            async with database.unit_of_work() as uow:
                await score_features.share_scoring(uow)
                where = await score_features.next_range(uow, core, after=after, limit=own.scoring_batch)
                cases = await score_features.load_cases(
                    uow,
                    where,
                    heard=heard,
                    time_zone=own.time_zone,
                    bucket_last_days=own.policy().last_days(uow.now.date()),
                )
                await challenger_scores.replace(
                    uow, where, cases, predict(boosters, cases.features) if len(cases) else {}, sha256=found.sha256
                )
                after, is_last, scored = where.until, where.is_last, scored + len(cases)
    return scored


async def _run(settings: ServiceSettings) -> int:
    database = await Database.open(settings, settings.clock(), service="intake")
    try:
        return await shadow(database, IntakeSettings())
    finally:
        await database.close()


def main() -> int:
    """Score once. Exit code 1: the challengers are not those of the model."""
    settings = ServiceSettings()
    setup_logging(service="intake", tenant=settings.tenant)
    try:
        scored = asyncio.run(_run(settings))
    except ArtefactError as error:
        log.error("no shadow: the challengers are not those of the model", extra={"error_type": type(error).__name__})
        return 1
    log.info("the challenger has scored", extra={"count": scored})
    return 0


if __name__ == "__main__":
    sys.exit(main())
