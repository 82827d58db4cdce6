"""Taking what a bank has left: the files of one feed in order, each fetched to a private place and deleted there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.intake.store import tape_files
from services.intake.store.tape_files import TapeFile
from services.intake.tapes.agreement import ContractError
from services.intake.tapes.approvals import FeedError, Released
from services.intake.tapes.landing import MANIFEST_SUFFIX, Landing, LandingError
from services.intake.tapes.lines import UnreadableTapeError
from services.intake.tapes.loading import ContractChangedError, FeedBusyError, Loader
from services.intake.tapes.manifest import Manifest, ManifestError, read_manifest
from services.intake.tapes.survey import Tell, unheard

_PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class Collected:
    """What became of one manifest: the file as it stands, or why it could not be tried."""

    manifest: str
    file: TapeFile | None
    problem: str = ""


@dataclass(frozen=True)
class Collector:
    """Loads what lies in a landing place. `contract_of` finds the contract that reads a file. `spool`: a private folder
    for copies, which hold references of people and are deleted as soon as they are loaded.
    """

    loader: Loader
    landing: Landing
    contract_of: Callable[[Manifest], Released]
    spool: Path

    async def collect(self, feed: str, tell: Tell = unheard) -> list[Collected]:
        """Load every file of the feed that is not loaded yet, in order. One that fails does not stop those that can do
        without it; the gap that it leaves stops the others. Raises LandingError when the place cannot be read.
        """
        found, manifests = await self._manifests(feed)
        for name, manifest in sorted(manifests, key=_in_order):
            if await self._is_loaded(manifest):
                continue
            try:
                found.append(Collected(name, await self._load(manifest, tell)))
            except (
                LandingError, UnreadableTapeError, FeedBusyError, ContractChangedError, FeedError, ContractError,
            ) as error:  # fmt: skip
                found.append(Collected(name, None, str(error)))
        return found

    async def _manifests(self, feed: str) -> tuple[list[Collected], list[tuple[str, Manifest]]]:
        unreadable, manifests = [], []
        for name in await self.landing.names():
            if not name.endswith(MANIFEST_SUFFIX):
                continue
            try:
                manifest = read_manifest(await self.landing.read(name))
            except (ManifestError, LandingError) as error:
                unreadable.append(Collected(name, None, str(error)))
                continue
            if manifest.feed == feed:
                manifests.append((name, manifest))
        return unreadable, manifests

    async def _is_loaded(self, manifest: Manifest) -> bool:
        async with self.loader.database.read_only() as uow:
            known = await tape_files.load(uow, manifest.feed, manifest.file_id)
        return known is not None and known.state == "loaded"

    async def _load(self, manifest: Manifest, tell: Tell) -> TapeFile:
        released = self.contract_of(manifest)
        refused = await self.loader.refused_unread(manifest, released)
        if refused is not None:
            return refused
        folder = self._own_folder(manifest.feed)
        try:
            target = folder / "tape"
            await self.landing.fetch(manifest.file, target)
            return await self.loader.load(target, manifest, released, tell)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _own_folder(self, feed: str) -> Path:
        """A folder of this process; those that killed ones have left are deleted."""
        self.spool.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        for left in self.spool.glob("*.*"):
            if left.suffix[1:].isdigit() and not _is_alive(int(left.suffix[1:])):
                shutil.rmtree(left, ignore_errors=True)
        folder = self.spool / f"{feed}.{os.getpid()}"
        folder.mkdir(mode=_PRIVATE)
        return folder


def _in_order(named: tuple[str, Manifest]) -> tuple[int, bool, str]:
    """By number; what mends a file comes after it."""
    return named[1].sequence, named[1].repairs is not None, named[0]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
