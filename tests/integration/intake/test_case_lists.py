"""Lists of cases: each filter, pages that neither repeat nor hide, and bounded work by an index at any size."""

import re
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from services.intake.store import case_lists
from services.intake.store.case_lists import CaseFilter
from tests.integration.intake.conftest import NOW
from tests.integration.intake.test_facts import party_of
from tests.unit.intake.facts import DAY, due, hold, overdue, person


async def listed(intake, query="", *, limit=200):
    """Case ids of all pages, in order."""
    found, cursor = [], ""
    async with intake.api() as api:
        while True:
            answer = await api.get(f"/v1/cases?limit={limit}{query}{cursor}")
            assert answer.status_code == 200, answer.text
            found += [case["case_id"] for case in answer.json()["items"]]
            if answer.json()["next"] is None:
                return found
            cursor = f"&cursor={answer.json()['next']}"


async def references(intake, query):
    """The core's references of the people whose cases are listed."""
    names = {str(row[0]): row[1] for row in await intake.fetch(
        "SELECT c.case_id, a.party_ref FROM case_file c JOIN party_alias a USING (tenant, party_id)"
    )}  # fmt: skip
    return [names[case_id] for case_id in await listed(intake, query)]


async def varied(intake):
    await intake.tell(
        person(1, party="P-1"), overdue(2, due(10, 500), party="P-1"),
        overdue(1, due(45, 900), party="P-2", loan="L-2", product_class="mortgage", jurisdiction="IE"),
        overdue(1, due(200, 70), party="P-3", loan="L-3", currency="JPY", balance=700),
        person(1, party="P-4"), overdue(2, due(20, 500), party="P-4", loan="L-4"),
    )  # fmt: skip
    await intake.tell(hold(3, party="P-4", loan="L-4"))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["P-1", "P-2", "P-3", "P-4"]),
        ("&bucket=B2", ["P-2"]),
        ("&status=open&days_from=20", ["P-2", "P-3", "P-4"]),
        ("&days_from=5&days_to=50", ["P-1", "P-2", "P-4"]),
        ("&days_to=0", []),
        ("&currency=JPY", ["P-3"]),
        ("&currency=CNY&overdue_from=600", ["P-2"]),
        ("&currency=CNY&overdue_to=600", ["P-1", "P-4"]),
        ("&product_class=mortgage", ["P-2"]),
        ("&jurisdiction=IE", ["P-2"]),
        ("&held=true", ["P-2", "P-3"]),
        ("&held=false&suspended=false", ["P-1"]),
        ("&core=core-b", []),
        ("&opened_since=2026-03-10T00:00:00Z", ["P-1", "P-2", "P-3", "P-4"]),
        ("&opened_since=2027-01-01T00:00:00Z", []),
        (f"&as_of_since={DAY}", ["P-1", "P-2", "P-3", "P-4"]),
        (f"&as_of_since={DAY + timedelta(days=1)}", []),
        ("&bucket=B1&suspended=true", ["P-4"]),
    ],
)
async def test_each_filter(intake, query, expected):
    await varied(intake)
    assert sorted(await references(intake, query)) == expected


async def test_suspended_for_a_cause(intake):
    await varied(intake)
    party = await party_of(intake, "P-4")
    ((causes,),) = await intake.fetch("SELECT suspended FROM case_file WHERE party_id = $1", party)
    assert await references(intake, f"&suspended_for={causes[0]}") == ["P-4"]
    assert await references(intake, "&suspended_for=nothing") == []


async def test_changed_since_a_moment(intake):
    await intake.tell(person(1), overdue(2), person(1, party="P-2"), overdue(2, party="P-2", loan="L-2"))
    intake.clock.real += timedelta(minutes=1)
    moment = intake.clock.real.isoformat().replace("+00:00", "Z")
    await intake.tell(overdue(3, due(10, 900)))
    assert await references(intake, f"&changed_since={moment}") == ["P-1"]


@pytest.mark.parametrize(
    "query", ["overdue_from=5", "currency=XXZ", "currency=CNY&overdue_from=5&overdue_to=4", "days_from=9&days_to=8",
              "suspended=false&suspended_for=parked"],
)  # fmt: skip
async def test_what_contradicts_itself_is_refused(intake, query):
    async with intake.api() as api:
        answer = await api.get(f"/v1/cases?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["in"] == "query"


async def test_pages_of_a_rare_filter_go_on_to_the_end(intake):
    await intake.tell(*(overdue(1, due(45 if number == 8 else 10, 5), party=f"P-{number}") for number in range(9)))
    policy = intake.folding.policy
    which = CaseFilter(status="open", jurisdiction="CN", days_from=40)
    rare = CaseFilter(product_class="card", core="core-a")
    found, after, pages = [], None, 0
    async with intake.database.read_only() as uow:
        while True:
            rows, after = await case_lists.page(uow, rare, policy, after=after, limit=3, most_examined=2)
            assert len(rows) <= 2
            found += [row["case_id"] for row in rows]
            pages += 1
            if after is None:
                break
        late, end = await case_lists.page(uow, which, policy, after=None, limit=3)
    assert (pages, len(set(found)), sorted(found)) == (5, 9, found)
    assert (len(late), end) == (1, None)


async def test_a_cursor_of_another_filter_is_refused(intake):
    await intake.tell(*(overdue(1, party=f"P-{number}") for number in range(3)))
    async with intake.api() as api:
        cursor = (await api.get("/v1/cases?limit=1&bucket=B1")).json()["next"]
        assert (await api.get(f"/v1/cases?limit=1&bucket=B2&cursor={cursor}")).status_code == 422


MANY = """
INSERT INTO case_file (tenant, party_id, case_id, core, version, status, as_of, suspended, opened_at, bucket,
                       days_contractual, days_effective, overdue_minor, held)
SELECT 'bank', md5('p' || n)::uuid, md5('c' || n)::uuid, 'core-a', 1, 'open', $1,
       CASE WHEN n % 50 = 0 THEN '{parked}'::text[] ELSE '{}' END, $2, 'B' || (1 + n % 5), n % 200, n % 200,
       '[["CNY",500]]', false
FROM generate_series(1, 20000) AS n
"""


@pytest.mark.parametrize(
    "which",
    [
        CaseFilter(), CaseFilter(bucket="B3"), CaseFilter(days_from=40, days_to=100),
        CaseFilter(suspended_for="parked"), CaseFilter(status="open", core="core-a"), CaseFilter(product_class="card"),
    ],
)  # fmt: skip
async def test_every_walk_is_by_an_index_and_stops_early(intake, service_database, which):
    async with intake.database.unit_of_work() as uow:
        await uow.sql.execute(MANY, DAY, NOW)
    owner = await asyncpg.connect((await service_database("intake")).owner_url)
    await owner.execute("ANALYZE case_file")
    await owner.close()
    async with intake.database.unit_of_work() as uow:
        walk = case_lists._walk(which, intake.folding.policy, most=100)
        explain = f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT c.* FROM ({walk}) AS c ORDER BY c.case_id LIMIT 100"
        lines = await uow.sql.fetch(explain, "bank", UUID("40000000-0000-0000-0000-000000000000"))
    plan = "\n".join(line[0] for line in lines)
    assert "Seq Scan" not in plan, plan
    assert max(int(float(rows)) for rows in re.findall(r"rows=([0-9.]+)", plan)) <= 600, plan
