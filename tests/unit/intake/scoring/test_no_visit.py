"""No path leads from a score to a visit but through the strategy's rule."""

import re
from pathlib import Path

from shared.events.catalogue import CATALOGUE
from shared.security.scopes import SCOPES, SERVICES

SERVICES_FOLDER = Path(__file__).parents[4] / "services"
SCORE_MODULE = re.compile(r"services\.intake\.(scoring|score_\w+|api\.scores|store\.score\w*)|import score")
# Composes, begins the run after a day close, deletes the scores of the erased, tells people their own, exports what
# models are made from; the rest is the score itself.
ALLOWED = re.compile(
    r"intake/(access_desk|app|ageing|examples|score_\w+|shadow|transitions)\.py|intake/(api|store)/(scores?\w*|challenger_scores|erasing)\.py|intake/scoring/"
)
STRATEGY = re.compile(r"intake/(\w+/)*strateg\w+")
PLANNERS = {*SERVICES, "dispatcher", "collector-app", "customer-portal"}


def readers() -> set[str]:
    """Modules that import anything of the score."""
    return {
        path.relative_to(SERVICES_FOLDER).as_posix()
        for path in SERVICES_FOLDER.rglob("*.py")
        if any(SCORE_MODULE.search(line) for line in path.read_text().splitlines() if "import" in line)
    }


def test_only_the_strategy_reads_scores() -> None:
    assert {name for name in readers() if not ALLOWED.search(name) and not STRATEGY.search(name)} == set()


def test_test_sees_who_reads_scores() -> None:
    assert {"intake/app.py", "intake/ageing.py", "intake/api/scores.py"} <= readers()


def test_scoring_emits_no_event() -> None:
    files = [*(SERVICES_FOLDER / "intake").glob("score_*.py"), *(SERVICES_FOLDER / "intake" / "scoring").glob("*.py")]

    assert files
    assert not [path.name for path in files if ".emit(" in path.read_text()]


def modules_with(pattern: str) -> set[str]:
    """Modules of the services in which a line begins with the pattern or names it."""
    return {
        path.relative_to(SERVICES_FOLDER).as_posix()
        for path in SERVICES_FOLDER.rglob("*.py")
        if re.search(pattern, path.read_text(), re.MULTILINE)
    }


def test_only_the_shadow_learns_by_machine() -> None:
    assert modules_with(r"^\s*(import|from) (lightgbm|sklearn)") == {"intake/shadow.py"}
    assert modules_with(r"intake\.shadow import|intake import .*\bshadow") == set()


def test_nothing_reads_the_challenger() -> None:
    tables = modules_with(r"challenger_score\b") - {"intake/migrations/versions/0011_challenger_scores.py"}

    # Erased with the person, and told to them when they ask.
    assert tables == {f"intake/store/{name}.py" for name in ("challenger_scores", "erasing", "access")}
    assert "SELECT" not in (SERVICES_FOLDER / "intake/store/challenger_scores.py").read_text()


def test_no_event_carries_a_score() -> None:
    schemas = {name: str(event.model.model_json_schema()) for name, event in CATALOGUE.items()}

    assert not [name for name, schema in schemas.items() if re.search(r"'(\w*_)?(score|probability)'", schema)]


def test_nobody_who_plans_visits_may_read_scores() -> None:
    assert not SCOPES["intake.read-score"].clients & PLANNERS
