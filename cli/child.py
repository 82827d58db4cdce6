"""`python -m cli.child MODULE ARG…`: runs a module as a child that never outlives its parent.

The parent keeps the other end of standard input. When it dies, however it dies, the pipe ends and this process stops:
gracefully at first, by force after a while. Portable, unlike Linux's PR_SET_PDEATHSIG, which moreover fires when the
*thread* that started the child ends.
"""

import gc
import os
import runpy
import signal
import sys
import threading
import time

GRACE_SECONDS = 15


def _stop_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_stop_with_parent, name="parent-watch", daemon=True).start()
    # What a module imports stays: each look of the collector at it is wasted, a tenth of the start.
    gc.set_threshold(100_000, 50, 100)
    # A command of httpx's own, with all that draws on terminals: as much time again as the rest of it.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]  # as if not installed, which httpx allows for
    module = sys.argv[1]
    sys.argv = sys.argv[1:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
