"""The desk of conduct that somebody heard or read of a contact after it was recorded: a recording, a complaint."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from services.compliance import finding_desk, hindsight, reconsideration
from services.compliance.domain.findings import FindingVersion
from services.compliance.domain.hindsight import Heard, found_in
from services.compliance.instruments import Instruments
from services.compliance.store.audits import load_contacts_since
from shared.database import UnitOfWork
from shared.web.problems import NotFound

_EVER: Final = datetime(2000, 1, 1, tzinfo=UTC)


async def report(
    uow: UnitOfWork, instruments: Instruments, party_id: UUID, contact_id: UUID, heard: Heard
) -> list[FindingVersion]:
    """The findings of the rules that were broken, those told before included; what they change of later contacts and of
    outstanding permits follows. The party is locked. Raises NotFound.
    """
    since = {party_id: hindsight.Since(_EVER)}
    contacts = (await load_contacts_since(uow, instruments.cipher, since, besides=())).get(party_id, [])
    contact = next((one for one in contacts if one.contact_id == contact_id), None)
    if contact is None:
        raise NotFound("there is no such contact with this party")
    past = (await hindsight.load_pasts(uow, instruments, {party_id: [contact]}))[party_id]
    found = found_in(past, contact, heard, instruments.book, freshness_limit=instruments.freshness_limit)
    if await finding_desk.record(uow, instruments, found):
        await hindsight.judge_since(uow, instruments, [(party_id, hindsight.Since(contact.started_at))])
        await reconsideration.reconsider(uow, instruments, [party_id])
    return found
