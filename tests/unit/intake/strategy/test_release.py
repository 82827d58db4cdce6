"""Which strategy may choose, and who is tried another one on."""

from datetime import date
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cli.approving import toml_table
from services.intake.strategy.history import ActiveHold
from services.intake.strategy.policy import PolicyError, policy_hash
from services.intake.strategy.release import approve, lot, release
from shared.security.note_keys import NoteKey, person_key_name
from tests.unit.intake.strategy.states import CONTENT, case, fact

DAY = date(2026, 3, 2)
KEYS = {name: Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32)) for name in ("Ada Ito", "Ben Okoro")}
TENANT = CONTENT.replace(b'purpose = "demonstration" ', b'purpose = "tenant"')
PARTIES = [UUID(int=number) for number in range(2_000)]


def registry() -> bytes:
    def vkey(person: str) -> str:
        public = KEYS[person].public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return NoteKey(person_key_name(person), public).vkey

    entries = ({"person": person, "key": vkey(person), "registered_on": date(2026, 3, 1)} for person in KEYS)
    return "".join(toml_table("approver", entry) for entry in entries).encode()


def approvals(files: dict[str, bytes], *people: str) -> bytes:
    signed = (approve(files, approver=person, on=DAY, sign=KEYS[person].sign) for person in people)
    return "".join(toml_table("approval", one.model_dump()) for one in signed).encode()


@pytest.fixture
def files() -> dict[str, bytes]:
    simulation = f'{{"strategy_sha256": "{policy_hash(TENANT)}"}}'.encode()
    return {"policy.toml": TENANT, "simulation.json": simulation, "approvers.toml": registry()}


def test_two_people_release_what_was_simulated(files):
    files["approvals.toml"] = approvals(files, *KEYS)

    assert release(files, production=True).not_used is None


def test_one_person_does_not(files):
    files["approvals.toml"] = approvals(files, "Ada Ito") * 2

    assert release(files, production=True).not_used == "not_approved"


def test_changed_strategy_is_not_the_one_that_was_signed(files):
    files["approvals.toml"] = approvals(files, *KEYS)
    files["policy.toml"] = TENANT + b"\n"

    found = release(files, production=True)

    assert found.not_used == "not_simulated"
    assert found.faults == ("Ada Ito: approved other files", "Ben Okoro: approved other files")


def test_nobody_signs_what_was_not_simulated(files):
    files["simulation.json"] = b'{"strategy_sha256": "0"}'

    with pytest.raises(PolicyError, match="approved with what it would have done"):
        approvals(files, "Ada Ito")


def test_demonstration_is_for_development(files):
    shipped = {"policy.toml": CONTENT}

    assert release(shipped, production=True).not_used == "demonstration_only"
    assert release(shipped, production=False).not_used is None


def trial(files: dict[str, bytes], permille: int = 200) -> dict[str, bytes]:
    other = TENANT.replace(b"version = 2", b"version = 3")
    named = f'\n[challenger]\nsha256 = "{policy_hash(other)}"\nshare_permille = {permille}\n'.encode()
    return {**files, "policy.toml": TENANT + named, "challenger.toml": other}


def test_lots_are_stable_and_as_many_as_the_policy_says(files):
    found = release(trial(files), production=False)
    arms = [found.arm_of(party, case()) for party in PARTIES]

    assert arms == [found.arm_of(party, case()) for party in PARTIES]
    assert 0.16 < arms.count("challenger") / len(arms) < 0.24
    assert found.of_arm("challenger").policy.version == 3


def test_another_strategy_draws_other_people():
    assert [lot("one", party) for party in PARTIES] != [lot("two", party) for party in PARTIES]


@pytest.mark.parametrize(
    "spared",
    [
        case(holds=(ActiveHold("hardship"),)), case(suspended=("on_hold",)), case(was_under=("vulnerability",)),
        case(45, fact("visit", 3, "hardship_told")), case(held=True),
    ],
)  # fmt: skip
def test_nobody_on_hold_or_in_difficulty_is_tried_anything_on(files, spared):
    found = release(trial(files, 500), production=False)

    assert {found.arm_of(party, spared) for party in PARTIES[:200]} == {"champion"}


def test_challenger_is_the_one_that_was_signed(files):
    changed = trial(files)
    changed["challenger.toml"] += b"\n"

    with pytest.raises(PolicyError, match=r"challenger\.toml is"):
        release(changed, production=False)
    del changed["challenger.toml"]
    with pytest.raises(PolicyError, match=r"there is no challenger\.toml"):
        release(changed, production=False)
