"""Whether a model may be used: production wants a back-test and two people's signatures."""

import dataclasses
from datetime import date

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.intake.scoring.artefact import ArtefactError, encode, model_hash
from services.intake.scoring.features import SEGMENTS
from services.intake.scoring.release import Backtest, approve, release
from shared.security.note_keys import NoteKey, person_key_name
from tests.unit.intake.scoring.models import MODEL, OPEN, SHUT

DAY = date(2026, 3, 2)
KEYS = {name: Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32)) for name in ("Ada Ito", "Ben Okoro")}
CONTENT = encode(MODEL)
BACKTEST = Backtest(
    model_sha256=model_hash(CONTENT), data_sha256="1" * 64, cases=900,
    gates={target: dict.fromkeys(SEGMENTS, OPEN) for target in MODEL.gates},
)  # fmt: skip


def vkey(person: str, *, key: str | None = None) -> str:
    """The key of `key` (their own when left out) under the person's name."""
    public = KEYS[key or person].public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return NoteKey(person_key_name(person), public).vkey


def registry(*people: str) -> bytes:
    return "".join(
        f'[[approver]]\nperson = "{person}"\nkey = "{vkey(person)}"\nregistered_on = 2026-03-01\n' for person in people
    ).encode()


def approval(files: dict[str, bytes], person: str, *, on: date = DAY, key: str | None = None) -> str:
    one = approve(files, approver=person, on=on, sign=KEYS[key or person].sign)
    return "[[approval]]\n" + "".join(
        f"{name} = {value}\n" if name == "approved_on" else f'{name} = "{value}"\n'
        for name, value in one.model_dump().items()
    )


@pytest.fixture
def files() -> dict[str, bytes]:
    return {"model.json": CONTENT, "backtest.json": BACKTEST.encode(), "approvers.toml": registry(*KEYS)}


def test_two_people_release_a_back_tested_model(files: dict[str, bytes]) -> None:
    files["approvals.toml"] = "".join(approval(files, person) for person in KEYS).encode()

    found = release(files, production=True)

    assert found.not_used is None
    assert set(found.approved_by) == set(KEYS)


def test_one_person_does_not(files: dict[str, bytes]) -> None:
    files["approvals.toml"] = (approval(files, "Ada Ito") + approval(files, "Ada Ito")).encode()

    assert release(files, production=True).not_used == "not_approved"


def test_signature_of_another_counts_for_nothing(files: dict[str, bytes]) -> None:
    files["approvals.toml"] = (approval(files, "Ada Ito") + approval(files, "Ben Okoro", key="Ada Ito")).encode()

    found = release(files, production=True)

    assert found.not_used == "not_approved"
    assert found.faults == ("Ben Okoro: the signature does not hold",)


def test_approval_before_the_key_was_registered_counts_for_nothing(files: dict[str, bytes]) -> None:
    early = approval(files, "Ben Okoro", on=date(2026, 2, 27))
    files["approvals.toml"] = (approval(files, "Ada Ito") + early).encode()

    assert release(files, production=True).not_used == "not_approved"


def test_changed_back_test_needs_new_approvals(files: dict[str, bytes]) -> None:
    files["approvals.toml"] = "".join(approval(files, person) for person in KEYS).encode()
    files["backtest.json"] = BACKTEST.model_copy(update={"cases": 901}).encode()

    assert release(files, production=True).not_used == "not_approved"


def test_model_for_demonstration_is_never_used_in_production(files: dict[str, bytes]) -> None:
    files["model.json"] = encode(dataclasses.replace(MODEL, purpose="demonstration"))
    shipped = model_hash(files["model.json"])
    files["backtest.json"] = BACKTEST.model_copy(update={"model_sha256": shipped}).encode()
    files["approvals.toml"] = "".join(approval(files, person) for person in KEYS).encode()

    assert release(files, production=True).not_used == "demonstration_only"


def test_model_without_back_test_is_not_used_in_production() -> None:
    assert release({"model.json": CONTENT}, production=True).not_used == "not_backtested"


def test_development_uses_what_nobody_approved() -> None:
    assert release({"model.json": CONTENT}, production=False).not_used is None


def test_model_without_back_test_cannot_be_approved() -> None:
    with pytest.raises(ArtefactError, match=r"backtest\.json"):
        approve({"model.json": CONTENT}, approver="Ada Ito", on=DAY, sign=KEYS["Ada Ito"].sign)


def test_back_test_of_another_model_is_refused(files: dict[str, bytes]) -> None:
    files["backtest.json"] = BACKTEST.model_copy(update={"model_sha256": "2" * 64}).encode()

    with pytest.raises(ArtefactError, match="is of the model"):
        release(files, production=True)


def test_key_of_two_people_is_refused(files: dict[str, bytes]) -> None:
    under_another_name = registry("Ada Ito").replace(b"Ada Ito", b"Eve Roth")
    files["approvers.toml"] = registry("Ada Ito") + under_another_name.replace(
        vkey("Ada Ito").encode(), vkey("Eve Roth", key="Ada Ito").encode()
    )

    with pytest.raises(ArtefactError, match="registered twice"):
        release(files, production=True)


def test_key_in_the_name_of_somebody_else_is_refused(files: dict[str, bytes]) -> None:
    files["approvers.toml"] = registry("Ada Ito").replace(b"Ada Ito", b"Eve Roth")

    with pytest.raises(ArtefactError, match="does not carry the name eve_roth"):
        release(files, production=True)


def test_segment_is_shown_only_where_model_and_back_test_agree(files: dict[str, bytes]) -> None:
    gates = {target: {SEGMENTS[0]: SHUT, SEGMENTS[1]: OPEN} for target in MODEL.gates}
    files["backtest.json"] = BACKTEST.model_copy(update={"gates": gates}).encode()

    assert not any(any(shown) for shown in release(files, production=False).shown.values())
