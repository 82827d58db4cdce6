"""Loans of a Fineract group: no client, and who is bound is the bank's word, never a guess."""

from datetime import date

from msgspec import structs

from simulation.fineract import wire
from tests.integration.intake.test_fineract import DAY, DUES, Core, core

__all__ = ["core"]


def members_bound(core: Core) -> None:
    """The bank has said that all members of a group are bound by its loans."""
    core.adapter._port._groups_bind = True
    core.adapter._tenancy = structs.replace(core.adapter._tenancy, group_liability="joint")


async def findings(core: Core) -> list[tuple[str, str, bool]]:
    """Loan, field and whether it stands, of each finding."""
    rows = await core.intake.fetch(
        "SELECT loan_ref, field, closed_at IS NULL AND confirmed_at IS NOT NULL FROM reconciliation_finding ORDER BY 1"
    )
    return [tuple(row) for row in rows]


async def cases(core: Core) -> dict[str, str]:
    """Status of the case of each reference, and whether it is held."""
    rows = await core.intake.fetch(
        "SELECT a.party_ref, c.status, c.held FROM case_file c JOIN party_alias a USING (tenant, party_id)"
    )
    return {row[0]: f"{row[1]}{' held' if row[2] else ''}" for row in rows}


async def test_without_the_bank_s_word_the_loan_is_held_and_a_finding_says_why(core):
    core.books.lend(7, None, DUES, group=5)
    core.books.groups[5] = [42, 43]
    await core.send(core.late(7))
    assert await core.letters() == []
    assert await cases(core) == {"group-5": "open held"}
    assert await findings(core) == [("7", "group", True)]
    assert not [path for path in core.books.questions if "clients" in path or "groups" in path]
    core.books.book(7, 200_00, on=DAY)
    await core.send(core.late(7))
    assert await findings(core) == [("7", "group", False)]


async def test_the_members_are_bound_jointly_and_one_case_leads(core):
    members_bound(core)
    core.books.lend(7, None, DUES, group=5, guarantors=[44, 46])
    core.books.groups[5] = [45, 44, 43]
    core.books.clients[43] = {"status": {"id": 600, "code": "clientStatusType.closed"}}
    await core.send(core.late(7))
    assert await cases(core) == {"44": "open"}
    (opened,) = [data for name, data in await core.intake.told() if name == "case.opened"]
    bound = [(one["role"], one["liability"]) for one in opened["loans"][0]["obligors"]]
    assert bound == [("borrower", "joint"), ("co_borrower", "joint"), ("guarantor", "secondary")]
    assert await findings(core) == []
    booking = core.books.book(7, 200_00, on=DAY)
    await core.send(core.paid(booking.number, 200_00, loan=7))
    assert await cases(core) == {"44": "cured"}
    assert core.books.questions.count("/api/v1/groups/5") == 1


async def test_a_lead_who_leaves_the_group_leaves_the_case_to_the_next(core):
    members_bound(core)
    core.books.lend(7, None, DUES, group=5)
    core.books.groups[5] = []
    await core.send(core.late(7))
    assert await cases(core) == {"group-5": "open held"}
    core.books.groups[5] = [44, 45]
    await core.send(core.late(7))
    assert await cases(core) == {"group-5": "closed held", "44": "open"}
    assert await findings(core) == [("7", "group", False)]
    core.adapter._port._person_seconds = 0
    core.books.groups[5] = [45]
    await core.send(core.late(7), core.sender.message(7, wire.repayment_due(7, date(2026, 4, 5))))
    assert await cases(core) == {"group-5": "closed held", "44": "closed", "45": "open"}
    core.books.book(7, 200_00, on=DAY)
    core.books.groups[5] = [46]
    await core.send(core.late(7))
    assert (await cases(core))["45"] == "closed"
    assert [name for _, name in await core.facts()].count("loan.obligor_changed") == 3
