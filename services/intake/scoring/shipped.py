"""Where models lie: the one for demonstration beside the code, a bank's own in a folder that it mounts."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from services.intake.scoring.scorecard import Target

SHIPPED: Final = Path(__file__).parents[1] / "data" / "score"
MODEL_FILE: Final = "model.json"


def challenger_file(target: Target) -> str:
    """The file of a question's challenger, a LightGBM model as text."""
    return f"challenger-{target}.txt"
