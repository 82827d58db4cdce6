"""Four eyes with keys: which approvals count, whose keys they are, and how a key is followed by the next."""

from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.approving import Approver, release_folder
from cli.rules import rules_app
from services.compliance.domain.approvers import Approvers, Registration, approvers, read_approvers
from services.compliance.domain.packs import PackError, RuleBook
from services.compliance.domain.releases import releases
from services.compliance.rule_book import read_packs, read_releases, sources_of

DAY, LATER = date(2026, 1, 5), date(2026, 2, 1)
LABEL = "platform/1"
RUN = CliRunner()


@pytest.fixture(scope="module")
def shipped() -> RuleBook:
    return read_packs(sources_of())


@pytest.fixture
def ada(tmp_path: Path) -> Approver:
    return Approver.open(tmp_path / "a", "Ada Lovelace")


@pytest.fixture
def ben(tmp_path: Path) -> Approver:
    return Approver.open(tmp_path / "b", "Ben Li")


def registered(*people: Approver) -> Approvers:
    return approvers([one.registration(DAY) for one in people])


def reasons(book: RuleBook, approvals: list, registry: Approvers) -> str:  # type: ignore[type-arg]
    """What is said of the pack; empty when it is released."""
    found = releases(book, approvals, registry)
    assert (LABEL in {one.label for one in found.releases}) != any(one.startswith(LABEL) for one in found.missing)
    return next((one for one in found.missing if one.startswith(LABEL)), "")


def test_two_signatures_of_two_people_release_a_pack(shipped: RuleBook, ada: Approver, ben: Approver) -> None:
    both = [one.approves(shipped, LABEL, on=DAY) for one in (ada, ben)]
    assert reasons(shipped, both, registered(ada, ben)) == ""
    assert reasons(shipped, both[:1], registered(ada, ben)) == LABEL
    assert reasons(shipped, [both[0], both[0]], registered(ada, ben)) == LABEL


def test_unsigned_forged_and_foreign_approvals_count_for_nothing(
    shipped: RuleBook, ada: Approver, ben: Approver
) -> None:
    first, second = (one.approves(shipped, LABEL, on=DAY) for one in (ada, ben))
    registry = registered(ada, ben)
    unsigned = second.model_copy(update={"signature": ""})
    assert "Ben Li: not signed" in reasons(shipped, [first, unsigned], registry)
    stolen = second.model_copy(update={"signature": first.signature})
    assert "Ben Li: the signature does not hold" in reasons(shipped, [first, stolen], registry)
    backdated = second.model_copy(update={"approved_on": LATER})
    assert "does not hold" in reasons(shipped, [first, backdated], registry)
    under_another_name = first.model_copy(update={"approver": "Ben Li"})
    assert "was not registered for this person" in reasons(shipped, [first, under_another_name], registry)
    assert "was not registered for this person" in reasons(shipped, [first, second], registered(ada))


def test_one_key_serves_one_person_under_that_name(ada: Approver, tmp_path: Path) -> None:
    one = ada.registration(DAY)
    with pytest.raises(PackError, match="has a key already"):
        approvers([one, Approver.open(tmp_path / "c", "ada lovelace").registration(DAY)])
    with pytest.raises(PackError, match="registered twice"):
        approvers([one, one])
    with pytest.raises(PackError, match="does not carry the name"):
        approvers([one.model_copy(update={"person": "Ben Li"})])


def test_a_new_key_is_signed_by_the_one_before(shipped: RuleBook, ada: Approver, ben: Approver) -> None:
    first, old_approval = ada.registration(DAY), ada.approves(shipped, LABEL, on=LATER)
    second = ada.rotated(LATER)
    registry = approvers([first, second, ben.registration(DAY)])
    other = ben.approves(shipped, LABEL, on=LATER)
    assert reasons(shipped, [ada.approves(shipped, LABEL, on=LATER), other], registry) == ""
    assert reasons(shipped, [old_approval, other], registry) == ""
    after = date(2026, 3, 1)
    late = (
        Approver(ada.person, ada.signing)
        .approves(shipped, LABEL, on=after)
        .model_copy(update={"key": first.key, "signature": old_approval.signature})
    )
    assert "was not registered" in reasons(shipped, [late, other], registry)
    with pytest.raises(PackError, match="not signed by the one before"):
        approvers([first, second.model_copy(update={"signature": "AAAA"})])


def test_commands_make_a_key_sign_and_say_what_is_missing(tmp_path: Path, ada: Approver, ben: Approver) -> None:
    folder = tmp_path / "packs"
    release_folder(folder, [ada, ben], on=DAY)
    assert RUN.invoke(rules_app, ["released", str(folder)]).exit_code == 0
    (folder / "platform.toml").write_bytes(sources_of()["platform.toml"] + b"\n# changed\n")
    refused = RUN.invoke(rules_app, ["released", str(folder)])
    assert (refused.exit_code, "refused: platform/1" in refused.output) == (1, True)
    for person, keys in ((ada.person, tmp_path / "a"), (ben.person, tmp_path / "b")):
        arguments = ["approve", str(folder / "platform.toml"), "--person", person, "--keys", str(keys)]
        signed = RUN.invoke(rules_app, [*arguments, "--on", "2026-01-06"])
        assert signed.exit_code == 0, signed.output
        with (folder / "approvals.toml").open("a") as file:
            file.write(signed.output)
    assert RUN.invoke(rules_app, ["released", str(folder)]).exit_code == 0
    book = read_packs({one.name: one.read_bytes() for one in folder.glob("*.toml") if "appro" not in one.name})
    assert read_releases(book, folder=folder).missing == ()


def test_key_command_prints_a_registration_and_the_next_one(tmp_path: Path) -> None:
    arguments = ["approver-key", "--person", "Wang Li", "--keys", str(tmp_path), "--on", "2026-01-05"]
    printed = [RUN.invoke(rules_app, [*arguments, *more]).output for more in ([], ["--rotate"])]
    registry = read_approvers("".join(printed).encode())
    assert [one.person for one in registry.registrations] == ["Wang Li", "Wang Li"]
    assert all("# fingerprint " in text for text in printed)


@pytest.fixture
def cid(tmp_path: Path) -> Approver:
    return Approver.open(tmp_path / "c", "Cid Roe")


def replaced(ada: Approver, *vouchers: Approver, folder: Path) -> tuple[Approver, Registration]:
    """Ada's key is lost; the next one, and its registration with these people's word."""
    new = Approver.open(folder / "new", ada.person)
    said = [one.vouches(ada.person, lost=ada.key.vkey, new=new.key.vkey, on=LATER) for one in vouchers]
    return new, said[0].model_copy(update={"vouched_by": tuple(one.vouched_by[0] for one in said)})


def test_lost_key_is_followed_by_one_that_two_others_vouch_for(
    shipped: RuleBook, ada: Approver, ben: Approver, cid: Approver, tmp_path: Path
) -> None:
    new, registration = replaced(ada, ben, cid, folder=tmp_path)
    registry = approvers([*(one.registration(DAY) for one in (ada, ben, cid)), registration])
    both = [one.approves(shipped, LABEL, on=LATER) for one in (new, ben)]
    assert reasons(shipped, both, registry) == ""


def test_who_alone_vouched_counts_as_one_with_the_new_key(
    shipped: RuleBook, ada: Approver, ben: Approver, cid: Approver, tmp_path: Path
) -> None:
    """Else one person could sign twice: by their own key, and by one that they say is somebody else's."""
    new, registration = replaced(ada, ben, folder=tmp_path)
    registry = approvers([*(one.registration(DAY) for one in (ada, ben, cid)), registration])
    with_ben, with_cid = ([one.approves(shipped, LABEL, on=LATER) for one in (new, who)] for who in (ben, cid))
    assert "counts as one with them" in reasons(shipped, with_ben, registry)
    assert reasons(shipped, with_cid, registry) == ""
    # What that key vouches for counts as Ben's, too: a chain of words of one person stays one person.
    newest, chained = replaced(cid, new, ben, folder=tmp_path / "cid")
    registry = approvers([*registry.registrations, chained])
    both = [one.approves(shipped, LABEL, on=LATER) for one in (newest, ben)]
    assert "counts as one with them" in reasons(shipped, both, registry)


def test_nobody_vouches_alone_for_oneself_or_by_another_s_name(
    ada: Approver, ben: Approver, cid: Approver, tmp_path: Path
) -> None:
    first = [one.registration(DAY) for one in (ada, ben)]
    _, by_herself = replaced(ada, ada, folder=tmp_path)
    with pytest.raises(PackError, match="Ada Lovelace cannot vouch"):
        approvers([*first, by_herself])
    _, by_a_stranger = replaced(ada, cid, folder=tmp_path)
    with pytest.raises(PackError, match="Cid Roe cannot vouch"):
        approvers([*first, by_a_stranger])
    _, word = replaced(ada, ben, folder=tmp_path)
    with pytest.raises(PackError, match="Ben Li did not sign"):
        approvers([*first, word.model_copy(update={"registered_on": date(2026, 2, 2)})])
    with pytest.raises(PackError, match="is not signed by the one before"):
        approvers([*first, word.model_copy(update={"vouched_by": ()})])


def test_word_for_a_new_key_is_given_on_the_command_line(ada: Approver, ben: Approver, tmp_path: Path) -> None:
    new = Approver.open(tmp_path / "new", ada.person)
    arguments = ["--for", ada.person, "--lost", ada.key.vkey, "--new", new.key.vkey, "--on", LATER.isoformat()]
    result = RUN.invoke(rules_app, ["vouch", *arguments, "--person", ben.person, "--keys", str(tmp_path / "b")])
    assert result.exit_code == 0, result.output
    first = "".join(
        f'[[approver]]\nperson = "{one.person}"\nkey = "{one.key.vkey}"\nregistered_on = {DAY}\n' for one in (ada, ben)
    )
    held = read_approvers((first + result.output).encode()).held_by(ada.person, new.key.vkey, LATER)
    assert held is not None
    assert held.answers_for == "ben_li"
