"""`access`: what a person is given who asks what is kept about them, by all five services."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer
from rich.console import Console

from cli.attached import Prefix, refusal

if TYPE_CHECKING:
    from shared.settings import ServiceSettings
    from shared.web.client import ServiceClient

Document = dict[str, Any]
CLIENT = "rights-desk"
_DEADLINE_SECONDS = 60.0
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}"
    "h2{margin-top:3rem;border-bottom:1px solid #999}h3{margin-top:2rem}li{margin:.4rem 0}.about{color:#444}"
)


def access(
    party: Annotated[UUID, typer.Option(help="The person who asked.")],
    out: Annotated[Path, typer.Option(help="HTML file, English and Chinese; must not exist. `.json` beside it.")],
    by: Annotated[str, typer.Option(help="Who gives it.")],
    reason: Annotated[str | None, typer.Option(help="Why it is read; needed where records are restricted.")] = None,
    received: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Date of the request (UTC); now when left out.")
    ] = None,
    prefix: Prefix = None,
) -> None:
    """Write everything that all five services keep about a person, in plain words, without other people's data.

    The services are asked as the rights desk: those that run here, or those of DOORSTEP_INTAKE_URL and its like, with
    DOORSTEP_OIDC_CLIENT_ID and _SECRET. One that does not answer makes no pack. That the pack was given, with the clock
    of the request, becomes a leaf of the log, which commits to all of it.
    """
    beside = out.with_suffix(".json")
    if out.exists() or beside.exists():
        raise refusal(f"refused: {out} or {beside} exists")
    settings = rights_desk_settings(prefix)
    received_at = datetime.now(UTC) if received is None else received.replace(tzinfo=UTC)
    document = asyncio.run(_collect(settings, party, received_at=received_at, by=by, reason=reason))
    out.write_text(page(document), encoding="utf-8")
    beside.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    entries = sum(len(one["rows"]) for part in document["parts"].values() for one in part["lists"])
    given = document["parts"]["compliance"]
    console = Console(soft_wrap=True)
    console.print(
        f"{out}: {entries} entries of {len(document['parts'])} services, to be given by {given['answer_by']}; "
        f"leaf {document['leaf_id']}",
        markup=False,
    )


def rights_desk_settings(prefix: str | None) -> "ServiceSettings":
    """Addresses and credentials: from the environment where it names a client, else of what `serve` runs here."""
    from pydantic import SecretStr

    from cli.attached import attached_settings
    from cli.platform import ISSUER, Platform
    from cli.running import running_serve
    from shared.embedded.home import Home
    from shared.security.scopes import SERVICES
    from shared.settings import ServiceSettings

    if os.environ.get("DOORSTEP_OIDC_CLIENT_ID"):
        return ServiceSettings()
    running = running_serve(Home())
    if running is None or prefix not in (None, running["prefix"]):
        raise refusal("refused: the services do not run here; name their addresses and the rights desk's client")
    platform = Platform(prefix=running["prefix"])
    settings = attached_settings("compliance", running["prefix"])
    platform.attach()
    addresses = {f"{service}_url": running["addresses"][service] for service in SERVICES}
    client = platform.clients[CLIENT]
    return settings.model_copy(
        update=addresses
        | {
            "oidc_issuer": running["addresses"][ISSUER], "oidc_client_id": client.client_id,
            "oidc_client_secret": SecretStr(client.client_secret),
        }
    )  # fmt: skip


async def _collect(
    settings: "ServiceSettings", party: UUID, *, received_at: datetime, by: str, reason: str | None
) -> Document:
    async with clients_of(settings) as clients:
        return await collect(clients, party, received_at=received_at, by=by, reason=reason)


@asynccontextmanager
async def clients_of(settings: "ServiceSettings") -> AsyncIterator[Mapping[str, "ServiceClient"]]:
    """A client of each service, under one token."""
    from shared.security.scopes import SERVICES
    from shared.security.token_source import ClientCredentials
    from shared.web.client import ServiceClient

    tokens = ClientCredentials.from_settings(settings)
    async with AsyncExitStack() as opened:
        opened.push_async_callback(tokens.close)
        yield {
            service: await opened.enter_async_context(
                ServiceClient(
                    service=service,
                    base_url=getattr(settings, f"{service}_url"),
                    token_source=tokens,
                    deadline_seconds=_DEADLINE_SECONDS,
                    attempt_timeout_seconds=_DEADLINE_SECONDS,
                    max_attempts=2,
                )
            )
            for service in SERVICES
        }


async def collect(
    clients: Mapping[str, "ServiceClient"], party: UUID, *, received_at: datetime, by: str, reason: str | None
) -> Document:
    """What all services keep about the person, and the leaf that proves it. In the order that the proof needs:

    1. The other four give their lists.
    2. Compliance is told the digest of each, gives its own, and commits to all in one leaf.

    Raises typer.Exit, with the service that refused or did not answer named: then there is no pack.
    """
    from shared.access.lists import digest_of
    from shared.web.client import RemoteProblem, RemoteUnavailable

    asked: dict[str, Any] = {"received_at": received_at.isoformat(), "given_by": by}
    parts: dict[str, Document] = {}
    try:
        for service in (name for name in clients if name != "compliance"):
            parts[service] = await clients[service].get(f"/v1/parties/{party}/access-lists", Document, params=asked)
        asked["others"] = [f"{service}:{digest_of(part).hex()}" for service, part in parts.items()]
        if reason is not None:
            asked["reason"] = reason
        given = await clients["compliance"].get(f"/v1/parties/{party}/access-pack", Document, params=asked)
    except RemoteUnavailable as error:
        raise refusal(
            f"refused: {error.service} does not answer ({error.reason}); without it there is no pack"
        ) from error
    except RemoteProblem as error:
        detail = error.document.get("detail") or error.document.get("title") or ""
        raise refusal(f"refused: {error.service}: {error.kind} {detail}".rstrip()) from error
    leaf_id = given.pop("leaf_id")
    return {"party_id": str(party), "leaf_id": leaf_id, "parts": parts | {"compliance": given}}


def page(document: Mapping[str, Any]) -> str:
    """The pack as one page that loads nothing: all of it in English, then all of it in Chinese."""
    from shared.access.texts import LANGUAGES, common_texts

    texts, given = common_texts(), document["parts"]["compliance"]
    said = {"received": given["received_at"], "made": given["made_at"], "leaf_id": document["leaf_id"], **given}
    lines = [
        "<!doctype html><html><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>",
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{escape(texts.said('title', language='en'))}</title><style>{_STYLE}</style></head><body>",
    ]
    for language in LANGUAGES:
        lines.append(f"<section lang='{language}'><h1>{escape(texts.said('title', language=language))}</h1>")
        for name in ("intro", "automated", "rights", "clock", "proof"):
            lines.append(f"<p>{escape(texts.said(name, language=language).format_map(said))}</p>")
        for part in document["parts"].values():
            lines += _part(part, language, none=texts.said("none", language=language))
        lines.append("</section>")
    return "\n".join([*lines, "</body></html>"]) + "\n"


def _part(part: Mapping[str, Any], language: str, *, none: str) -> list[str]:
    """The lists of one service."""
    lines = [f"<h2>{escape(part['title'][language])}</h2>"]
    for one in part["lists"]:
        lines.append(f"<h3>{escape(one['heading'][language])}</h3>")
        lines.append(f"<p class='about'>{escape(one['about'][language])}</p>")
        rows = "".join(f"<li>{escape(row['words'][language])}</li>" for row in one["rows"])
        lines.append(f"<ol>{rows}</ol>" if rows else f"<p>{escape(none)}</p>")
    return lines
