"""Where a bank leaves its files: a folder here, a folder behind SFTP, or an object store; one port over all three.

A file is complete once its manifest is there: banks write the manifest last.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

import asyncssh
import obstore
from obstore.store import ObjectStore, from_url

MANIFEST_SUFFIX: Final = ".manifest.json"
MANIFEST_BYTES: Final = 8 * 1024 * 1024
FILE_BYTES: Final = 16 * 1024**3
_TIMEOUT_SECONDS: Final = 30
_CHUNK_BYTES: Final = 4 * 1024 * 1024
_SCHEMES: Final = ("s3", "s3a", "gs", "az", "abfs", "abfss", "http", "https")


class LandingError(RuntimeError):
    """The place cannot be reached or read, or a file in it is larger than is accepted."""


class Landing(Protocol):
    """A place with files. Names are plain: no folders. Every method raises LandingError."""

    async def names(self) -> list[str]:
        """The names of the files, sorted."""
        ...

    async def read(self, name: str) -> bytes:
        """A small file, whole (up to `MANIFEST_BYTES`)."""
        ...

    async def fetch(self, name: str, target: Path) -> None:
        """A file to `target`, in bounded memory (up to `FILE_BYTES`)."""
        ...


class LocalFolder:
    """A folder on this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def names(self) -> list[str]:
        """The files of the folder; what a link points to does not count."""
        return await asyncio.to_thread(self._names)

    def _names(self) -> list[str]:
        try:
            return sorted(path.name for path in self._folder.iterdir() if path.is_file() and not path.is_symlink())
        except OSError as error:
            raise LandingError(f"{self._folder}: {error.strerror}") from error

    async def read(self, name: str) -> bytes:
        """The content."""
        return await asyncio.to_thread(self._read, name)

    def _read(self, name: str) -> bytes:
        path = self._path(name, most=MANIFEST_BYTES)
        return path.read_bytes()

    async def fetch(self, name: str, target: Path) -> None:
        """A copy."""
        await asyncio.to_thread(lambda: shutil.copyfile(self._path(name, most=FILE_BYTES), target))

    def _path(self, name: str, *, most: int) -> Path:
        path = self._folder / plain(name)
        if path.is_symlink() or not path.is_file():
            raise LandingError(f"{name} is no file of {self._folder}")
        _check_size(name, path.stat().st_size, most)
        return path


class SftpFolder:
    """A folder behind SFTP."""

    def __init__(self, client: asyncssh.SFTPClient, folder: str) -> None:
        self._client = client
        self._folder = folder.rstrip("/") or "."

    async def names(self) -> list[str]:
        """The plain files of the folder."""
        try:
            entries = await self._client.readdir(self._folder)
        except (asyncssh.Error, OSError) as error:
            raise LandingError(f"{self._folder}: {error}") from error
        files = (one for one in entries if one.attrs.type == asyncssh.FILEXFER_TYPE_REGULAR)
        return sorted(name for one in files if (name := _text(one.filename)) not in (".", ".."))

    async def read(self, name: str) -> bytes:
        """The content."""
        try:
            await self._check(name, MANIFEST_BYTES)
            async with self._client.open(self._path(name), "rb") as file:
                content = await file.read(MANIFEST_BYTES + 1)
        except (asyncssh.Error, OSError) as error:
            raise LandingError(f"{name}: {error}") from error
        return content if isinstance(content, bytes) else content.encode()

    async def fetch(self, name: str, target: Path) -> None:
        """A copy, several requests on their way at a time."""
        try:
            await self._check(name, FILE_BYTES)
            await self._client.get(self._path(name), target)
        except (asyncssh.Error, OSError) as error:
            raise LandingError(f"{name}: {error}") from error

    async def _check(self, name: str, most: int) -> None:
        found = await self._client.lstat(self._path(name))
        if found.type != asyncssh.FILEXFER_TYPE_REGULAR:
            raise LandingError(f"{name} is no plain file")
        _check_size(name, found.size or 0, most)

    def _path(self, name: str) -> str:
        return f"{self._folder}/{plain(name)}"


class ObjectFolder:
    """Objects under a prefix of a store."""

    def __init__(self, store: ObjectStore, prefix: str = "") -> None:
        self._store = store
        self._prefix = prefix.strip("/")

    async def names(self) -> list[str]:
        """The objects right under the prefix."""
        try:
            found = await obstore.list_with_delimiter_async(self._store, self._prefix or None)
        except (obstore.exceptions.BaseError, OSError) as error:
            raise LandingError(f"{self._prefix}: {error}") from error
        return sorted(one["path"].rpartition("/")[2] for one in found["objects"])

    async def read(self, name: str) -> bytes:
        """The content."""
        try:
            found = await obstore.get_async(self._store, self._path(name))
            _check_size(name, found.meta["size"], MANIFEST_BYTES)
            return bytes(await found.bytes_async())
        except (obstore.exceptions.BaseError, OSError) as error:
            raise LandingError(f"{name}: {error}") from error

    async def fetch(self, name: str, target: Path) -> None:
        """A copy, as a stream."""
        try:
            found = await obstore.get_async(self._store, self._path(name))
            _check_size(name, found.meta["size"], FILE_BYTES)
            file = await asyncio.to_thread(target.open, "wb")
            try:
                async for chunk in found.stream(min_chunk_size=_CHUNK_BYTES):
                    await asyncio.to_thread(file.write, chunk)
            finally:
                await asyncio.to_thread(file.close)
        except (obstore.exceptions.BaseError, OSError) as error:
            raise LandingError(f"{name}: {error}") from error

    def _path(self, name: str) -> str:
        return f"{self._prefix}/{plain(name)}" if self._prefix else plain(name)


@asynccontextmanager
async def open_landing(
    address: str, *, key_file: Path | None = None, known_hosts: Path | None = None
) -> AsyncIterator[Landing]:
    """The place at `address`: a folder, `sftp://user@host:port/folder`, or an object store (`s3://bucket/prefix` …).

    SFTP takes the key in `key_file` and talks only to a host that `known_hosts` names. An object store's credentials
    come from its own environment variables. Raises LandingError.
    """
    parts = urlsplit(address)
    if parts.scheme in ("", "file"):
        yield LocalFolder(Path(unquote(parts.path)))
    elif parts.scheme == "sftp":
        if known_hosts is None or key_file is None:
            raise LandingError("SFTP needs a key file and a file of known hosts")
        async with _connected(address, key_file, known_hosts) as client:
            yield SftpFolder(client, unquote(parts.path) or ".")
    elif parts.scheme in _SCHEMES:
        yield ObjectFolder(from_url(address))
    else:
        raise LandingError(f"{parts.scheme}:// is no landing place; known are folders, sftp, {', '.join(_SCHEMES)}")


@asynccontextmanager
async def _connected(address: str, key_file: Path, known_hosts: Path) -> AsyncIterator[asyncssh.SFTPClient]:
    parts = urlsplit(address)
    try:
        connection = await asyncssh.connect(
            parts.hostname or "",
            parts.port or 22,
            username=unquote(parts.username or ""),
            client_keys=[str(key_file)],
            known_hosts=str(known_hosts),
            config=None,
            agent_path=None,
            preferred_auth="publickey",
            connect_timeout=_TIMEOUT_SECONDS,
            login_timeout=_TIMEOUT_SECONDS,
            keepalive_interval=_TIMEOUT_SECONDS,
        )
    except (asyncssh.Error, OSError) as error:
        raise LandingError(f"{parts.hostname}: {error}") from error
    async with connection, connection.start_sftp_client() as client:
        yield client


def plain(name: str) -> str:
    """The name, if it can be that of a file in this very folder. Raises LandingError."""
    if name in ("", ".", "..") or "/" in name or "\\" in name or "\x00" in name:
        raise LandingError(f"{name!r} is no plain file name")
    return name


def _check_size(name: str, size: int, most: int) -> None:
    if size > most:
        raise LandingError(f"{name} has {size} bytes; at most {most} are taken")


def _text(name: str | bytes) -> str:
    return name if isinstance(name, str) else name.decode("utf-8", "replace")
