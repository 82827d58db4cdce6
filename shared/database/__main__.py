"""`python -m shared.database services.<s>`: migrate one service's database as its owner (`DOORSTEP_OWNER_URL`)."""

import asyncio
import os
import sys

from shared.database.migrations import migrate


def main() -> None:
    """Migrate the package named on the command line. Exits with 2 and a sentence when something is missing."""
    owner_url = os.environ.get("DOORSTEP_OWNER_URL")
    if len(sys.argv) != 2 or not owner_url:
        sys.exit("usage: DOORSTEP_OWNER_URL=postgresql://… python -m shared.database services.<service>")
    asyncio.run(migrate(owner_url, sys.argv[1]))


main()
