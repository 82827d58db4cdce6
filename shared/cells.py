"""Cells of files that people open in a spreadsheet."""

from typing import Final

# A spreadsheet takes a cell that begins so for a formula (CWE-1236).
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(text: str) -> str:
    """The text as a cell that no spreadsheet carries out."""
    return f"'{text}" if text.startswith(_FORMULA) else text
