"""The API's documentation page: one self-contained document that renders `/openapi.json` and needs no other host."""

from __future__ import annotations

import base64
import hashlib
import html
from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import HTMLResponse

_PAGE = files("shared.web").joinpath("docs_page.html").read_text(encoding="utf-8")


def _source_of(tag: str) -> str:
    content = _PAGE.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


# Only the page's own script and style run, by digest, and only this service is asked.
_POLICY = (
    f"default-src 'none'; script-src {_source_of('script')}; style-src {_source_of('style')}; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def docs_router(*, title: str) -> APIRouter:
    """The route `/docs`."""
    router = APIRouter()
    page = _PAGE.replace("{{title}}", html.escape(title))

    @router.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        """The page."""
        return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})

    return router
