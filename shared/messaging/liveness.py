"""Liveness from the loops themselves: each beats, and one that has not for too long makes the process unhealthy."""

from __future__ import annotations

import time

STUCK_AFTER_SECONDS = 120.0


class Pulse:
    """The last beat of each loop of one role. Beats mean 'I went round', not 'I succeeded'."""

    def __init__(self, role: str) -> None:
        self.role = role
        self._beats: dict[str, float] = {}

    def beat(self, loop: str) -> None:
        """The loop went round."""
        self._beats[loop] = time.monotonic()

    def forget(self, loop: str) -> None:
        """The loop ended on purpose."""
        self._beats.pop(loop, None)

    def stuck(self, *, after_seconds: float = STUCK_AFTER_SECONDS) -> list[str]:
        """The loops whose last beat is older than `after_seconds`."""
        limit = time.monotonic() - after_seconds
        return [f"{self.role}:{loop}" for loop, beat in self._beats.items() if beat < limit]
