"""What loading needs, made from a service's settings: for commands that work beside the service as its own role."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.intake.folding import Folding
from services.intake.settings import IntakeSettings
from services.intake.tapes.loading import Loader
from shared.database import Database
from shared.security.key_management import LocalKeyManagement
from shared.security.party_keys import PartyCipher
from shared.security.sealing import RecordSealer
from shared.settings import ServiceSettings


@asynccontextmanager
async def open_loader(settings: ServiceSettings) -> AsyncIterator[Loader]:
    """A loader on intake's database."""
    own = IntakeSettings()
    keys = LocalKeyManagement.open(settings.key_folder, "intake")
    database = await Database.open(settings, settings.clock(), service="intake", pool_size=4)
    try:
        folding = Folding(own, own.policy(), PartyCipher(keys, tenant=settings.tenant))
        yield Loader(database, folding, RecordSealer(keys, service="intake"))
    finally:
        await database.close()
