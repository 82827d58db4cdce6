"""Merges through the consumer's transaction into the tables."""

import asyncio
import multiprocessing
import os
import random
import signal
from datetime import UTC, datetime
from uuid import uuid4

from services.intake import identifying
from services.intake.core_events import core_event
from services.intake.folding import Folding, keys_bound
from services.intake.identifying import SETTLING, SettleIdentity
from services.intake.settings import IntakeSettings
from services.intake.store.parties import reserve
from shared.clock import FixedClock
from shared.database import Database
from shared.events.compliance import PartyErased
from shared.events.stop import PartyParked, PartyUnparked
from shared.security.key_management import LocalKeyManagement
from shared.security.party_keys import PartyCipher
from tests.integration.intake.conftest import NOW, record_of
from tests.integration.intake.test_api import item, post
from tests.integration.intake.test_facts import carry_out, case_of, party_of
from tests.unit.intake.facts import due, overdue, payment, person
from tests.unit.intake.identities import merged, unmerged


async def settle(intake):
    """What the worker does when the moment has come."""
    intake.clock.advance(SETTLING)
    return await carry_out(intake, SettleIdentity(intake.folding.settings))


TWO = (person(1), overdue(2, due(40, 500)), overdue(1, due(10, 300), loan="L-2", party="P-2"))


async def test_merge_late_fact_release_and_unmerge(intake):
    await intake.tell(*TWO)
    await intake.tell(merged(5, "P-1", "P-2"))
    assert (await case_of(intake))["suspended"] == ["merging"]
    assert (await case_of(intake, "P-2"))["status"] == "closed"
    assert await settle(intake) == 1
    await intake.tell(payment(2, 100, due(10, 300, 100), loan="L-2", party="P-2"), topic="loan-urgent")
    assert ((await case_of(intake))["overdue_minor"], (await case_of(intake))["suspended"]) == ('[["CNY",700]]', [])
    await intake.tell(unmerged(6, "P-1", "P-2"))
    await settle(intake)
    assert [(await case_of(intake, ref))["overdue_minor"] for ref in ("P-1", "P-2")] == [
        '[["CNY",500]]', '[["CNY",200]]',
    ]  # fmt: skip
    assert (await case_of(intake, "P-2"))["suspended"] == []


async def test_sequences_of_both_cases_stay_gapless(intake):
    await intake.tell(*TWO, merged(5, "P-1", "P-2"))
    await settle(intake)
    await intake.tell(unmerged(6, "P-1", "P-2"))
    for ref in ("P-1", "P-2"):
        case = await case_of(intake, ref)
        issued = await intake.fetch("SELECT last FROM sequence_issued WHERE aggregate_id = $1", case["case_id"])
        assert issued[0][0] == case["version"]


async def test_under_either_key_and_by_both_topics_it_is_one_merge(intake):
    await intake.tell(*TWO)
    other = record_of(merged(5, "P-1", "P-2"))
    other = type(other)(0, 0, 0, b"bank|core-a|P-2", other.value, other.headers)
    await intake.tell(other)
    await intake.tell(merged(5, "P-1", "P-2"), topic="loan-urgent")
    assert (await intake.types()).count("case.party_merged") == 2
    assert await settle(intake) == 1


async def test_what_others_say_of_the_one_given_up_counts_for_who_remains(intake):
    await intake.tell(*TWO, merged(5, "P-1", "P-2"))
    await settle(intake)
    party = await party_of(intake, "P-2")
    await intake.hear(PartyParked(party_id=party, service="visits", cause="x", topic="case", partition=0, offset=1))
    assert (await case_of(intake))["suspended"] == ["facts_incomplete"]
    await intake.hear(PartyUnparked(party_id=party, service="visits"))
    assert (await case_of(intake))["suspended"] == []


async def test_two_merges_at_once_among_facts_end_in_one_state(intake):
    await intake.tell(*TWO, overdue(1, due(20, 70), loan="L-3", party="P-3"))
    facts = [overdue(9 + number, due(10, number + 1), loan=f"L-{2 + number % 2}", party=f"P-{2 + number % 2}")
             for number in range(20)]  # fmt: skip
    random.Random(3).shuffle(facts)
    await asyncio.gather(
        intake.tell(merged(50, "P-1", "P-2"), *facts[:10]),
        intake.tell(merged(51, "P-3", "P-1"), *facts[10:], topic="loan-urgent"),
    )
    await settle(intake)
    case = await case_of(intake, "P-3")
    assert (case["overdue_minor"], case["status"], case["suspended"]) == ('[["CNY",539]]', "open", [])
    assert {(await case_of(intake, ref))["status"] for ref in ("P-1", "P-2")} == {"closed"}


async def test_a_merge_that_breaks_off_is_made_again_as_a_whole(intake, monkeypatch):
    await intake.tell(*TWO)
    save, failures = identifying.store.save, [ConnectionResetError()]

    async def fail_once(uow, aliases):
        await save(uow, aliases)
        if failures:
            raise failures.pop()

    monkeypatch.setattr(identifying.store, "save", fail_once)
    await intake.tell(merged(5, "P-1", "P-2"))
    assert (await intake.types()).count("case.party_merged") == 2
    assert await settle(intake) == 1
    assert (await case_of(intake))["suspended"] == []


async def test_people_of_two_cores_are_not_merged_and_nobody_of_the_same_reference_is_taken_for_them(intake):
    await intake.tell(*TWO)
    async with intake.api() as api:
        (refused,) = await post(api, item(merged(5, "P-1", "P-2", merged_core="core-b")))
    assert refused["errors"] == [{"pointer": "/data/merged_core", "kind": "another_core"}]
    assert (await intake.fetch("SELECT FROM party_identity"), (await case_of(intake))["suspended"]) == ([], [])


async def test_who_is_erased_goes_with_the_references_merged_into_theirs(intake):
    await intake.tell(*TWO, merged(5, "P-1", "P-2"))
    party = await party_of(intake)
    erased = PartyErased(party_id=party, erasure_id=uuid4(), erased_at=NOW, complete_from=NOW)
    await intake.hear(erased, topic="compliance")
    for table in ("party_identity", "loan", "party_alias"):
        assert await intake.fetch(f"SELECT FROM {table}") == [], table


def _merge_and_die(settings):
    """In a process of its own: killed when everything of the merge is written and nothing is committed."""

    async def merge_and_die():
        clock = FixedClock(NOW, datetime.now(UTC))
        database = await Database.open(settings, clock, service="intake")
        cipher = PartyCipher(LocalKeyManagement.open(settings.key_folder, "intake"), tenant=settings.tenant)
        own, save = IntakeSettings(), identifying.books.save

        async def save_and_die(*values):
            await save(*values)
            os.kill(os.getpid(), signal.SIGKILL)

        identifying.books.save = save_and_die
        event = core_event(
            "party.merged", merged(5, "P-1", "P-2"), tenant="bank", source="core-a", identity="m-1", time=NOW,
            learned_at=clock.real_now(), correlation_id="m-1",
        )  # fmt: skip
        async with database.unit_of_work() as uow:
            parties = await reserve(uow, keys_bound(event))
            await uow.lock_parties(parties.ids.values())
            await Folding(own, own.policy(), cipher).fold(uow, [event], parties)

    asyncio.run(merge_and_die())


async def test_kill_9_in_the_middle_of_a_merge_and_between_its_steps_ends_in_one_state(intake):
    await intake.tell(*TWO)
    before = await intake.fetch("SELECT party_id, version, status FROM case_file ORDER BY 1")
    process = multiprocessing.get_context("spawn").Process(target=_merge_and_die, args=(intake.settings,))
    process.start()
    await asyncio.to_thread(process.join, 60)
    assert process.exitcode == -signal.SIGKILL
    assert await intake.fetch("SELECT party_id, version, status FROM case_file ORDER BY 1") == before
    assert await intake.fetch("SELECT FROM party_identity") == []
    await intake.tell(merged(5, "P-1", "P-2"))
    assert (await case_of(intake))["suspended"] == ["merging"], "whoever is killed here leaves the intent"
    assert await settle(intake) == 1
    assert ((await case_of(intake))["suspended"], (await case_of(intake, "P-2"))["status"]) == ([], "closed")
