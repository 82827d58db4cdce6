"""Packs made after records were deleted: what is gone names the leaf that says so; anything else gone is left out."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.compliance.domain.keeping import RESTRICTED_FOR
from services.compliance.evidence.endings import NotYetSealed
from services.compliance.evidence.pack import Pack, scope_of_party, write_pack
from services.compliance.evidence.scope import Scope
from shared.events.case import CaseOpened

from .conftest import NOW, Desk
from .test_evidence import archive_of, faults, rewrite
from .test_evidence_contents import hurried, report, rows, seal
from .test_rights import FIVE_YEARS, look, visited

__all__ = ["hurried"]
pytestmark = pytest.mark.usefixtures("hurried")
MARCH = Scope.month("2026-03", "UTC")


async def deleted(desk: Desk, *, sealed: bool = True) -> CaseOpened:
    """A person of whose visit nothing may be kept any more, while what was told of them later still is."""
    case, _ = await visited(desk)
    await seal(desk)
    desk.clock.business = NOW + timedelta(days=730)
    await desk.tell(case.party_id, product="card")
    desk.clock.business = NOW + FIVE_YEARS
    await look(desk)
    desk.clock.business += RESTRICTED_FOR + timedelta(days=1)
    await look(desk)
    if sealed:
        await seal(desk)
    return case  # type: ignore[no-any-return]


@pytest.fixture
async def pack(desk: Desk, tmp_path: Path) -> Pack:
    case = await deleted(desk)
    archive = archive_of(desk)
    return await write_pack(archive, await scope_of_party(archive, case.party_id), tmp_path / "person")


def opened(pack: Pack, state: str) -> list[dict[str, Any]]:
    return [one for one in rows(pack, "openings.jsonl") if one["state"] == state]


async def test_person_s_pack_says_by_which_rule_and_leaf(desk: Desk, pack: Pack) -> None:
    found = report(pack, desk)
    assert found.problems == []
    (words,) = found.ended
    assert words.startswith("deleted by retention under rule CN-CFC2024-5Y on 2031-")
    assert found.ended[words] == len(opened(pack, "deleted")) > 0
    assert opened(pack, "open")
    for table in ("contacts", "decisions", "permits"):
        assert {one["deleted"] for one in rows(pack, f"{table}.jsonl")} == {words}
    assert words in (pack.folder / "index.html").read_text()


async def test_what_is_gone_without_such_a_leaf_is_left_out(desk: Desk, pack: Pack) -> None:
    number = next(n for n, one in enumerate(rows(pack, "openings.jsonl")) if one["state"] == "open")
    by_leaf = opened(pack, "deleted")[0]["by_leaf"]

    def hide(documents: list[dict[str, Any]]) -> None:
        one = documents[number]
        documents[number] = {"index": one["index"], "name": one["name"], "state": "deleted", "by_leaf": by_leaf}

    rewrite(pack, "openings.jsonl", hide)
    (fault,) = faults(pack, desk)
    assert fault.endswith(f"is said to be deleted, and leaf {by_leaf} does not say so: it is left out")
    rewrite(pack, "openings.jsonl", lambda documents: documents[number].update(state="erased", by_leaf=None))
    (fault,) = faults(pack, desk)
    assert "is said to be erased, and leaf None does not say so: it is left out" in fault


async def test_row_that_is_missing_is_left_out_after_a_deletion_too(desk: Desk, pack: Pack) -> None:
    rewrite(pack, "contacts.jsonl", lambda documents: documents.pop(0))
    (fault,) = faults(pack, desk)
    assert "its contact is left out of contacts.jsonl" in fault


async def test_row_that_invents_its_deletion_is_named(desk: Desk, pack: Pack) -> None:
    rewrite(pack, "contacts.jsonl", lambda documents: documents[0].update(deleted="deleted by retention, long ago"))
    (fault,) = faults(pack, desk)
    assert "contacts.jsonl line 1: no leaf of the person says" in fault


async def test_month_proves_what_was_deleted_years_later(desk: Desk, tmp_path: Path) -> None:
    await deleted(desk)
    pack = await write_pack(archive_of(desk), MARCH, tmp_path / "month")
    found = report(pack, desk)
    assert found.problems == []
    (words,) = found.ended
    head, *leaves = rows(pack, "later.jsonl")
    assert head["tree_size"] > json.loads((pack.folder / "pack.json").read_text())["tree_size"]
    assert words.endswith(f"(leaf {leaves[-1]['index']})")
    rewrite(pack, "later.jsonl", lambda documents: documents.pop())
    assert any("does not say so: it is left out" in fault for fault in faults(pack, desk))


async def test_later_leaf_that_the_log_does_not_hold_is_named(desk: Desk, tmp_path: Path) -> None:
    await deleted(desk)
    pack = await write_pack(archive_of(desk), MARCH, tmp_path / "month")
    rewrite(pack, "later.jsonl", lambda documents: documents[-1].update(path=documents[-1]["path"][1:]))
    assert any("is not what the signed tree holds there" in fault for fault in faults(pack, desk))
    rewrite(pack, "later.jsonl", lambda documents: documents[0].update(consistency=[]))
    assert any("does not extend the pack's: a forked head" in fault for fault in faults(pack, desk))


async def test_deletion_under_no_checkpoint_yet_is_waited_for(desk: Desk, tmp_path: Path) -> None:
    case = await deleted(desk, sealed=False)
    archive = archive_of(desk)
    with pytest.raises(NotYetSealed, match="next checkpoint"):
        await write_pack(archive, await scope_of_party(archive, case.party_id), tmp_path / "early")
