"""How a process of ours collects garbage: seldom, for batches make it in gulps, and almost none of it in cycles."""

from __future__ import annotations

import gc


def collect_seldom() -> None:
    """What is loaded by now stays, so the collector need not look at it again. To be called once, before the work."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(300_000, 20, 100)
