"""What every desk of compliance works with: rules, keys, limits."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self

from services.compliance.domain.approvers import Registration
from services.compliance.domain.contact_points import normalised
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.releases import Release
from services.compliance.log.note import NoteKey
from services.compliance.log.origin import origin_of
from services.compliance.log.witnesses import Witness
from services.compliance.rule_archive import RulePart, present_parts
from services.compliance.rule_book import read_releases, registered_approvers, rule_book
from services.compliance.store.frames import KeptFrames
from shared.security.key_management import LocalKeyManagement
from shared.security.party_keys import PartyCipher
from shared.security.signing import SigningKey
from shared.settings import ServiceSettings

_log = logging.getLogger(__name__)
PERMIT_KIND = "permit+jwt"
REVOCATIONS_KIND = "revocations+jwt"


def open_archive_keys(settings: ServiceSettings) -> tuple[PartyCipher, tuple[NoteKey, ...]]:
    """What evidence is read and verified with: the cipher, and the log's keys (newest first) and its witnesses'.

    Raises PermissionError, NoteError.
    """
    origin = origin_of(settings.tenant, settings.log_generation)
    versions = SigningKey.open(settings.key_folder, "checkpoint").versions
    witnesses = (Witness.parse(text).key for text in settings.log_witnesses)
    cipher = PartyCipher(LocalKeyManagement.open(settings.key_folder, "compliance"), tenant=settings.tenant)
    return cipher, (*(NoteKey(origin, version.public_bytes) for version in versions), *witnesses)


@dataclass(frozen=True, kw_only=True)
class Instruments:
    """Opened once per process. The keys of permits and of checkpoints differ.

    Neither signature passes for the other's.
    """

    tenant: str
    book: RuleBook
    cipher: PartyCipher
    permit_key: SigningKey
    checkpoint_key: SigningKey
    log_key: NoteKey
    freshness_limit: timedelta
    releases: tuple[Release, ...] = ()
    approver_keys: tuple[Registration, ...] = ()
    rule_parts: tuple[RulePart, ...] = ()
    """The sources of the rule set, to be kept: its decisions can be judged again by them."""
    log_generation: int = 1
    older_log_keys: tuple[NoteKey, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    witnesses_required: int = 0
    frames: KeptFrames = field(default_factory=KeptFrames)

    def contact_point_commitment(self, contact_point: str) -> str:
        """What a number, e-mail or address has in common with itself, and nobody can read it from (HMAC, 16 bytes)."""
        return self.cipher.blind_index("contact_point", normalised(contact_point)).hex()

    def address_commitment(self, address: str, cell: str | None) -> str:
        """The same of the address of a visit in that cell."""
        return self.cipher.blind_index("address", f"{cell or ''}|{normalised(address)}").hex()

    @classmethod
    def open(cls, settings: ServiceSettings) -> Self:
        """Load rules and keys. Raises PackError, PermissionError, NoteError."""
        checkpoint_key = SigningKey.open(settings.key_folder, "checkpoint")
        origin = origin_of(settings.tenant, settings.log_generation)
        book = rule_book(folder=settings.pack_folder, production=settings.environment == "production")
        released = read_releases(book, folder=settings.pack_folder)
        if released.missing:
            count = len(released.missing)
            _log.warning(
                "RULES NOT RELEASED: %s packs lack two signed approvals; refused in production. "
                "What each lacks: `rules released FOLDER`; how to release: docs/releasing-rules.md",
                count,
            )
        return cls(
            tenant=settings.tenant,
            book=book,
            releases=released.releases,
            approver_keys=registered_approvers(settings.pack_folder).registrations,
            rule_parts=present_parts(settings.pack_folder),
            cipher=PartyCipher(LocalKeyManagement.open(settings.key_folder, "compliance"), tenant=settings.tenant),
            permit_key=SigningKey.open(settings.key_folder, "permit"),
            checkpoint_key=checkpoint_key,
            log_key=NoteKey(origin, checkpoint_key.public_bytes),
            freshness_limit=timedelta(seconds=settings.freshness_limit_seconds),
            log_generation=settings.log_generation,
            older_log_keys=tuple(NoteKey(origin, one.public_bytes) for one in checkpoint_key.versions[1:]),
            witnesses=tuple(Witness.parse(text) for text in settings.log_witnesses),
            witnesses_required=settings.log_witnesses_required,
        )
