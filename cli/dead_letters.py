"""`dlq`: records that a service could not process. Works beside the services, as the service's own database role."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

import typer
from rich.console import Console

from cli.attached import Prefix, attached_settings, refusal
from shared.events.topics import SERVICES

if TYPE_CHECKING:
    from shared.database.engine import Database
    from shared.messaging.dead_letters import DeadLetter, Replayer
    from shared.security.sealing import RecordSealer
    from shared.settings import ServiceSettings

dead_letters_app = typer.Typer(no_args_is_help=True, help="Dead letters: records a service could not process.")
console = Console(soft_wrap=True)

State = Literal["open", "replayed", "discarded"]
Service = Annotated[str, typer.Argument(help=", ".join(SERVICES))]
LetterId = Annotated[UUID, typer.Argument(help="Id of the dead letter, from `dlq list`.")]


@dataclass(frozen=True)
class Desk:
    """What an operator needs of one service."""

    settings: "ServiceSettings"
    database: "Database"
    sealer: "RecordSealer"


@dead_letters_app.command("list")
def list_open(
    service: Service,
    state: Annotated[State, typer.Option(help="Which letters.")] = "open",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    prefix: Prefix = None,
) -> None:
    """List dead letters, without their content."""
    asyncio.run(_list(_known(service), state, limit, prefix))


@dead_letters_app.command()
def show(service: Service, letter: LetterId, prefix: Prefix = None) -> None:
    """Show one dead letter with its raw record, which may hold personal data."""
    asyncio.run(_show(_known(service), letter, prefix))


@dead_letters_app.command()
def replay(service: Service, letter: LetterId, prefix: Prefix = None) -> None:
    """Process the letter again, with all that waits behind it for the same party, and release the party."""
    asyncio.run(_replay(_known(service), letter, prefix))


@dead_letters_app.command()
def discard(service: Service, letter: LetterId, prefix: Prefix = None) -> None:
    """Give the letter up for good, process what waits behind it for the same party, and release the party."""
    asyncio.run(_discard(_known(service), letter, prefix))


async def _list(service: str, state: State, limit: int, prefix: str | None) -> None:
    from shared.messaging.dead_letters import list_dead_letters

    async with _desk(service, prefix) as desk, desk.database.read_only() as uow:
        letters = await list_dead_letters(uow, state=state, limit=limit)
    for letter in letters:
        for line in _lines(letter):
            console.print(line, markup=False, highlight=False)
    if not letters:
        console.print(f"No dead letters ({state}) in {service}.")


def _lines(letter: "DeadLetter") -> list[str]:
    """Lines, not a table: what is there to be copied and searched must not be broken on a narrow terminal."""
    where = f"{letter.topic}/{letter.partition}@{letter.offset}"
    return [
        str(letter.id),
        f"  {letter.recorded_at:%Y-%m-%d %H:%M:%S}Z  {where}  {letter.type or '-'}  tried {letter.attempts} times",
        f"  {letter.reason} {letter.detail}",
    ]


async def _show(service: str, letter_id: UUID, prefix: str | None) -> None:
    from shared.messaging.dead_letters import UnknownDeadLetterError, show

    async with _desk(service, prefix) as desk, desk.database.read_only() as uow:
        try:
            letter, record = await show(uow, desk.sealer, letter_id)
        except UnknownDeadLetterError as error:
            raise refusal(f"{service} has no dead letter {letter_id}.") from error
    for name in ("id", "state", "reason", "detail", "topic", "partition", "offset", "party_id", "digest", "attempts"):
        console.print(f"{name:>10}  {getattr(letter, name)}", markup=False, highlight=False)
    for header, value in record.headers:
        console.print(f"    header  {header}: {_text(value)}", markup=False, highlight=False)
    console.print(f"       key  {_text(record.key)}", markup=False, highlight=False)
    console.print(f"     value  {_text(record.value)}", markup=False, highlight=False)


async def _replay(service: str, letter_id: UUID, prefix: str | None) -> None:
    async with _desk(service, prefix) as desk, _replayer(service, desk) as replayer:
        handled = await _attempt(replayer.replay, service, letter_id)
    console.print(f"Replayed; {handled} records were handled.")


async def _discard(service: str, letter_id: UUID, prefix: str | None) -> None:
    async with _desk(service, prefix) as desk, _replayer(service, desk) as replayer:
        handled = await _attempt(replayer.discard, service, letter_id)
    console.print(f"Discarded; {handled} records that waited behind it were handled.")


async def _attempt(action: Callable[[UUID], Awaitable[int]], service: str, letter_id: UUID) -> int:
    from shared.messaging.dead_letters import ReplayFailedError, UnknownDeadLetterError

    try:
        return await action(letter_id)
    except UnknownDeadLetterError as error:
        raise refusal(f"{service} has no open dead letter {letter_id}.") from error
    except ReplayFailedError as error:
        raise refusal(f"It still cannot be processed ({error.reason}); nothing was changed.") from error


@asynccontextmanager
async def _desk(service: str, prefix: str | None) -> AsyncIterator[Desk]:
    from shared.database.engine import Database
    from shared.security.key_management import LocalKeyManagement
    from shared.security.sealing import RecordSealer

    settings = attached_settings(service, prefix)
    database = await Database.open(settings, settings.clock(), service=service)
    try:
        keys = LocalKeyManagement.open(settings.key_folder, service)
        yield Desk(settings=settings, database=database, sealer=RecordSealer(keys, service=service))
    finally:
        await database.close()


@asynccontextmanager
async def _replayer(service: str, desk: Desk) -> "AsyncIterator[Replayer]":
    """The service's own handlers, with what its lifespan opens for them, but none of its roles."""
    from shared.messaging.dead_letters import Replayer
    from shared.service import ServiceRuntime

    definition = import_module(f"services.{service}.app").define(desk.settings)
    runtime = ServiceRuntime(definition, roles=())
    runtime.database = desk.database
    async with AsyncExitStack() as stack:
        if definition.lifespan is not None:
            await stack.enter_async_context(definition.lifespan(runtime))
        yield Replayer(desk.database, definition.subscriptions, sealer=desk.sealer)


def _known(service: str) -> str:
    if service not in SERVICES:
        raise typer.BadParameter(f"{service!r} is none of {', '.join(SERVICES)}")
    return service


def _text(value: bytes | None) -> str:
    """Bytes as a person can read them: nothing in them reaches the terminal as a control sequence."""
    return "-" if value is None else ascii(value.decode(errors="backslashreplace"))[1:-1]
