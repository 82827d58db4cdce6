"""`export`: lists of a service as files, whole or not at all, and gone on with where they were interrupted."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from cli.attached import development_client, problem_in_words, refusal, running_platform

if TYPE_CHECKING:
    import httpx

    from shared.security.token_source import TokenSource

export_app = typer.Typer(no_args_is_help=True, help="Lists of a service as files.")
PATH: Final = "/v1/exports/cases"
CLIENT: Final = "operator"
_ATTEMPTS: Final = 5
Advance = Callable[["State"], None]


class BrokenOffError(Exception):
    """The service could not be asked; what is certain is kept."""


class OverError(Exception):
    """The moment of which the list was read is no longer held."""


class RefusedError(Exception):
    """The service does not give this list."""


@dataclass(frozen=True)
class State:
    """How far a file is: `cursor` of the next piece, the bytes that are certain, cases examined, and of how many."""

    filters: dict[str, str]
    cursor: str | None = None
    size_bytes: int = 0
    examined: int = 0
    in_all: int = 0
    ended: bool = False


@export_app.command()
def cases(
    to: Annotated[Path, typer.Option(dir_okay=False, help="The CSV file; must not exist. Interrupted: run it again.")],
    only: Annotated[
        list[str] | None, typer.Option(help="A filter of GET /v1/cases as name=value, such as bucket=B2; repeatable.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Address of intake; that of the running `serve` when left out.")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew though a part is there.")] = False,
) -> None:
    """Write the list of cases as CSV, a row per case and currency, without personal data, all of one moment.

    Elsewhere than beside `serve`, DOORSTEP_OIDC_ISSUER, DOORSTEP_OIDC_CLIENT_ID and DOORSTEP_OIDC_CLIENT_SECRET name
    the client that asks.
    """
    filters = dict(_pair(one) for one in only or ())
    columns = (
        TextColumn("cases"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("cases", total=None, rows="")

        def advance(state: State) -> None:
            done = max(state.in_all, 1) if state.ended else min(state.examined, state.in_all)
            text = (
                f"{state.examined:,} of {state.in_all:,} examined" if not state.ended else f"{state.in_all:,} examined"
            )
            progress.update(task, completed=done, total=max(state.in_all, 1), rows=text)

        try:
            size_bytes = asyncio.run(_export(to, filters, url, restart=restart, advance=advance))
        except BrokenOffError as error:
            raise refusal(f"{error}\nWhat is certain is kept: run it again to go on.") from error
        except (FileExistsError, RefusedError) as error:
            raise refusal(f"refused: {error}") from error
    Console(soft_wrap=True).print(f"{to}: {size_bytes:,} bytes", markup=False)


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name or not value:
        raise refusal(f"refused: {text!r} is not name=value")
    return name, value


async def _export(to: Path, filters: dict[str, str], url: str | None, *, restart: bool, advance: Advance) -> int:
    import httpx

    from shared.security.authorities import trusted_authorities

    address, tokens = _asked(url)
    try:
        async with httpx.AsyncClient(base_url=address, timeout=60, verify=trusted_authorities()) as http:
            return await export_cases(http, tokens, to, filters, restart=restart, advance=advance)
    finally:
        await tokens.close()


def _asked(url: str | None) -> tuple[str, Any]:
    """Intake's address and the tokens of whoever asks."""
    from cli.platform import ISSUER
    from shared.security.token_source import ClientCredentials

    client_id, secret = os.environ.get("DOORSTEP_OIDC_CLIENT_ID", ""), os.environ.get("DOORSTEP_OIDC_CLIENT_SECRET", "")
    if client_id and url is not None:
        issuer, audience = (
            os.environ.get("DOORSTEP_OIDC_ISSUER", ""),
            os.environ.get("DOORSTEP_OIDC_AUDIENCE", "doorstep"),
        )
        return url, ClientCredentials(issuer=issuer, client_id=client_id, client_secret=secret, audience=audience)
    state = running_platform("name --url and DOORSTEP_OIDC_*")
    client = development_client(state, CLIENT)
    tokens = ClientCredentials(
        issuer=state["addresses"][ISSUER], client_id=client.client_id, client_secret=client.client_secret,
        audience="doorstep",
    )  # fmt: skip
    return url or state["addresses"]["intake"], tokens


async def export_cases(
    http: "httpx.AsyncClient", tokens: "TokenSource", to: Path, filters: Mapping[str, str], *, restart: bool = False,
    advance: Advance = lambda _: None,
) -> int:  # fmt: skip
    """Write the file piece by piece; returns its size in bytes. It appears under its name when it is whole.

    Each piece is on the disk before the place after it is noted, so a killed export goes on after the last whole one;
    if the service no longer holds the moment of which the list is, it is begun anew.
    Raises BrokenOffError, RefusedError, FileExistsError.
    """
    part, note = to.with_name(f"{to.name}.part"), to.with_name(f"{to.name}.part.json")
    state = _begun(to, part, note, dict(filters), restart=restart)
    with part.open("r+b") as file:
        while not state.ended:
            try:
                state = await _certain_piece(http, tokens, file, state)
            except OverError:
                state = State(dict(filters))
            _note(note, state)
            advance(state)
        file.truncate(state.size_bytes)
    _finish(part, note, to)
    return state.size_bytes


def _begun(to: Path, part: Path, note: Path, filters: dict[str, str], *, restart: bool) -> State:
    if to.exists():
        raise FileExistsError(f"{to} exists")
    if restart:
        note.unlink(missing_ok=True)
    part.touch(mode=0o600)
    state = _noted(note, filters)
    # Without the bytes that were certain the note says nothing.
    return state if part.stat().st_size >= state.size_bytes else State(filters)


def _finish(part: Path, note: Path, to: Path) -> None:
    part.replace(to)
    note.unlink()


def _noted(note: Path, filters: dict[str, str]) -> State:
    if not note.exists():
        return State(filters)
    state = State(**json.loads(note.read_text()))
    if state.filters != filters:
        raise FileExistsError(f"{note} is of an export with other filters; --restart begins anew")
    return state


def _note(note: Path, state: State) -> None:
    beside = note.with_name(f"{note.name}.new")
    beside.write_text(json.dumps(asdict(state)))
    beside.replace(note)


async def _certain_piece(http: "httpx.AsyncClient", tokens: "TokenSource", file: Any, state: State) -> State:
    import httpx

    for attempt in range(_ATTEMPTS):
        # What a broken piece had written is written over.
        file.seek(state.size_bytes)
        file.truncate()
        try:
            return await _piece(http, tokens, file, state)
        except (httpx.TransportError, OSError) as error:
            if isinstance(error, OSError) or attempt == _ATTEMPTS - 1:
                raise BrokenOffError(f"broken off: {type(error).__name__} {error}") from error
        await asyncio.sleep(0.2 * 2**attempt)
    raise AssertionError("the last attempt returns or raises")


async def _piece(http: "httpx.AsyncClient", tokens: "TokenSource", file: Any, state: State) -> State:
    params = {**state.filters, **({} if state.cursor is None else {"cursor": state.cursor})}
    headers = {"Authorization": f"Bearer {await tokens.token()}"}
    async with http.stream("GET", PATH, params=params, headers=headers) as answer:
        if answer.status_code == 401:
            tokens.forget()
        if answer.status_code in (401, 502, 503, 504):
            import httpx

            raise httpx.RemoteProtocolError(f"intake answered {answer.status_code}")
        if answer.status_code == 410:
            raise OverError
        if answer.status_code != 200:
            raise RefusedError(_why(await answer.aread(), answer.status_code))
        blocks = answer.aiter_bytes()
        async for block in blocks if state.cursor is None else _without_first_line(blocks):
            file.write(block)
    file.flush()
    os.fsync(file.fileno())
    following = answer.headers.get("Doorstep-Next")
    return replace(
        state,
        cursor=following,
        size_bytes=file.tell(),
        examined=state.examined + int(answer.headers["Doorstep-Examined"]),
        in_all=int(answer.headers.get("Doorstep-Examined-In-All", state.in_all)),
        ended=following is None,
    )


def _why(body: bytes, status: int) -> str:
    try:
        return problem_in_words(json.loads(body))
    except (ValueError, LookupError, AttributeError, TypeError):
        return f"intake answered {status}"


async def _without_first_line(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The piece without its header line, which every piece begins with."""
    line, in_line = b"", True
    async for block in blocks:
        if not in_line:
            yield block
            continue
        line += block
        _, end, rest = line.partition(b"\r\n")
        if end:
            in_line = False
            yield rest
