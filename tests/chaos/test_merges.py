"""`kill -9` in the middle of merges: each is told once under both keys, and nobody stays suspended."""

from collections import Counter
from typing import Any

from shared.events.loan import PartyMerged
from simulation.core.ledger import CORE, TENANT
from simulation.demo import START

PARTIES = 60
PAIRS = 8


async def test_killed_between_the_steps_of_merges(run: Any, until: Any, reaches: Any) -> None:
    async with run(PARTIES) as it:
        await it.feed()
        roles = ["consumer", "relay", "worker"]
        # What a killed worker had in hand is free soon, so that the test need not wait long.
        await it.start_altered("intake", ["short_leases"], name="intake", roles=roles)
        await until(it.at_rest)
        wronged = it.opening.malformed_parties | it.opening.unknown_parties
        people = sorted({loan.person.party_ref for loan in it.ledger.late_loans()} - wronged)[: 2 * PAIRS]
        assert len(people) == 2 * PAIRS
        merges = [
            PartyMerged(
                tenant=TENANT, core=CORE, party_ref=people[2 * number], merged_ref=people[2 * number + 1],
                business_date=it.ledger.business_date, core_sequence=1,
            )
            for number in range(PAIRS)
        ]  # fmt: skip
        await it.feed([it.mouth.say("party.merged", one, at=START) for one in merges])
        known = "SELECT count(*) FROM party_identity"
        await reaches(lambda: it.value(known), 1)
        it.platform.kill_service("intake")
        assert await it.value(f"{known} WHERE settled") == 0, "killed too late to prove anything"
        await it.platform.restart_service("intake")

        async def all_settled() -> bool:
            return bool(await it.value(f"{known} WHERE settled") == PAIRS and await it.at_rest())

        await until(all_settled)
        history = await it.judged()
        told = Counter(record.text("merged_id") for record in history.of("case.party_merged"))
        assert (len(told), set(told.values())) == (PAIRS, {2}), "once under each key"
        merging = [
            Counter(record.text("case_id") for record in history.of(name) if record.data["cause"] == "merging")
            for name in ("case.suspended", "case.released")
        ]
        assert merging[0] == merging[1], "whoever was suspended was released"
        assert (len(merging[0]), set(merging[0].values())) == (PAIRS, {1})
        assert (
            await it.value("SELECT count(*) FROM case_file WHERE status = 'open' AND 'merging' = ANY(suspended)") == 0
        )
