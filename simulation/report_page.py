"""The report's page: HTML without any address outside itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from string import Template
from typing import Final

_COLOURS: Final = (
    "#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22",
    "#005f73", "#9b2226",
)  # fmt: skip

PAGE: Final = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Doorstep: report of a run</title><style>
:root{color-scheme:light dark;--ink:#1c2733;--soft:#5b6b7b;--line:#d9e0e7;--good:#1a7f4b;--bad:#b3261e;
--accent:#1f5fa8;--page:#f6f8fa;--card:#fff;--map:#fbfcfd}
@media(prefers-color-scheme:dark){:root{--ink:#e4e9ee;--soft:#a3b0bd;--line:#35414d;--good:#5fd39a;--bad:#ff8a80;
--accent:#7db4f0;--page:#12181e;--card:#1a222a;--map:#e9eef2}}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);margin:0;background:var(--page)}
main{max-width:1080px;margin:0 auto;padding:24px}section{background:var(--card);border:1px solid var(--line);
border-radius:10px;padding:20px 24px;margin:18px 0}h1{font-size:26px;margin:8px 0}h2{font-size:18px;margin:0 0 12px}
p.note{color:var(--soft);margin:4px 0 12px}table{border-collapse:collapse;width:100%}td,th{text-align:left;
padding:6px 10px;border-bottom:1px solid var(--line);vertical-align:top}th{color:var(--soft);font-weight:600}
td.n{text-align:right;font-variant-numeric:tabular-nums}.bar{height:22px;background:var(--accent);border-radius:4px;
min-width:2px}.held{color:var(--good);font-weight:600}.broken{color:var(--bad);font-weight:600}svg{width:100%;
height:auto;background:var(--map);border:1px solid var(--line);border-radius:8px}ol.line{list-style:none;margin:0;
padding:0 0 0 18px;border-left:3px solid var(--line)}ol.line li{margin:0 0 14px;position:relative}
ol.line li:before{content:"";position:absolute;left:-26px;top:7px;width:12px;height:12px;border-radius:50%;
background:var(--accent)}ol.line time{color:var(--soft);font-size:13px;display:block}code{font-size:12px;
word-break:break-all}details{margin-top:4px}summary{cursor:pointer;color:var(--accent)}pre{white-space:pre-wrap;
word-break:break-all;font-size:12px;background:var(--page);padding:10px;border-radius:6px}
</style></head><body><main>
<h1>Doorstep: report of a run</h1>
<p class="note">$lead</p>
<section><h2>Verdict</h2>$verdict</section>
<section><h2>Funnel</h2>$funnel</section>
<section><h2>Routes of $day</h2><p class="note">$routes_note</p>$map</section>
<section><h2>Refusals by rule</h2>$refusals</section>
<section><h2>Forbidden acts, and what must always work</h2>$acts</section>
<section><h2>Recall times</h2><p class="note">From the fact on our topic to its effect, real time.</p>$recalls</section>
<section><h2>One customer's story</h2><p class="note">$story_note</p>$story</section>
</main></body></html>
""")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; numbers stand right."""
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return f'<td class="{"held" if value else "broken"}">{"held" if value else "BROKEN"}</td>'
    if isinstance(value, int):
        return f'<td class="n">{value:,}</td>'
    return f"<td>{escape(str(value))}</td>"


def bars(steps: Sequence[tuple[str, int]]) -> str:
    """The funnel as bars."""
    largest = max((count for _, count in steps), default=1) or 1
    rows = "".join(
        f'<tr><th scope="row" style="width:32%">{escape(name)}</th><td class="n" style="width:10%">{count:,}</td>'
        f'<td><div class="bar" style="width:{100 * count / largest:.2f}%"></div></td></tr>'
        for name, count in steps
    )
    top = "".join(f'<th scope="col">{name}</th>' for name in ("step", "count", "share of the largest"))
    return f"<table><thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table>"


def route_map(routes: Sequence[Sequence[tuple[float, float]]], *, width: int = 1000, height: int = 640) -> str:
    """Each route from the pair's home over its stops' cells and back, drawn to scale (equirectangular, WGS-84)."""
    points = [point for route in routes for point in route]
    if not points:
        return "<p>No routes.</p>"
    south, north = min(lat for lat, _ in points), max(lat for lat, _ in points)
    west, east = min(lon for _, lon in points), max(lon for _, lon in points)
    squeeze = 0.857  # cosine of 31 degrees north: a degree of longitude is shorter than one of latitude
    scale = min((width - 40) / max((east - west) * squeeze, 1e-6), (height - 40) / max(north - south, 1e-6))

    def place(point: tuple[float, float]) -> tuple[float, float]:
        return 20 + (point[1] - west) * squeeze * scale, height - 20 - (point[0] - south) * scale

    drawn = [
        _route([place(point) for point in route], _COLOURS[number % len(_COLOURS)])
        for number, route in enumerate(routes)
    ]
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="Map of the routes">{"".join(drawn)}</svg>'


def _route(places: Sequence[tuple[float, float]], colour: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    stops = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in places[1:-1])
    x, y = places[0]
    home = f'<rect x="{x - 6:.1f}" y="{y - 6:.1f}" width="12" height="12" fill="{colour}" stroke="#fff"/>'
    line = f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6" stroke-opacity=".75"/>'
    return line + stops + home


def timeline(entries: Sequence[tuple[str, str, str, str]]) -> str:
    """Entries of (time, title, text, evidence); evidence is folded away."""
    items = "".join(
        f"<li><time>{escape(moment)}</time><strong>{escape(title)}</strong> {escape(text)}"
        + (f"<details><summary>evidence</summary><pre>{escape(evidence)}</pre></details>" if evidence else "")
        + "</li>"
        for moment, title, text, evidence in entries
    )
    return f'<ol class="line">{items}</ol>'
