"""`cutover check` and `cutover sign`: what is done offline, before any service is asked."""

import hashlib
import json
import tomllib
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.approving import Approver, toml_table
from cli.cutover import cutover_app
from services.compliance.domain.approvers import approvers
from services.compliance.domain.cutovers import CutoverSignature, CutoverTerms, require_signers
from services.intake.cutover.dry_run import written
from services.intake.cutover.manifest import COLUMNS, KINDS
from services.intake.tapes.approvals import approve
from tests.unit.intake.tapes.tapes import contract_text, manifest_document, row, write

ON = date(2026, 3, 10)


@pytest.fixture
def people(tmp_path: Path) -> list[Approver]:
    return [Approver.open(tmp_path / one, one) for one in ("Ann Ames", "Bob Bell")]


@pytest.fixture
def folder(tmp_path: Path, people: list[Approver]) -> Path:
    """A cut-over of one loan and nothing else, and the contract of its tape, released by two."""
    contracts, files = tmp_path / "contracts", tmp_path / "files"
    contracts.mkdir()
    files.mkdir()
    content = contract_text()
    (contracts / "loans.toml").write_bytes(content)
    registered = [toml_table("approver", one.registration(ON).model_dump(exclude_none=True)) for one in people]
    (contracts / "approvers.toml").write_text("\n".join(registered).replace("vouched_by = []\n", ""))
    approvals = [approve(content, approver=one.person, on=ON, sign=one.signing.sign_bytes) for one in people]
    (contracts / "approvals.toml").write_text("\n".join(toml_table("approval", one.model_dump()) for one in approvals))
    loans = [row(1, late=5)]
    tape = manifest_document(write(files, "loans.csv", "csv", loans), loans)
    (files / "loans.csv.manifest.json").write_text(json.dumps(tape))
    lines = [
        'cutover_id = "old-2026"', 'core = "core-a"', "business_date = 2026-03-10", 'places = ["CN"]',
        "history_from = 2025-01-01", "[loans]", 'feed = "core-a-loans"', 'file = "loans.csv"',
        f'sha256 = "{tape["sha256"]}"', "rows = 1",
    ]  # fmt: skip
    for kind in KINDS:
        text = ",".join(COLUMNS[kind]) + "\n"
        (files / f"{kind}.csv").write_text(text)
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        lines += ["[[file]]", f'kind = "{kind}"', f'file = "{kind}.csv"', f'sha256 = "{sha256}"', "rows = 0"]
    (files / "cutover.toml").write_text("\n".join(lines))
    return files


def called(folder: Path, command: str, *more: str) -> Result:
    return CliRunner().invoke(cutover_app, [command, str(folder / "cutover.toml"), *more])


def signed(folder: Path, tmp_path: Path, person: str, *more: str) -> Result:
    return called(folder, "sign", "--person", person, "--keys", str(tmp_path / person), "--on", str(ON), *more)


def dry_run(folder: Path) -> None:
    """A report as `dry-run` writes it."""
    manifest = hashlib.sha256((folder / "cutover.toml").read_bytes()).hexdigest()
    report = {
        "cutover_id": "old-2026", "manifest_sha256": manifest, "ready": True, "objections": [],
        "expected": {"hold": 0, "complaint": 0, "contact": 0, "third_person": 0},
    }  # fmt: skip
    (folder / "dry-run.json").write_bytes(written(report))


def test_files_that_are_not_the_named_ones_are_told(folder: Path) -> None:
    contracts = str(folder.parent / "contracts")
    good = called(folder, "check", "--contracts", contracts)
    assert (good.exit_code, "are as named" in good.output) == (0, True), good.output
    (folder / "holds.csv").write_text("record_ref\n")
    bad = called(folder, "check", "--contracts", contracts)
    assert bad.exit_code == 1
    assert "holds.csv: is not the file that the manifest names" in bad.output
    assert "the columns must be" in bad.output


def test_what_two_people_sign_offline_is_what_compliance_asks_for(
    folder: Path, tmp_path: Path, people: list[Approver]
) -> None:
    dry_run(folder)
    lines = [signed(folder, tmp_path, one.person).output for one in people]
    signatures = tomllib.loads("\n".join(lines))["begin"]
    report = (folder / "dry-run.json").read_bytes()
    terms = CutoverTerms(
        cutover_id="old-2026", core="core-a", business_date=ON, history_from=date(2025, 1, 1), places=["CN"],
        manifest_sha256=hashlib.sha256((folder / "cutover.toml").read_bytes()).hexdigest(),
        dry_run_sha256=hashlib.sha256(report).hexdigest(),
        expected={"hold": 0, "complaint": 0, "contact": 0, "third_person": 0},
    )  # fmt: skip
    registered = approvers([one.registration(ON) for one in people])
    given = [CutoverSignature.model_validate(one) for one in signatures]
    require_signers(registered, "begin", terms.document(), given, today=ON)


def test_nothing_is_signed_before_a_dry_run_of_this_manifest(folder: Path, tmp_path: Path) -> None:
    assert signed(folder, tmp_path, "Ann Ames").exit_code == 1
    dry_run(folder)
    (folder / "cutover.toml").write_text((folder / "cutover.toml").read_text() + "\n")
    assert signed(folder, tmp_path, "Ann Ames").exit_code == 1
    assert signed(folder, tmp_path, "Ann Ames", "--stage", "accept").exit_code == 1
