"""What a running `serve` writes down of itself, for commands that work beside it."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from shared.embedded.home import Home, ProcessIdentity, read_state, write_private

_STATE_FILE = "serve.json"


def running_serve(home: Home) -> dict[str, Any] | None:
    """The state of a living `serve` of this home, or None."""
    state = read_state(home.folder / _STATE_FILE)
    return state if state and ProcessIdentity(**state["process"]).is_alive() else None


def say_running(home: Home, prefix: str, addresses: Mapping[str, str], *, ready: bool) -> None:
    """That this process is the home's `serve`, what its names begin with, and where its services answer."""
    state = {"process": asdict(ProcessIdentity.of(os.getpid())), "ready": ready, "prefix": prefix}
    home.folder.mkdir(parents=True, exist_ok=True)
    write_private(home.folder / _STATE_FILE, json.dumps(state | {"addresses": dict(addresses)}))


def say_ended(home: Home) -> None:
    """That it runs no more."""
    (home.folder / _STATE_FILE).unlink(missing_ok=True)
