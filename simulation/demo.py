"""`./doorstep demo`: a portfolio of overdue loans through all five services, judged at the end."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from rich.console import Console

from shared.clock import SteppedClock
from simulation.api import Api
from simulation.behaviour import Behaviour
from simulation.core.bank import BankCore
from simulation.core.ledger import Ledger
from simulation.core.messages import Opening, opening
from simulation.core.port import served
from simulation.display import Display
from simulation.evidence import examine_log, gather_history, wait_for_log
from simulation.figures import read_figures
from simulation.oracle import Verdict, judge
from simulation.pace import Pace
from simulation.platform import CORE_PRINCIPAL, Platform
from simulation.portfolio.accounts import Account
from simulation.portfolio.fitted import Fitted, load_fitted
from simulation.portfolio.generate import generate_accounts
from simulation.portfolio.uci import read_accounts
from simulation.report import write_report
from simulation.story import FIRST_DAY, SHIFT, Cast, Size, Story, Told, local
from simulation.summary import Outcome, print_summary

FRESHNESS = timedelta(seconds=2)
DEFAULT_SEED = 20_260_302
START = local(FIRST_DAY, SHIFT[0]) - timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What to run. `folder` receives report.html and the exported log. `approvers`: fingerprints of who released the
    rules.
    """

    folder: Path
    portfolio: Path | None = None
    parties: int = 3_000
    size: Size = field(default_factory=Size)
    seed: int = DEFAULT_SEED
    approvers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Books:
    """The portfolio as the core's books, with its first messages."""

    ledger: Ledger
    opening: Opening
    fitted: Fitted


def prepare_books(options: DemoOptions) -> Books:
    """Read or generate the portfolio. Raises PortfolioError, OSError."""
    fitted = load_fitted()
    accounts: list[Account]
    if options.portfolio is not None:
        accounts = read_accounts(options.portfolio)
    else:
        accounts = generate_accounts(fitted, count=options.parties, seed=options.seed)
    ledger = Ledger.of(accounts, as_of=FIRST_DAY, seed=options.seed)
    return Books(ledger, opening(ledger, at=START, seed=options.seed), fitted)


def platform_environment(*, clock_file: Path, core_port: int) -> dict[str, str]:
    """Settings that the demo gives to every service: stepped clock, the simulated core, F = 2 s."""
    return {
        "DOORSTEP_CLOCK_FILE": str(clock_file),
        "DOORSTEP_CORE_URL": f"http://127.0.0.1:{core_port}",
        "DOORSTEP_FRESHNESS_LIMIT_SECONDS": str(FRESHNESS.total_seconds()),
        # Business time stands still until nothing is due: what is chosen must not wait for real seconds to pass.
        "DOORSTEP_INTAKE_CHOOSE_AFTER_SECONDS": "0",
    }


async def run(
    platform: Platform, options: DemoOptions, books: Books, *, clock: SteppedClock, core_port: int, console: Console
) -> int:
    """The run on a started platform; returns the exit code: 0 only when everything holds.

    Raises UnexpectedAnswer, NotQuiet and what Kafka raises: the caller decides how to show them.
    """
    began = time.monotonic()
    behaviour = Behaviour(books.fitted, seed=options.seed)
    core = BankCore(
        books.ledger, kafka=platform.kafka.client_options(CORE_PRINCIPAL), prefix=platform.prefix, seed=options.seed
    )
    async with Api(platform) as api, served(books.ledger, host="127.0.0.1", port=core_port), core:
        with Display(api, console) as display:
            pace = Pace(api, clock)
            cast = Cast(
                api=api, pace=pace, platform=platform, core=core, opening=books.opening, behaviour=behaviour,
                seed=options.seed, size=options.size, report=display.step, say=display.say, refresh=display.refresh,
            )  # fmt: skip
            told = await Story(cast).run()
            display.say("reading back, verifying, judging")
            outcome = await _conclude(platform, api, books, options, told)
        seconds = time.monotonic() - began
        report = await write_report(api, platform, outcome, options.folder / "report.html")
        print_summary(console, outcome, report=report, seconds=seconds)
    return 0 if outcome.holds else 1


async def _conclude(platform: Platform, api: Api, books: Books, options: DemoOptions, told: Told) -> Outcome:
    await wait_for_log(api)
    log, figures, history = await asyncio.gather(
        examine_log(api, options.folder, approvers=options.approvers),
        read_figures(api, business_date=books.ledger.business_date.isoformat()),
        gather_history(platform, api, books.ledger, freshness=FRESHNESS),
    )
    verdict: Verdict = judge(history)
    return Outcome(figures=figures, log=log, verdict=verdict, told=told, history=history)
