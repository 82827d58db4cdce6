"""The model card: what a model is, how well it does where it will be asked, and what it may not be used for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from services.intake.scoring.artefact import LOWEST_USEFUL_AUC, Purpose, model_hash
from services.intake.scoring.drift import MATERIAL_DRIFT
from services.intake.scoring.scorecard import POINTS_TO_DOUBLE_ODDS, TARGETS, Characteristic, Target
from training.evaluation import BUDGET, FOLDS, Share
from training.metrics import DRAWS, ECE_BINS, Figures
from training.train import Trained
from training.transitions import MONTH_NAMES, TEST_MONTH

_QUESTIONS: Final[Mapping[Target, str]] = {
    "cure": "Is the case current (nothing past due) a month later?",
    "roll": "Is it later by at least a month, a month later?",
    "payment": "Is any money paid in that month?",
}
_TEMPLATE: Final = Path(__file__).with_suffix(".md")
_PURPOSES: Final[Mapping[Purpose, str]] = {
    "demonstration": "It shows how scores work. It is refused in production, which runs rules until a bank's own model"
    " is approved.",
    "tenant": "Fitted on a bank's own history, for that bank only.",
}


def render(trained: Trained) -> str:
    """The card as Markdown."""
    model, rows = trained.model, trained.rows
    counts = [int((rows.month == month).sum()) for month in range(TEST_MONTH + 1)]
    return _TEMPLATE.read_text(encoding="utf-8").format(
        version=model.version,
        sha256=model_hash(trained.content),
        purpose=model.purpose,
        purpose_text=_PURPOSES[model.purpose],
        double=POINTS_TO_DOUBLE_ODDS,
        questions="\n".join(f"- **{name}**: {text}" for name, text in _QUESTIONS.items()),
        data=model.data_sha256,
        rows=len(rows),
        accounts=len(set(rows.account.tolist())),
        transitions=", ".join(
            f"{MONTH_NAMES[month]} → {MONTH_NAMES[month + 1]} {count:,}" for month, count in enumerate(counts)
        ),
        folds=FOLDS,
        fitted=", ".join(MONTH_NAMES[:TEST_MONTH]),
        test=MONTH_NAMES[TEST_MONTH],
        after=MONTH_NAMES[TEST_MONTH + 1],
        draws=DRAWS,
        bins=ECE_BINS,
        lowest=LOWEST_USEFUL_AUC,
        quality="\n".join(line for target in TARGETS for line in _quality(trained, target)),
        challenge="\n".join(_challenge(trained)),
        points="\n".join(_points(trained)),
        budget=BUDGET,
        fairness="\n".join(line for name, shares in trained.fairness.items() for line in _shares(name, shares)),
        drift=MATERIAL_DRIFT,
    )


def _quality(trained: Trained, target: Target) -> Iterator[str]:
    gates = trained.model.gates[target]
    yield f"### {target}\n"
    yield "| segment | cases | base rate | AUC | Brier (base) | slope | intercept | ECE | shown |"
    yield "|---|---|---|---|---|---|---|---|---|"
    known, new = trained.unseen[target], trained.new[target]
    for name in known:
        found = new[name] if name.endswith("new") else known[name]
        shown = "" if name not in gates else "yes" if gates[name].is_open else "**no**"  # type: ignore[index]
        if found is None:
            yield f"| {name} | under 30, or all alike | | | | | | | **no** |"
        else:
            yield f"| {name} | {_row(found)} | {shown} |"
    seen = trained.seen[target]["all overdue"]
    if seen is not None:
        yield f"\nThe model itself, on accounts it knows from earlier months: AUC {_auc(seen)}.\n"


def _row(found: Figures) -> str:
    return (
        f"{found.cases:,} | {found.base_rate:.3f} | {_auc(found)} | {found.brier:.4f} ({found.brier_base:.4f}) "
        f"| {found.slope:.2f} | {found.intercept:.2f} | {found.ece:.3f}"
    )


def _auc(found: Figures | None) -> str:
    return "–" if found is None else f"{found.auc:.3f} [{found.auc_low:.3f}, {found.auc_high:.3f}]"


def _challenge(trained: Trained) -> Iterator[str]:
    yield "| question | scorecard, all overdue | LightGBM, our columns | LightGBM, all columns | model's SHA-256 |"
    yield "|---|---|---|---|---|"
    for target in TARGETS:
        one = trained.challenge[target]
        digest = trained.model.challengers[target][:16]
        ours = _auc(trained.unseen[target]["all overdue"]), _auc(one.ours["all overdue"]), _auc(one.everything)
        yield f"| {target} | {' | '.join(ours)} | `{digest}…` |"


def _points(trained: Trained) -> Iterator[str]:
    for card in trained.model.cards:
        yield f"- **{card.target}**, base {card.base_points}"
        yield from (f"  - `{one.name}`: {_bins(one)}" for one in card.characteristics)
    yield ""


def _bins(one: Characteristic) -> str:
    return ", ".join(
        f"{'below' if each.lowest is None else f'from {each.lowest}'}: {each.points:+d} ({each.share:.1%})"
        for each in one.bins
    )


def _shares(name: str, shares: list[Share]) -> Iterator[str]:
    selected = [one.selected for one in shares]
    largest = max(selected, default=0.0)
    ratio = min(selected) / largest if largest else 0.0
    yield f"### {name}: ratio {ratio:.2f}{' — **below 0.80**' if ratio < 0.8 else ''}\n"
    yield "| group | cases | selected | of those who did not cure | of those who cured | predicted cure | cured |"
    yield "|---|---|---|---|---|---|---|"
    for one in shares:
        yield (
            f"| {one.group} | {one.cases:,} | {one.selected:.1%} | {one.selected_not_cured:.1%} "
            f"| {one.selected_cured:.1%} | {one.predicted:.3f} | {one.happened:.3f} |"
        )
    yield ""
