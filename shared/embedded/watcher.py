"""`python -m shared.embedded.watcher HOME`: stops a home's servers when the last process that held them is gone.

Holders let go by themselves; this is for those that were killed. Runs beside the servers and ends with them.
"""

import sys
import time
from pathlib import Path

from shared.embedded.servers import EmbeddedServers

PERIOD_SECONDS = 1.0


def watch(folder: Path) -> None:
    """Waits until nobody holds the servers of `folder`, then stops them."""
    servers = EmbeddedServers(folder)
    while True:
        time.sleep(PERIOD_SECONDS)
        if servers.home.holders():
            continue
        with servers.home.locked():
            if not servers.home.holders():
                servers.stop()
                return


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
