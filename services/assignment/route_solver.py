"""Runs the routing engine outside the event loop: one child process per area, at most one per core."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import msgspec

from services.assignment.domain.routing import violations
from services.assignment.domain.routing_problem import RoutingProblem, RoutingSolution

_ROOT = Path(__file__).parents[2]
_ENGINE = "services.assignment.vroom_engine"


class RoutingFailedError(RuntimeError):
    """The engine ended without a usable plan; the area is planned again later."""


class RouteSolver:
    """Solves areas; safe to share between tasks."""

    def __init__(self, *, max_processes: int | None = None, timeout_seconds: float = 120.0) -> None:
        self._turns = asyncio.Semaphore(max_processes or os.cpu_count() or 1)
        self._timeout_seconds = timeout_seconds

    async def solve(self, problem: RoutingProblem) -> RoutingSolution:
        """Solve one area and check the plan. Raises RoutingFailedError when the engine fails, stalls or errs."""
        async with self._turns:
            output = await self._run(msgspec.json.encode(problem))
        try:
            solution = msgspec.json.decode(output, type=RoutingSolution)
        except msgspec.DecodeError as error:
            raise RoutingFailedError("the engine's answer is not a plan") from error
        found = violations(problem, solution)
        if found:
            raise RoutingFailedError(f"the plan cannot be driven: {found[0]}")
        return solution

    async def _run(self, problem: bytes) -> bytes:
        environment = {**os.environ, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            _ENGINE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(problem), self._timeout_seconds)
        except TimeoutError as error:
            raise RoutingFailedError("the engine took too long") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise RoutingFailedError(f"the engine ended with status {process.returncode}")
        return output
