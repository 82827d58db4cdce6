"""`rules approver-key`, `vouch`, `approve`, `released`: four eyes, each with a key of their own, signed offline."""

import base64
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer
from rich.console import Console

from cli.attached import refusal
from shared.clock import SystemClock
from shared.security.note_keys import NoteKey
from shared.security.signing import SigningKey

if TYPE_CHECKING:
    from services.compliance.domain.approvers import Registration
    from services.compliance.domain.packs import RuleBook
    from services.compliance.domain.releases import Approval
    from services.intake.approvers import Approval as Approved

console = Console(soft_wrap=True)
DEVELOPMENT_APPROVERS = ("First development approver", "Second development approver")

PersonName = Annotated[str, typer.Option("--person", help="Who approves, as the bank's directory names them.")]
Keys = Annotated[Path, typer.Option(file_okay=False, help="The person's own folder of keys; nobody else's.")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day; today when left out.")]


@dataclass(frozen=True)
class Approver:
    """A person with the key that is theirs now."""

    person: str
    signing: SigningKey

    @classmethod
    def open(cls, keys: Path, person: str) -> Self:
        """The person's key in the folder, made if missing."""
        from shared.security.note_keys import person_key_name

        return cls(person, SigningKey.open(keys, f"approver-{person_key_name(person)}"))

    @property
    def key(self) -> NoteKey:
        """The public half, under the person's name."""
        return self.named(self.signing.public_bytes)

    def named(self, public_bytes: bytes) -> NoteKey:
        """A key of this person."""
        from shared.security.note_keys import person_key_name

        return NoteKey(person_key_name(self.person), public_bytes)

    def registration(self, on: date) -> "Registration":
        """The first registration of the key."""
        from services.compliance.domain.approvers import Registration

        return Registration(person=self.person, key=self.key.vkey, registered_on=on)

    def rotated(self, on: date) -> "Registration":
        """Make a new key; its registration is signed by the one before it."""
        from services.compliance.domain.approvers import successor

        old = self.registration(on)
        self.signing.rotate()
        return successor(old, self.key, on=on, sign=self.signing.versions[1].sign_bytes)

    def vouches(self, person: str, *, lost: str, new: str, on: date) -> "Registration":
        """The registration of somebody else's new key in the place of a lost one, with this person's word for it."""
        from services.compliance.domain.approvers import Registration, Voucher, vouch_statement

        signature = self.signing.sign_bytes(vouch_statement(person, lost, new, on))
        voucher = Voucher(person=self.person, key=self.key.vkey, signature=base64.b64encode(signature).decode())
        return Registration(person=person, key=new, registered_on=on, previous=lost, vouched_by=(voucher,))

    def approves(self, book: "RuleBook", label: str, *, on: date) -> "Approval":
        """The signed approval of a pack of the book."""
        from services.compliance.domain.releases import approve

        return approve(book, label, approver=self.person, on=on, sign=self.signing.sign_bytes, key=self.key)


def approver_key(
    person: PersonName,
    keys: Keys,
    on: Day = None,
    rotate: Annotated[bool, typer.Option("--rotate", help="Make the next key, signed by the one in use.")] = False,
) -> None:
    """Make a person's key and print its registration for approvers.toml; the fingerprint is to be published."""
    approver = Approver.open(keys, person)
    registration = approver.rotated(approval_day(on)) if rotate else approver.registration(approval_day(on))
    print(toml_table("approver", registration.model_dump(exclude_none=True)), end="")
    print(f"# fingerprint {approver.key.fingerprint}")


def vouch(
    person: Annotated[str, typer.Option("--for", help="Whose key was lost, as registered.")],
    lost: Annotated[str, typer.Option(help="The lost key, as registered: name+id+key.")],
    new: Annotated[str, typer.Option(help="The new key, as its owner read it out to you in person.")],
    by: Annotated[str, typer.Option("--person", help="Who vouches: another registered approver.")],
    keys: Keys,
    on: Day = None,
) -> None:
    """Vouch for another approver's new key; prints its registration for approvers.toml.

    One voucher and the new key count as one approver. A second one vouches with the same --on; both entries then stand
    in `vouched_by`, and the key counts as its owner's own.
    """
    registration = Approver.open(keys, by).vouches(person, lost=lost, new=new, on=approval_day(on))
    print(toml_table("approver", registration.model_dump(exclude_none=True)), end="")


def approve_packs(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Pack files (TOML).")],
    person: PersonName,
    keys: Keys,
    on: Day = None,
) -> None:
    """Sign packs offline; prints the lines for approvals.toml. Read them with `rules diff` and `rules check` before."""
    from services.compliance.domain.packs import PackError, pack_hash
    from services.compliance.rule_book import packs_of, read_packs, with_versions

    contents = {str(file): file.read_bytes() for file in files}
    try:
        book = read_packs(with_versions(packs_of(None), contents))
    except PackError as error:
        console.print(str(error), markup=False)
        raise typer.Exit(1) from error
    wanted = {pack_hash(content) for content in contents.values()}
    approver = Approver.open(keys, person)
    labels = [label for label, sha256 in book.hashes.items() if sha256 in wanted]
    print(
        "".join(toml_table("approval", _said(approver.approves(book, label, on=approval_day(on)))) for label in labels),
        end="",
    )


def released(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The bank's DOORSTEP_PACK_FOLDER.")],
) -> None:
    """Who released each pack of a folder; exit code 1 when production would refuse one, with the reason."""
    from services.compliance.domain.packs import PackError
    from services.compliance.rule_book import packs_of, read_packs, read_releases

    try:
        found = read_releases(read_packs(packs_of(folder)), folder=folder)
    except PackError as error:
        console.print(str(error), markup=False)
        raise typer.Exit(1) from error
    for one in found.releases:
        console.print(f"{one.label}: {', '.join(a.approver for a in one.approvals)}", markup=False)
    for label in found.missing:
        console.print(f"refused: {label}", markup=False)
    if found.missing:
        raise typer.Exit(1)


def release_folder(folder: Path, approvers: Sequence[Approver], *, on: date) -> None:
    """Write the shipped packs to `folder` as released by these people on that day: what the demo runs with."""
    from services.compliance.rule_book import read_packs, sources_of

    folder.mkdir(mode=0o700, parents=True)
    sources = sources_of()
    for name, content in sources.items():
        (folder / name).write_bytes(content)
    book = read_packs(sources)
    registrations = [one.registration(on).model_dump(exclude_none=True) for one in approvers]
    approvals = [_said(one.approves(book, label, on=on)) for label in book.hashes for one in approvers]
    _write(folder / "approvers.toml", "approver", registrations)
    _write(folder / "approvals.toml", "approval", approvals)


def released_for_development(folder: Path, *, on: date) -> Path:
    """The shipped packs in `folder`, released by two development approvers whose keys lie beside them.

    Made anew when the shipped packs are others: development approves whatever it starts with, but really signs it.
    """
    from services.compliance.rule_book import sources_of

    rules, fresh = folder / "rules", folder / "rules.new"
    if not rules.is_dir() or sources_of(rules) != sources_of():
        shutil.rmtree(fresh, ignore_errors=True)
        release_folder(fresh, [Approver.open(folder / "approvers", one) for one in DEVELOPMENT_APPROVERS], on=on)
        shutil.rmtree(rules, ignore_errors=True)
        fresh.rename(rules)
    return rules


def _said(approval: "Approval") -> dict[str, object]:
    return approval.model_dump()


def approval_day(on: datetime | None) -> date:
    return SystemClock().real_now().date() if on is None else on.date()


def print_approval(
    approve: Callable[..., "Approved"], content: object, *, person: str, keys: Path, on: datetime | None,
    refused: type[Exception],
) -> None:  # fmt: skip
    """Sign with the person's key and print the lines for approvals.toml; `refused` is what `approve` raises."""
    sign = Approver.open(keys, person).signing.sign_bytes
    try:
        approval = approve(content, approver=person, on=approval_day(on), sign=sign)
    except refused as error:
        raise refusal(f"refused: {error}") from error
    print(toml_table("approval", approval.model_dump()), end="")


def _write(path: Path, name: str, entries: Iterable[Mapping[str, object]]) -> None:
    path.write_text("\n".join(toml_table(name, entry) for entry in entries), encoding="utf-8")


def toml_table(name: str, values: Mapping[str, object]) -> str:
    """One table of a TOML list."""
    lines = (f"{key} = {_toml(value)}" for key, value in values.items() if value != ())
    return "\n".join([f"[[{name}]]", *lines, ""])


def _toml(value: object) -> str:
    """Basic strings of TOML are written like those of JSON."""
    match value:
        case date() | int():
            return str(value)
        case dict():
            return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
        case tuple():
            return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
