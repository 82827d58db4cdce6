"""One byte form for one meaning: what is hashed is exactly what is stored (`shared/canonical.py`)."""

from shared.canonical import Json, canonical, encoded
from shared.events.codec import format_time

__all__ = ["Json", "canonical", "encoded", "format_time"]
