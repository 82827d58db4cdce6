"""The verifier on releases of rule packs: two named people, each with their own key, before the first decision."""

import base64
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cli.approving import Approver
from services.compliance.domain.approvers import approvers
from services.compliance.domain.releases import Release, releases
from services.compliance.rule_book import read_packs, sources_of
from tools import verify_log

DAY = date(2026, 1, 5)
BOOK = read_packs(sources_of())
LABEL, SHA256 = next(iter(BOOK.hashes.items()))
Records = list[dict[str, Any]]


@pytest.fixture
def people(tmp_path: Path) -> list[Approver]:
    return [Approver.open(tmp_path, who) for who in ("Ada", "Ben")]


def history(people: list[Approver]) -> Records:
    """Leaves of a log in which both people release one pack, by which a decision is then made."""
    registrations = [one.registration(DAY) for one in people]
    approvals = [one.approves(BOOK, LABEL, on=DAY) for one in people]
    (release,) = releases(BOOK, approvals, approvers(registrations)).releases
    return [
        *({"kind": "approver_key", **one.document()} for one in registrations),
        {"kind": "pack_release", **release.document()},
        {"kind": "rule_set", "rule_set": "r", "packs": {LABEL: SHA256}},
        {"kind": "decision", "rule_set": "r"},
    ]


def judged(records: Records, named: list[Approver]) -> verify_log.Report:
    report = verify_log.Report()
    reader = verify_log.Releases([one.key.fingerprint for one in named], report)
    for index, record in enumerate(records):
        reader.read(index, record)
    reader.finish()
    return report


def test_pack_released_by_two_named_people_is_counted(people: list[Approver]) -> None:
    report = judged(history(people), people)
    assert (report.problems, report.releases) == ([], 1)


def test_nobody_named_judges_nobody(people: list[Approver]) -> None:
    assert judged(history(people), []).problems == []


def test_a_person_who_was_not_named_does_not_count(people: list[Approver]) -> None:
    (fault,) = judged(history(people), people[:1]).problems
    assert "the key of Ben was not named" in fault


def _forged(records: Records) -> None:
    first, second = records[2]["approvals"]
    second["signature"] = first["signature"]


def _other_hash(records: Records) -> None:
    records[2]["sha256"] = "0" * 64


def _renamed(records: Records) -> None:
    records[2]["approvals"][1]["approver"] = "Cid"


def _no_key(records: Records) -> None:
    records[2]["approvals"][1]["key"] = "no key"


def _unsigned(records: Records) -> None:
    records[2]["approvals"][1]["signature"] = ""


def _same_person_twice(records: Records) -> None:
    records[2]["approvals"][1] = records[2]["approvals"][0]


def _left_out(records: Records) -> None:
    records[2] = {"kind": "origin"}


def _late(records: Records) -> None:
    records.append(records[2])
    records[2] = {"kind": "origin"}


def _no_rule_set(records: Records) -> None:
    records[3] = {"kind": "origin"}


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (_forged, "by Ben is forged"),
        (_other_hash, "is forged"),
        (_renamed, "by Cid is forged"),
        (_no_key, "by Ben is forged"),
        (_unsigned, "Ben did not sign"),
        (_same_person_twice, "not approved by two of the named people"),
        (_left_out, "no release of it"),
        (_late, "released only at leaf 5"),
        (_no_rule_set, "no leaf says which packs"),
    ],
)
def test_tampering_is_named(people: list[Approver], tamper: Callable[[Records], None], named: str) -> None:
    records = history(people)
    tamper(records)
    assert any(named in fault for fault in judged(records, people).problems)


def test_a_key_is_followed_by_the_one_it_signed(people: list[Approver]) -> None:
    ada, ben = people
    old = [ada.registration(DAY), ben.registration(DAY)]
    oldest = ada.key.fingerprint
    new = ada.rotated(DAY)
    records = history(people)
    registered: Records = [{"kind": "approver_key", **one.document()} for one in (*old, new)]

    def problems(records: Records) -> list[str]:
        report = verify_log.Report()
        reader = verify_log.Releases([oldest, ben.key.fingerprint], report)
        for index, record in enumerate(records):
            reader.read(index, record)
        reader.finish()
        return report.problems

    assert problems([*registered, *records[2:]]) == []
    stolen = Approver(ada.person, ada.signing)
    late = stolen.approves(BOOK, LABEL, on=date(2026, 3, 1))
    # The replaced key signs once more: `versions[1]` is the one before the newest.
    unsigned = late.model_copy(update={"key": stolen.named(stolen.signing.versions[1].public_bytes).vkey})
    pack = next(one for one in BOOK.packs if f"{one.id}/{one.version}" == LABEL)
    signature = stolen.signing.versions[1].sign_bytes(unsigned.statement(pack.effective_from))
    forged = unsigned.model_copy(update={"signature": base64.b64encode(signature).decode()})
    approvals = [forged.document(), records[2]["approvals"][1]]
    (fault,) = problems([*registered, records[2] | {"approvals": approvals}, *records[3:]])
    assert "the key of Ada had been replaced by then" in fault
    registered[2]["signature"] = registered[2]["signature"][::-1]
    assert any("the key before it did not sign" in fault for fault in problems([*registered, *records[2:]]))


def after_a_loss(tmp_path: Path, vouchers: list[Approver], signers: Callable[[Approver], list[Approver]]) -> Records:
    """Ada, Ben and Cid are registered; Ada's key is lost, others vouch for the next one; then a pack is released."""
    ada, ben, cid = (Approver.open(tmp_path, who) for who in ("Ada", "Ben", "Cid"))
    new = Approver.open(tmp_path / "new", "Ada")
    said = [one.vouches("Ada", lost=ada.key.vkey, new=new.key.vkey, on=DAY) for one in vouchers]
    vouched = said[0].model_copy(update={"vouched_by": tuple(one.vouched_by[0] for one in said)})
    registrations = [*(one.registration(DAY) for one in (ada, ben, cid)), vouched]
    approvals = [one.approves(BOOK, LABEL, on=DAY) for one in signers(new)]
    pack = next(one for one in BOOK.packs if f"{one.id}/{one.version}" == LABEL)
    release = Release(
        pack=pack.id, version=pack.version, sha256=SHA256, effective_from=pack.effective_from,
        approvals=tuple(approvals),
    )  # fmt: skip
    return [
        *({"kind": "approver_key", **one.document()} for one in registrations),
        {"kind": "pack_release", **release.document()},
        {"kind": "rule_set", "rule_set": "r", "packs": {LABEL: SHA256}},
        {"kind": "decision", "rule_set": "r"},
    ]


def test_a_lost_key_is_followed_by_the_one_that_others_vouch_for(tmp_path: Path) -> None:
    ada, ben, cid = named = [Approver.open(tmp_path, who) for who in ("Ada", "Ben", "Cid")]
    assert judged(after_a_loss(tmp_path, [ben, cid], lambda new: [new, ben]), named).problems == []
    (fault,) = judged(after_a_loss(tmp_path, [ben], lambda new: [new, ben]), named).problems
    assert "counts as one with them" in fault
    assert judged(after_a_loss(tmp_path, [ben], lambda new: [new, cid]), named).problems == []
    (fault,) = judged(after_a_loss(tmp_path, [ben], lambda new: [new, cid]), [ada, cid]).problems
    assert "the key of Ada was not named" in fault  # whoever vouched was not


def test_a_forged_or_missing_word_for_a_key_is_named(tmp_path: Path) -> None:
    _, ben, _ = named = [Approver.open(tmp_path, who) for who in ("Ada", "Ben", "Cid")]
    records = after_a_loss(tmp_path, [ben], lambda new: [new, ben])
    word = records[3]["vouched_by"][0]
    records[3]["vouched_by"] = [word | {"signature": word["signature"][::-1]}]
    assert any("the word of Ben for the key of Ada is forged" in one for one in judged(records, named).problems)
    records[3] = {**records[3], "previous": None, "vouched_by": []}
    assert any("that nobody signed or vouched for" in one for one in judged(records, named).problems)
