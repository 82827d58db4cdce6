"""`access`: what a person is given who asks what is kept about them."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer
from rich.console import Console

from cli.attached import DatabaseUrl, KeyFolder, Prefix, compliance_settings, refusal

if TYPE_CHECKING:
    from services.compliance.access_desk import GivenPack
    from shared.settings import ServiceSettings

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}"
    "h2{margin-top:2rem}li{margin:.4rem 0}.about{color:#444}"
)


def access(
    party: Annotated[UUID, typer.Option(help="The person who asked.")],
    out: Annotated[Path, typer.Option(help="HTML file, English and Chinese; must not exist. `.json` beside it.")],
    by: Annotated[str, typer.Option(help="Who gives it.")],
    reason: Annotated[str | None, typer.Option(help="Why it is read; needed where records are restricted.")] = None,
    received: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Date of the request (UTC); today when left out.")
    ] = None,
    database: DatabaseUrl = None,
    keys: KeyFolder = None,
    prefix: Prefix = None,
) -> None:
    """Write everything that compliance keeps about a person, in plain words, without other people's data.

    The clock of the request is recorded, and that the pack was given becomes a leaf of the log.
    """
    beside = out.with_suffix(".json")
    if out.exists() or beside.exists():
        raise refusal(f"refused: {out} or {beside} exists")
    settings = compliance_settings(database, keys, prefix)
    given = asyncio.run(_give(settings, party, received, by, reason))
    document = given.pack.document()
    out.write_text(page(document), encoding="utf-8")
    beside.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    rows = sum(len(one.rows) for one in given.pack.lists)
    console = Console(soft_wrap=True)
    console.print(f"{out}: {rows} entries, to be given by {document['answer_by']}; leaf {given.leaf_id}", markup=False)


async def _give(
    settings: "ServiceSettings", party: UUID, received: datetime | None, by: str, reason: str | None
) -> "GivenPack":
    from services.compliance.access_desk import give_pack
    from services.compliance.domain.packs import PackError
    from services.compliance.erased import PartyErased
    from services.compliance.instruments import Instruments
    from services.compliance.restricted import ReasonNeeded
    from shared.database import Database
    from shared.web.problems import NotFound

    try:
        instruments = Instruments.open(settings)
    except PackError as error:
        raise refusal(f"refused: {error}") from error
    database = await Database.open(settings, settings.clock(), service="compliance")
    try:
        async with database.unit_of_work() as uow:
            received_at = uow.now if received is None else min(received.replace(tzinfo=UTC), uow.now)
            return await give_pack(uow, instruments, party, received_at=received_at, by_whom=by, reason=reason)
    except (PartyErased, NotFound, ReasonNeeded) as error:
        raise refusal(f"refused: {error}") from error
    finally:
        await database.close()


def page(document: Mapping[str, Any]) -> str:
    """The pack as one page that loads nothing: all of it in English, then all of it in Chinese."""
    from services.compliance.access_desk import access_texts

    texts = access_texts()
    said = {"received": document["received_at"], "made": document["made_at"]}
    lines = [
        "<!doctype html><html><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>",
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{escape(texts.said('title', language='en'))}</title><style>{_STYLE}</style></head><body>",
    ]
    for language in ("en", "zh"):
        lines.append(f"<section lang='{language}'><h1>{escape(texts.said('title', language=language))}</h1>")
        lines.append(f"<p>{escape(texts.said('intro', language=language).format_map(said))}</p>")
        lines.append(f"<p>{escape(texts.said('clock', language=language).format_map(document))}</p>")
        for one in document["lists"]:
            lines.append(f"<h2>{escape(one['heading'][language])}</h2>")
            lines.append(f"<p class='about'>{escape(one['about'][language])}</p>")
            rows = "".join(f"<li>{escape(row['words'][language])}</li>" for row in one["rows"])
            lines.append(f"<ol>{rows}</ol>" if rows else f"<p>{escape(texts.said('none', language=language))}</p>")
        lines.append(f"<p>{escape(texts.said('rights', language=language))}</p></section>")
    return "\n".join([*lines, "</body></html>"]) + "\n"
