"""The readable index of a pack: one page that loads nothing, read from the pack's own files."""

from __future__ import annotations

import itertools
import json
from html import escape
from pathlib import Path
from typing import Any, Final

from services.compliance.evidence.files import Lines, PackFolder
from services.compliance.evidence.scope import Scope
from services.compliance.store.log import StoredCheckpoint

SHOWN: Final = 1_000
_COLUMNS: Final = {
    "contacts": (
        "started_at", "ended_at", "channel", "purpose", "party_id", "permit_id", "verdict", "findings", "told_by",
        "leaf_index",
    ),
    "decisions": ("decided_at", "answer", "channel", "purpose", "refused_by", "party_id", "decision_id", "leaf_index"),
    "permits": (
        "window_start", "window_end", "channel", "purpose", "state", "used_at", "revoke_cause", "release_cause",
        "party_id", "permit_id",
    ),
    "findings": (
        "recorded_at", "rule", "citation", "severity", "conduct", "harm", "state", "step", "detail", "finding_id",
        "version", "contact_id",
    ),
    "complaints": (
        "received_at", "channel", "state", "step", "by_whom", "owner", "words", "clock_rule", "answer_by",
        "complaint_id", "version",
    ),
    "holds": ("valid_from", "valid_to", "kind", "scope", "source_ref", "ended_at", "ended_cause", "party_id"),
}  # fmt: skip
_STYLE: Final = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem;color:#1b1b1b}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{border-collapse:collapse;width:100%;font-size:13px}
th,td{border:1px solid #c9c9c9;padding:.25rem .45rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{background:#f0f0f0}code,pre{font:13px ui-monospace,monospace}pre{background:#f5f5f5;padding:.7rem;overflow:auto}
.wide{overflow-x:auto}@media print{body{margin:0;max-width:none}}
"""


def write(files: PackFolder, scope: Scope, head: StoredCheckpoint) -> None:
    """Write `index.html` from what the pack's files hold so far."""
    counts = dict(files.counts)
    with files.lines("index.html") as lines:
        _write_top(lines, scope, head)
        lines.add_text("<h2>What it holds</h2><table><tr><th>file</th><th>lines</th></tr>")
        for name, count in sorted(counts.items()):
            if not name.startswith(("leaves/", "leaf_hashes/")):
                lines.add_text(f"<tr><td><a href='{escape(name)}'>{escape(name)}</a></td><td>{count}</td></tr>")
        leaves = sum(count for name, count in counts.items() if name.startswith("leaves/"))
        if leaves:
            lines.add_text(f"<tr><td>leaves/, leaf_hashes/</td><td>{leaves} leaves</td></tr>")
        lines.add_text("</table>")
        for table, columns in _COLUMNS.items():
            _write_table(lines, files.draft / f"{table}.jsonl", table, columns, counts[f"{table}.jsonl"])
        lines.add_text("</body></html>")


def _write_top(lines: Lines, scope: Scope, head: StoredCheckpoint) -> None:
    title = f"Evidence: {scope.kind} {scope.name}"
    lines.add_text("<!doctype html><html lang='en'><head><meta charset='utf-8'>")
    lines.add_text("<meta name='viewport' content='width=device-width'>")
    lines.add_text(
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    )
    lines.add_text(f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>")
    if scope.start is not None and scope.end is not None:
        lines.add_text(f"<p>From {scope.start.isoformat()} to before {scope.end.isoformat()}.</p>")
    lines.add_text(
        f"<p>Closed by the audit log's checkpoint of {head.size} leaves. Times are UTC. This page only shows what the "
        "files hold; what is proved is what the verifier says about them:</p>"
    )
    lines.add_text(
        "<pre>python3 verify_log.py FOLDER --fingerprint LOG_KEY_FINGERPRINT --witness WITNESS_FINGERPRINT</pre>"
    )
    lines.add_text(f"<h2>The checkpoint</h2><pre>{escape(head.note)}</pre>")


def _write_table(lines: Lines, path: Path, table: str, columns: tuple[str, ...], count: int) -> None:
    lines.add_text(f"<h2 id='{table}'>{table.capitalize()} ({count})</h2>")
    if not count:
        lines.add_text("<p>None.</p>")
        return
    lines.add_text("<div class='wide'><table><tr>" + "".join(f"<th>{_words(name)}</th>" for name in columns) + "</tr>")
    with path.open(encoding="utf-8") as rows:
        for line in itertools.islice(rows, SHOWN):
            row = json.loads(line)
            lines.add_text("<tr>" + "".join(f"<td>{_cell(row.get(name))}</td>" for name in columns) + "</tr>")
            if "deleted" in row:
                lines.add_text(f"<tr><td colspan='{len(columns)}'>↳ {escape(row['deleted'])}</td></tr>")
    lines.add_text("</table></div>")
    if count > SHOWN:
        lines.add_text(f"<p>The other {count - SHOWN} are in <a href='{path.name}'>{path.name}</a>.</p>")


def _words(name: str) -> str:
    return escape(name.replace("_", " "))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return escape(", ".join(str(one) for one in value) if isinstance(value, list) else str(value))
