"""What a pack says beside its leaves: complaints, the facts judged on, the state of permits; each is proved."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.compliance.evidence.pack import Pack, scope_of_party, write_pack
from services.compliance.evidence.scope import Scope
from tools import verify_log

from .conftest import Copy, Desk, visit_contact, visit_request
from .test_complaints import close, complain
from .test_evidence import archive_of, erase, faults, rewrite

pytestmark = pytest.mark.usefixtures("hurried")


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest after each minute."""
    monkeypatch.setattr("services.compliance.log.manifest.MANIFEST_AFTER", timedelta(minutes=1))


async def seal(desk: Desk) -> None:
    """Everything so far is in the tree, under a manifest and a checkpoint."""
    await desk.sequencer.step()
    desk.clock.real += timedelta(minutes=2)
    await desk.sequencer.step()
    await desk.hear()


async def history(desk: Desk) -> UUID:
    """Two permits given back, one used and recorded, and a complaint that was taken to its end."""
    case = await desk.open_case()
    for _ in range(2):
        (unused,) = await desk.ask(visit_request(case))
        await desk.post(f"/v1/permits/{unused['permit_id']}/release", {"cause": "customer_moved"})
    (used,) = await desk.ask(visit_request(case))
    use = {"contact_id": str(uuid4()), "used_at": desk.clock.business.isoformat()}
    assert (await desk.post(f"/v1/permits/{used['permit_id']}/use", use)).status_code == 200
    await desk.deliver("contact", ("contact.recorded", visit_contact(case, used, contact_id=UUID(use["contact_id"]))))
    await close(desk, await complain(desk, case))
    await seal(desk)
    return case.party_id


def rows(pack: Pack | Copy, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (pack.folder / name).read_text().splitlines()]


def report(pack: Pack, desk: Desk) -> verify_log.Report:
    key = verify_log.parse_key(desk.instruments.log_key.vkey)
    return verify_log.verify_pack(verify_log.read_pack(verify_log.Files.of(pack.folder)), key, all_signatures=True)


@pytest.fixture
async def pack(desk: Desk, tmp_path: Path) -> Pack:
    party_id = await history(desk)
    archive = archive_of(desk)
    return await write_pack(archive, await scope_of_party(archive, party_id), tmp_path / "pack")


async def test_states_facts_and_complaints_are_proved(desk: Desk, pack: Pack) -> None:
    found = report(pack, desk)
    assert found.problems == []
    assert {one["state"] for one in rows(pack, "permits.jsonl")} == {"released", "recorded"}
    assert (found.permits_proved, found.permits_told) == (len(rows(pack, "permits.jsonl")), 0)
    assert found.facts == {"open": len(rows(pack, "decisions.jsonl"))}
    steps = [(one["step"], one["words"]) for one in rows(pack, "complaints.jsonl")]
    assert steps == [("receive", "They shouted."), ("answer", "Sorry."), ("close", None)]
    assert found.complaints == 3
    assert json.loads(rows(pack, "facts.jsonl")[0]["facts"])["question"]["channel"] == "visit"
    assert "They shouted." in (pack.folder / "index.html").read_text()


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("complaints.jsonl", {"words": "They were kind."}, "words is not what leaf"),
        ("complaints.jsonl", {"words": None}, "words is not what leaf"),
        ("complaints.jsonl", {"about": ["collector-8"]}, "about is not what leaf"),
        ("complaints.jsonl", {"state": "closed"}, "state is not what leaf"),
        ("complaints.jsonl", {"answer_by": "2031-01-01T00:00:00Z"}, "answer_by is not what leaf"),
        ("facts.jsonl", {"facts": "{}"}, "the facts are not those that the record"),
        ("frames.jsonl", {"frame": "{}"}, "its text is not the one of SHA-256"),
        ("facts.jsonl", {"state": "not_kept"}, "names facts, and they are not opened"),
        ("permits.jsonl", {"state": "granted"}, "state is not what the leaves of the permit say"),
        ("permits.jsonl", {"release_cause": "other"}, "release_cause is not what the leaves"),
        ("permits.jsonl", {"used_at": "2026-01-01T00:00:00Z"}, "used_at is not what the leaves"),
    ],
)
async def test_other_words_facts_or_states_are_named(
    copy: Copy, name: str, changes: dict[str, Any], expected: str
) -> None:
    rewrite(copy, name, lambda documents: documents[0].update(changes))
    assert any(fault.startswith(f"{name} line 1") and expected in fault for fault in copy.faults())


@pytest.mark.parametrize(
    ("name", "expected"),
    [("complaints.jsonl", "its complaint is left out"), ("facts.jsonl", "the facts it was judged on are left out")],
)
async def test_what_is_left_out_is_named(copy: Copy, name: str, expected: str) -> None:
    rewrite(copy, name, lambda documents: documents.pop(0))
    (fault,) = copy.faults()
    assert expected in fault


def test_frame_that_a_record_names_is_not_left_out(copy: Copy) -> None:
    rewrite(copy, "frames.jsonl", lambda documents: documents.clear())
    assert {"that it names is left out" in fault for fault in copy.faults()} == {True}


async def test_recall_and_change_after_the_checkpoint(desk: Desk, tmp_path: Path) -> None:
    """A revoked permit is proved revoked; one that changed since is told, not proved."""
    case = await desk.open_case()
    (granted,) = await desk.ask(visit_request(case))
    await complain(desk, case)
    await seal(desk)
    archive = archive_of(desk)
    scope = await scope_of_party(archive, case.party_id)
    pack = await write_pack(archive, scope, tmp_path / "revoked")
    assert faults(pack, desk) == []
    (permit,) = rows(pack, "permits.jsonl")
    assert (permit["state"], permit["revoke_cause"], permit["changed_later"]) == ("granted", "complaint", False)
    rewrite(pack, "permits.jsonl", lambda documents: documents[0].update(revoke_cause=None))
    assert any("revoke_cause is not what the leaves" in fault for fault in faults(pack, desk))
    await desk.post(f"/v1/permits/{granted['permit_id']}/release", {"cause": "window_ended"})
    later = await write_pack(archive, scope, tmp_path / "later")
    found = report(later, desk)
    assert (found.problems, found.permits_proved, found.permits_told) == ([], 0, 1)
    told = "state, release_cause is said to have changed after the pack's checkpoint"
    assert found.told == [f"permits.jsonl line 1: {told}"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"state": "granted"}, "state is not what the leaves of the permit say"),
        ({"used_at": None}, "used_at is not what the leaves of the permit say"),
        ({"channel": "call"}, "channel is not what the leaves of the permit say"),
        ({"decision_id": str(UUID(int=1))}, "decision_id is not what the leaves of the permit say"),
    ],
)
async def test_saying_changed_later_hides_nothing_that_leaves_say(
    copy: Copy, changes: dict[str, Any], expected: str
) -> None:
    recorded = next(number for number, row in enumerate(rows(copy, "permits.jsonl")) if row["state"] == "recorded")
    forged = {"changed_later": True, **changes}
    rewrite(copy, "permits.jsonl", lambda documents: documents[recorded].update(forged))
    assert copy.faults() == [f"permits.jsonl line {recorded + 1}: {expected}"]


async def test_row_of_a_permit_that_nobody_granted_is_named(desk: Desk, pack: Pack) -> None:
    invented = rows(pack, "permits.jsonl")[0] | {"permit_id": str(UUID(int=1))}
    rewrite(pack, "permits.jsonl", lambda documents: documents.append(invented))
    found = report(pack, desk)
    number = len(rows(pack, "permits.jsonl"))
    assert found.told == [f"permits.jsonl line {number}: no leaf of the pack grants the permit"]


async def test_replaced_permit_is_released_by_a_leaf(desk: Desk, tmp_path: Path) -> None:
    case = await desk.open_case()
    (first,) = await desk.ask(visit_request(case))
    (second,) = await desk.ask(visit_request(case, replaces=first["permit_id"]))
    assert second["decision"] == "allow"
    await seal(desk)
    archive = archive_of(desk)
    pack = await write_pack(archive, await scope_of_party(archive, case.party_id), tmp_path / "replaced")
    found = report(pack, desk)
    assert (found.problems, found.permits_proved) == ([], 2)
    assert {(one["state"], one["release_cause"]) for one in rows(pack, "permits.jsonl")} == {
        ("released", "replaced"), ("granted", None),
    }  # fmt: skip


async def test_permit_is_proved_to_be_of_the_contact_that_came_first(desk: Desk, tmp_path: Path) -> None:
    """Told after the second one was recorded, by its use and by its record."""
    case = await desk.open_case()
    (permit,) = await desk.ask(visit_request(case))
    contacts = [
        visit_contact(case, permit, started_at=begins, ended_at=begins + timedelta(minutes=5))
        for begins in (datetime(2026, 3, 2, 6, minute, tzinfo=UTC) for minute in (30, 20, 10))
    ]
    for told in contacts[:2]:
        await desk.deliver("contact", ("contact.recorded", told))
    use = {"contact_id": str(contacts[2].contact_id), "used_at": contacts[2].started_at.isoformat()}
    assert (await desk.post(f"/v1/permits/{permit['permit_id']}/use", use)).status_code == 200
    await seal(desk)
    archive = archive_of(desk)
    pack = await write_pack(archive, await scope_of_party(archive, case.party_id), tmp_path / "twice")
    found = report(pack, desk)
    assert (found.problems, found.permits_proved) == ([], 1)
    assert [(one["state"], one["contact_id"]) for one in rows(pack, "permits.jsonl")] == [
        ("recorded", use["contact_id"])
    ]


async def test_month_holds_them_too(desk: Desk, tmp_path: Path) -> None:
    await history(desk)
    pack = await write_pack(archive_of(desk), Scope.month("2026-03", "UTC"), tmp_path / "month")
    found = report(pack, desk)
    assert found.problems == []
    assert (found.complaints, found.permits_told) == (3, 0)
    assert found.facts == {"open": len(rows(pack, "decisions.jsonl"))}
    rewrite(pack, "facts.jsonl", lambda documents: documents.pop())
    rewrite(pack, "complaints.jsonl", lambda documents: documents[1].update(words="No."))
    assert len(faults(pack, desk)) == 2


async def test_of_an_erased_person_nothing_opens(desk: Desk, tmp_path: Path) -> None:
    party_id = await history(desk)
    await erase(desk, party_id)
    archive = archive_of(desk)
    pack = await write_pack(archive, await scope_of_party(archive, party_id), tmp_path / "erased")
    found = report(pack, desk)
    assert found.problems == []
    assert set(found.facts) == {"erased"}
    assert {one["words"] for one in rows(pack, "complaints.jsonl")} == {None}
    assert b"They shouted" not in b"".join(path.read_bytes() for path in pack.folder.iterdir())
