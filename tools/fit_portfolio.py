"""Fit the portfolio generator: `python -m tools.fit_portfolio FILE.csv` writes simulation/portfolio/fitted.json."""

from __future__ import annotations

import argparse
from pathlib import Path

from simulation.portfolio.fit import fit_file
from simulation.portfolio.fitted import FITTED_FILE


def main() -> None:
    """Read the source, fit, write the parameters, print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="the UCI file, or a CSV of its form")
    parser.add_argument("--output", type=Path, default=FITTED_FILE)
    arguments = parser.parse_args()
    fitted = fit_file(arguments.source)
    arguments.output.write_text(fitted.model_dump_json() + "\n")
    print(f"{fitted.source} {fitted.sha256[:16]}: {fitted.accounts} accounts, {fitted.overdue_accounts} late in August")
    for months_late, behaviour in fitted.repayment.items():
        print(
            f"  {months_late} late: {behaviour.accounts} moves, cure {behaviour.cure:.3f}, "
            f"back {behaviour.roll_back:.3f}, stay {behaviour.stay:.3f}, forward {behaviour.roll_forward:.3f}"
        )
    print(f"written: {arguments.output.name} ({arguments.output.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
