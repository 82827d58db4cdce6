"""Where models lie: the one for demonstration beside the code, a bank's own in a folder that it mounts."""

from __future__ import annotations

from pathlib import Path
from typing import Final

SHIPPED: Final = Path(__file__).parents[1] / "data" / "score"
MODEL_FILE: Final = "model.json"
