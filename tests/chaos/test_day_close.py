"""`kill -9` in the middle of the day close: every open case is aged to the day, and told of once."""

from collections import Counter
from datetime import timedelta
from typing import Any

from simulation.demo import START

PARTIES = 300
DAYS = 31  # every late loan moves to a worse bucket, but those that are in the last one


async def test_killed_while_the_cases_age(run: Any, until: Any, reaches: Any) -> None:
    async with run(PARTIES) as it:
        await it.feed()
        # What a killed worker had in hand is free soon, so that the test need not wait long.
        await it.start_altered("intake", ["short_leases"], name="intake", roles=["consumer", "relay", "worker"])
        await until(it.at_rest)
        it.clock.advance_to(START + timedelta(days=DAYS))
        it.ledger.business_date += timedelta(days=DAYS)
        closed = it.ledger.business_date
        aged = f"FROM case_file WHERE status = 'open' AND as_of >= '{closed}'"
        open_cases = await it.value("SELECT count(*) FROM case_file WHERE status = 'open'")
        await it.core.close_day(closed + timedelta(days=1), at=it.clock.business_now())
        it.sent += 1
        for share in (0.1, 0.5):
            await reaches(lambda: it.value(f"SELECT count(*) {aged}"), int(open_cases * share))
            it.platform.kill_service("intake")
            assert await it.value(f"SELECT count(*) {aged}") < open_cases, "killed too late to prove anything"
            await it.platform.restart_service("intake")

        async def all_aged() -> bool:
            return bool(await it.value(f"SELECT count(*) {aged}") == open_cases and await it.at_rest())

        await until(all_aged)
        history = await it.judged()
        moved = "SELECT loan_id::text FROM bucket_change WHERE before <> 'new'"
        assert max(Counter(await it.column(moved)).values()) == 1
        changes = Counter(record.text("case_id") for record in history.of("case.bucket_changed"))
        worse = await it.column("SELECT case_id::text FROM case_file WHERE status = 'open' AND bucket > 'B1'")
        assert changes.keys() <= set(worse)
        assert len(changes) > PARTIES / 10
        assert max(changes.values()) == 1
