"""Contracts: the examples of the documentation, what contradicts itself, and the two signatures."""

from datetime import date

import pytest

from services.intake.tapes.approvals import FeedError, approve, contract_for
from services.intake.tapes.contract import ContractError, read_contract
from shared.embedded.home import PROJECT_FOLDER
from shared.security.note_keys import NoteKey, person_key_name
from shared.security.signing import SigningKey
from tests.unit.intake.tapes.tapes import contract_text

EXAMPLES = sorted((PROJECT_FOLDER / "docs" / "feeds").glob("*.toml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_of_the_documentation_can_be_read(path):
    agreed = read_contract(path.read_bytes())
    assert f"docs/feeds/{path.name}" in (PROJECT_FOLDER / "docs" / "tapes.md").read_text()
    assert agreed.slots()[agreed.subject]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('order = "manifest"', 'order = "row"', "belong together"),
        ('change = "full"', 'change = "delta"', "operation"),
        ('loan_ref = { column = "loan" }', "loan_ref = { at = 1, length = 4 }", "a csv file has no such place"),
        ('loan_ref = { column = "loan" }', 'loan_ref = { column = "loan", value = "x" }', "give one of"),
        ('kind = "csv"', 'kind = "xml"', "form"),
        ("largest = 100000000", 'decimal = ","\ngroup = ","', "must differ"),
        ("largest = 100000000", "bigest = 1", "bigest"),
    ],
)
def test_a_contract_that_contradicts_itself(old, new, said):
    with pytest.raises(ContractError, match=said):
        read_contract(contract_text().replace(old.encode(), new.encode()))


class Folder:
    def __init__(self, path):
        self.path = path / "feeds"
        self.path.mkdir()
        self.home = path

    def contract(self, name, content):
        (self.path / name).write_bytes(content)

    def person(self, name):
        key = SigningKey.open(self.home / person_key_name(name), f"approver-{person_key_name(name)}")
        vkey = NoteKey(person_key_name(name), key.public_bytes).vkey
        with (self.path / "approvers.toml").open("a") as file:
            file.write(f'[[approver]]\nperson = "{name}"\nkey = "{vkey}"\nregistered_on = 2026-01-01\n')
        return key

    def approves(self, name, key, content, *, on=date(2026, 1, 2)):
        approval = approve(content, approver=name, on=on, sign=key.sign_bytes)
        with (self.path / "approvals.toml").open("a") as file:
            file.write("[[approval]]\n")
            for field, value in approval.model_dump().items():
                file.write(f"{field} = {value}\n" if isinstance(value, int | date) else f'{field} = "{value}"\n')


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def test_two_people_release_a_contract(folder):
    content = contract_text()
    folder.contract("loans.toml", content)
    ada, bo = folder.person("Ada L"), folder.person("Bo D")
    folder.approves("Ada L", ada, content)
    assert not contract_for(folder.path, "core-a-loans", None).is_released
    folder.approves("Ada L", ada, content)
    assert not contract_for(folder.path, "core-a-loans", None).is_released
    folder.approves("Bo D", bo, content)
    found = contract_for(folder.path, "core-a-loans", None)
    assert (found.is_released, found.approvers) == (True, ("ada_l", "bo_d"))


def test_a_changed_contract_needs_new_signatures(folder):
    content = contract_text()
    for name in ("Ada L", "Bo D"):
        folder.approves(name, folder.person(name), content)
    folder.contract("loans.toml", content.replace(b"100000000", b"900000000"))
    assert contract_for(folder.path, "core-a-loans", None).approvers == ()


def test_a_signature_of_somebody_unregistered_counts_for_nothing(folder, tmp_path):
    content = contract_text()
    folder.contract("loans.toml", content)
    folder.approves("Ada L", folder.person("Ada L"), content)
    folder.approves("Eve M", SigningKey.open(tmp_path / "eve", "approver-eve_m"), content)
    folder.approves("Ada L", SigningKey.open(tmp_path / "eve", "approver-eve_m"), content)
    assert contract_for(folder.path, "core-a-loans", None).approvers == ("ada_l",)


def test_a_signature_from_before_the_key_was_registered_counts_for_nothing(folder):
    content = contract_text()
    folder.contract("loans.toml", content)
    folder.approves("Ada L", folder.person("Ada L"), content, on=date(2025, 12, 31))
    assert contract_for(folder.path, "core-a-loans", None).approvers == ()


def test_the_version_of_the_business_date(folder):
    folder.contract("one.toml", contract_text())
    folder.contract("two.toml", contract_text(version=2).replace(b"2026-01-01", b"2026-03-01"))
    assert contract_for(folder.path, "core-a-loans", date(2026, 2, 28)).contract.version == 1
    assert contract_for(folder.path, "core-a-loans", date(2026, 3, 1)).contract.version == 2
    with pytest.raises(FeedError, match="no contract of feed core-a-loans reads 2025-12-31"):
        contract_for(folder.path, "core-a-loans", date(2025, 12, 31))
