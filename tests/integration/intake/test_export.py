"""The list of cases as a file: the same cases as the list, whole or not at all, gone on with after a break."""

import asyncio
import csv
import json
from uuid import uuid4

import httpx
import pytest

from cli.export import BrokenOffError, RefusedError, export_cases
from services.intake.api import exports
from services.intake.held_snapshots import ExportOver, HeldSnapshots
from services.intake.store.case_lists import CaseFilter
from shared.web.pages import encode_cursor
from shared.web.problems import TemporarilyUnavailable
from tests.integration.intake.test_case_lists import listed
from tests.unit.intake.facts import due, overdue, person


class Token:
    """The token of the test's client."""

    def __init__(self, api):
        self._header = api.headers["Authorization"].removeprefix("Bearer ")

    async def token(self):
        return self._header

    def forget(self):
        return None


class Breaking(httpx.AsyncBaseTransport):
    """Lets the first pieces through; from the `at`th request on every answer breaks off in the middle."""

    def __init__(self, inner, *, at):
        self.inner, self.left = inner, at

    async def handle_async_request(self, request):
        self.left -= 1
        answer = await self.inner.handle_async_request(request)
        if self.left >= 0:
            return answer
        body = await answer.aread()

        async def half():
            yield body[: len(body) // 2]
            raise httpx.ReadError("gone")

        return httpx.Response(answer.status_code, headers=answer.headers, content=half())


@pytest.fixture
def small_pieces(monkeypatch):
    """Two cases a piece, and no waiting between attempts."""

    async def at_once(_):
        return None

    monkeypatch.setattr(exports, "CASES_PER_PIECE", 2)
    monkeypatch.setattr("cli.export.asyncio.sleep", at_once)


async def seven_cases(intake):
    await intake.tell(*(overdue(1, due(45 if number == 3 else 10, 500), party=f"P-{number}") for number in range(7)))


async def test_the_file_holds_what_the_list_holds(intake, tmp_path, small_pieces):
    await seven_cases(intake)
    seen = []
    async with intake.api() as api:
        size = await export_cases(api, Token(api), tmp_path / "cases.csv", {}, advance=seen.append)
        await export_cases(api, Token(api), tmp_path / "late.csv", {"bucket": "B2"})
    content = (tmp_path / "cases.csv").read_bytes()
    rows = list(csv.DictReader(content.decode().splitlines()))
    assert size == len(content)
    assert [row["case_id"] for row in rows] == await listed(intake)
    assert {(row["currency"], row["overdue"], row["held"]) for row in rows} == {("CNY", "5.00", "yes")}
    assert [(state.examined, state.in_all) for state in seen] == [(2, 7), (4, 7), (6, 7), (8, 7)]
    assert len((tmp_path / "late.csv").read_text().splitlines()) == 2
    assert sorted(path.name for path in tmp_path.glob("*.csv*")) == ["cases.csv", "late.csv"]


async def test_a_broken_export_goes_on_where_it_was(intake, tmp_path, small_pieces):
    await seven_cases(intake)
    target = tmp_path / "cases.csv"
    async with intake.api() as api:
        await export_cases(api, Token(api), tmp_path / "whole.csv", {})
        broken = httpx.AsyncClient(transport=Breaking(api._transport, at=2), base_url=api.base_url)
        with pytest.raises(BrokenOffError):
            await export_cases(broken, Token(api), target, {})
        assert not target.exists()
        kept = json.loads((tmp_path / "cases.csv.part.json").read_text())
        assert kept["examined"] == 4
        with pytest.raises(FileExistsError):
            await export_cases(api, Token(api), target, {"bucket": "B1"})
        await export_cases(api, Token(api), target, {})
        with pytest.raises(FileExistsError):
            await export_cases(api, Token(api), target, {})
    assert target.read_bytes() == (tmp_path / "whole.csv").read_bytes()


async def test_a_refused_filter_is_said(intake, tmp_path):
    async with intake.api() as api:
        with pytest.raises(RefusedError, match=r"^The request is not valid\n  bucket Input"):
            await export_cases(api, Token(api), tmp_path / "cases.csv", {"bucket": "B10"})
        wrong = await api.get("/v1/exports/cases?cursor=AAAA")
    assert wrong.status_code == 422


async def test_all_rows_are_of_one_moment_whatever_changes_meanwhile(intake, small_pieces):
    await seven_cases(intake)
    await intake.tell(person(2, party="P-1"))
    async with intake.api() as api:
        one_moment = [await api.get("/v1/exports/cases")]
        await intake.tell(
            *(overdue(3, due(45, 900), party=f"P-{number}") for number in range(7)), overdue(1, party="P-new")
        )
        while following := one_moment[-1].headers.get("Doorstep-Next"):
            one_moment.append(await api.get("/v1/exports/cases", params={"cursor": following}))
        later = await api.get("/v1/exports/cases")
    rows = [row for answer in one_moment for row in csv.DictReader(answer.text.splitlines())]

    assert len(one_moment) == 4
    assert [row["overdue"] for row in rows] == ["5.00"] * 7
    assert one_moment[0].headers["Doorstep-As-Of"]
    assert later.headers["Doorstep-Examined-In-All"] == "8"
    assert {row["overdue"] for row in csv.DictReader(later.text.splitlines())} == {"9.00"}


async def test_a_moment_that_is_no_longer_held_is_begun_anew(intake, tmp_path, small_pieces):
    await seven_cases(intake)
    target, note = tmp_path / "cases.csv", tmp_path / "cases.csv.part.json"
    gone = encode_cursor(f"export|{CaseFilter().list_name}", "00000003-0000001B-1", uuid4())
    note.write_text(json.dumps({"filters": {}, "cursor": gone, "size_bytes": 0, "examined": 4, "in_all": 7}))
    async with intake.api() as api:
        refused = await api.get("/v1/exports/cases", params={"cursor": gone})
        await export_cases(api, Token(api), target, {})

    assert (refused.status_code, refused.json()["type"].rsplit("/", 1)[-1]) == (410, "export-over")
    assert len(target.read_text().splitlines()) == 8


async def test_few_moments_are_held_and_none_for_long(intake):
    held = HeldSnapshots(intake.database, held_seconds=3)
    names = [(await held.hold()).name for _ in range(3)]
    with pytest.raises(TemporarilyUnavailable):
        await held.hold()
    async with held.reading(names[0]) as uow:
        assert await uow.sql.fetchval("SELECT count(*) FROM case_file") == 0
    held.release(names[1])
    async with asyncio.timeout(60):
        while held.held:  # noqa: ASYNC110 - the server of the database ends them
            await asyncio.sleep(0.02)

    for name in (*names, "'; SELECT 1"):
        with pytest.raises(ExportOver):
            async with held.reading(name):
                pass
