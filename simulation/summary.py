"""The one page at the end: figures read back from the services, proofs, the oracle's verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from simulation.evidence import LogEvidence
from simulation.figures import Figures
from simulation.oracle import History, Verdict
from simulation.story import Told


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that is known at the end of a run."""

    figures: Figures
    log: LogEvidence
    verdict: Verdict
    told: Told
    history: History

    @property
    def holds(self) -> bool:
        """Every promise of the run was kept."""
        return not self.faults

    @property
    def faults(self) -> list[str]:
        """What is off, in words; empty when all is well."""
        visits, compliance = self.figures.summaries["visits"], self.figures.summaries["compliance"]
        faults = [f"forbidden act: {act.tried}: {act.answer}" for act in self.told.acts if not act.held]
        if not self.told.acts:
            faults.append("no forbidden act was tried")
        if not self.verdict.passed:
            faults.append(f"oracle: {self.verdict}")
        if not self.log.holds:
            faults.append(f"log: {self.log.whole.said}; damaged copy: {self.log.damaged.said}")
        if differences(self.figures):
            faults.append(f"reconciliation: {differences(self.figures)} differences with the core")
        if visits["check_ins_after_fact"]["beyond_limit"]:
            faults.append("a check-in came later than F after a stopping fact")
        if compliance["contacts_audited"] != compliance["contacts_lawful"]:
            faults.append("an audited contact was not lawful")
        return faults


def differences(figures: Figures) -> int:
    """Loans on which intake and the core disagree."""
    return int(figures.reconciliation["differences"])


def print_summary(console: Console, outcome: Outcome, *, report: Path, seconds: float) -> None:
    """Print the page."""
    summaries = outcome.figures.summaries
    page = Table(title="Doorstep: what became of the portfolio", show_header=False, min_width=100, title_style="bold")
    page.add_column(style="bold", no_wrap=True)
    page.add_column(overflow="fold")
    for name, text in [
        *_work_lines(outcome, summaries),
        *_rule_lines(summaries),
        *_proof_lines(outcome),
    ]:
        page.add_row(name, text)
    console.print(page)
    console.print(_actions_table(outcome))
    console.print(_acts_table(outcome))
    console.print(f"Report: {report}", highlight=False, soft_wrap=True)
    if outcome.holds:
        console.print(f"[bold green]Everything holds.[/] {seconds:.0f} s", highlight=False)
    for fault in outcome.faults:
        console.print(f"[bold red]OFF[/] {fault}", highlight=False)


def money(totals: Any) -> str:
    """Amounts per currency in major units: a list of Money, or a mapping of currency to minor units."""
    if isinstance(totals, Mapping):
        totals = [{"currency": currency, "amount_minor": amount} for currency, amount in totals.items()]
    return ", ".join(f"{total['currency']} {int(total['amount_minor']) / 100:,.2f}" for total in totals) or "0"


def counted(counts: Mapping[str, Any]) -> str:
    """`name 3, other 2`, largest first."""
    ordered = sorted(counts.items(), key=lambda item: -int(item[1]))
    return ", ".join(f"{name} {count:,}" for name, count in ordered if count) or "none"


def _work_lines(outcome: Outcome, summaries: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    intake, visits, plans = summaries["intake"], summaries["visits"], summaries["plans"]
    letters = {service: len(found) for service, found in outcome.figures.dead_letters.items()}
    return [
        ("Events", f"{outcome.verdict.records:,} records on all topics"),
        ("Cases", _cases(intake)),
        ("Visits", counted(visits["visits_by_state"])),
        ("At the door", counted(visits["visits_by_outcome"])),
        ("Plans", f"{counted(plans['plans'])}; refused: {counted(plans['refusals'])}"),
        ("Money", f"{_payments(intake)}; plans agreed {money(plans['agreed'])}, paid {money(plans['paid'])}"),
        ("Dead letters", f"{counted(letters)} (malformed on purpose; their parties are parked)"),
        ("Recalls", _recalls(visits, summaries["compliance"])),
        ("SOS", f"{visits['sos']['count']} accepted; check-ins later than F after a fact: "
                f"{visits['check_ins_after_fact']['beyond_limit']}"),
    ]  # fmt: skip


def _payments(intake: dict[str, Any]) -> str:
    return ", ".join(
        f"{each['posted']:,} payments, {money({each['currency']: each['posted_minor']})}; {each['reversed']} taken back"
        for each in intake["payments"]
    )


def _cases(intake: dict[str, Any]) -> str:
    return (
        f"{intake['cases_open']:,} open ({counted(intake['open_by_bucket'])}), {intake['cases_cured']:,} cured; "
        f"{intake['cases_held']:,} held (person unknown), {intake['cases_suspended']:,} suspended; "
        f"overdue {money(intake['overdue_totals'])}"
    )


def _rule_lines(summaries: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    compliance, visits = summaries["compliance"], summaries["visits"]
    refused = {each["rule"]: each["count"] for each in compliance["refused_by_rule"]}
    return [
        ("Permits", f"{compliance['permits_granted']:,} granted ({counted(compliance['permits'])}); "
                    f"decisions: {counted(compliance['decisions'])}"),
        ("Refused by rule", counted(refused)),
        ("Check-ins refused", counted(visits["refused_check_ins_by_reason"])),
        ("Contacts audited", f"{compliance['contacts_audited']:,}, lawful {compliance['contacts_lawful']:,}, "
                             f"findings {compliance['findings']:,}"),
    ]  # fmt: skip


def _proof_lines(outcome: Outcome) -> list[tuple[str, str]]:
    compliance = outcome.figures.summaries["compliance"]
    recovery = outcome.told.recovery_seconds
    return [
        ("Audit log", f"{compliance['leaves']:,} leaves, {compliance['checkpoints']:,} checkpoints, "
                      f"{outcome.log.size_bytes / 1e6:.1f} MB; {_last(outcome.log.whole.said)}"),
        ("One flipped byte", outcome.log.damaged.said.replace("\n", "; ")),
        ("compliance killed", "not tried" if recovery is None else f"decided again {recovery:.1f} s after its restart"),
        ("Reconciliation", f"{outcome.figures.reconciliation['loans_compared']:,} loans compared with the core's "
                           f"books: {differences(outcome.figures)} differences"),
        ("Oracle", str(outcome.verdict)),
    ]  # fmt: skip


def _recalls(visits: dict[str, Any], compliance: dict[str, Any]) -> str:
    recalls, revoked = visits["recalls"], compliance["recalls"]
    if not recalls["count"]:
        return "none"
    return (
        f"{recalls['count']} visits, fact to recall p50 {recalls['p50_ms']:.0f} ms, p95 {recalls['p95_ms']:.0f} ms, "
        f"p99 {recalls['p99_ms']:.0f} ms; {revoked['count']} permits revoked, p95 {revoked['p95_ms']} ms"
    )


def _actions_table(outcome: Outcome) -> Table:
    """What the strategy has every open case wait for, as intake's API counts it."""
    table = Table(title="What happens next, by the strategy in force", min_width=100)
    actions = sorted(outcome.figures.next_actions, key=lambda each: -(each["champion"] + each["challenger"]))
    for each in actions:
        table.add_column(each["action"].replace("_", " "), justify="right")
    table.add_row(*(f"{each['champion'] + each['challenger']:,}" for each in actions))
    return table


def _acts_table(outcome: Outcome) -> Table:
    table = Table("tried", "must be", "answer", "", title="Forbidden acts, and what must always work", min_width=100)
    for act in outcome.told.acts:
        table.add_row(act.tried, act.must, act.answer, "[green]held[/]" if act.held else "[red]BROKEN[/]")
    return table


def _last(text: str) -> str:
    return text.rsplit("\n", 1)[-1]
