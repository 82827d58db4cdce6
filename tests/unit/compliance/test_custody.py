"""The sums of a pack name its own files and no others."""

from pathlib import Path

import pytest

from services.compliance.evidence.custody import CustodyBroken, _pack_digest
from services.compliance.evidence.files import SUMS


@pytest.mark.parametrize("line", ["0  /dev/zero", "0  ../outside", "0  parts/../../outside"])
def test_a_name_outside_the_pack_is_not_opened(tmp_path: Path, line: str) -> None:
    (tmp_path / SUMS).write_text(f"{line}\n")
    with pytest.raises(CustodyBroken, match="no file of the pack"):
        _pack_digest(tmp_path)


def test_sums_that_are_no_text_break_the_pack(tmp_path: Path) -> None:
    (tmp_path / SUMS).write_bytes(b"\xff\xfe")
    with pytest.raises(CustodyBroken, match="not a whole pack"):
        _pack_digest(tmp_path)
