"""The whole demo on a small portfolio: every service, every forbidden act, the oracle, the log, the report."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared.embedded.home import PROJECT_FOLDER
from shared.embedded.servers import EmbeddedServers


@pytest.mark.timeout(420)
def test_demo_holds(servers: EmbeddedServers, tmp_path: Path) -> None:
    """Exit code 0 means: no breach, all forbidden acts refused, log verified, no difference with the core."""
    environment = os.environ | {"DOORSTEP_HOME": str(servers.home.folder), "COLUMNS": "160"}
    command = [sys.executable, "-m", "cli", "demo", "--parties", "400", "--output", str(tmp_path)]
    run = subprocess.run(
        command, cwd=PROJECT_FOLDER, env=environment, capture_output=True, text=True, timeout=400, check=False
    )
    assert run.returncode == 0, run.stdout[-6_000:] + run.stderr[-3_000:]
    assert "Everything holds." in run.stdout
    assert "BROKEN" not in run.stdout
    assert re.search(r"FAULT leaf \d+", run.stdout)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "inclusion proved under the newest checkpoint" in page
    assert "NOT PROVED" not in page
    # Nothing is loaded from anywhere: no source, link or import.
    assert not re.search(r"\b(src|href)=|@import|url\(", page)
