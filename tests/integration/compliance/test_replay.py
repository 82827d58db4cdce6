"""`./doorstep rules replay`: stored decisions judged again, by their own rules and by a pack not released yet."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from services.compliance.domain.canonical import canonical
from services.compliance.rule_book import sources_of
from services.compliance.rule_sets import record_rule_set
from services.compliance.store.frames import load_told
from services.compliance.store.leaves import erase_people
from services.compliance.store.sealed import DECISION, open_records

from .conftest import Desk, visit_request
from .test_evidence_command import place

NIGHT = {"start": "2026-03-02T15:00:00Z", "end": "2026-03-02T16:00:00Z"}
_COLUMNS = """tenant, party_id, request_id, answer, channel, purpose, refused_by, record_sha256, leaf_id, decided_at,
              recorded_real, dry_run"""


async def replay(desk: Desk, *more: str) -> tuple[Result, dict[str, Any]]:
    arguments = ["rules", "replay", "--json", *place(desk), *more]
    done = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    return done, json.loads(done.stdout) if done.stdout.startswith("{") else {}


@pytest.fixture
async def past(desk: Desk) -> list[UUID]:
    """Two people: one allowed a visit, one refused it at night; one permit replaced, one request id used twice."""
    await record_rule_set(desk.database, desk.instruments)
    allowed, refused = await desk.open_case(), await desk.open_case()
    first = visit_request(allowed)
    (granted,) = await desk.ask(first)
    moved = {"start": "2026-03-02T07:00:00Z", "end": "2026-03-02T09:00:00Z"}
    await desk.ask(visit_request(allowed, window=moved, replaces=granted["permit_id"]))
    await desk.ask({**first, "window": moved}, visit_request(allowed, replaces=str(uuid4())))
    (denied,) = await desk.ask(visit_request(refused, window=NIGHT))
    assert (granted["decision"], denied["decision"]) == ("allow", "deny")
    response = await desk.post("/v1/decisions", {"items": [visit_request(refused)]})
    assert response.status_code == 200, response.text
    return [allowed.party_id, refused.party_id]


async def test_decisions_come_out_the_same(desk: Desk, past: list[UUID]) -> None:
    done, found = await replay(desk)
    assert (done.exit_code, found) == (0, {"decisions": {"identical": 6}, "examples": []})


async def test_erased_and_older_decisions_are_counted_apart(desk: Desk, past: list[UUID]) -> None:
    async with desk.database.unit_of_work() as uow:
        await uow.lock_parties([past[0]])
        await erase_people(uow, desk.instruments.cipher, [past[0]])
        await uow.sql.execute(
            f"""INSERT INTO decision ({_COLUMNS}, decision_id, sealed_record)
                SELECT {_COLUMNS}, gen_random_uuid(), sealed_record FROM decision WHERE party_id = $1""",
            past[1],
        )
    done, found = await replay(desk)
    assert (done.exit_code, found["decisions"]) == (0, {"erased": 4, "identical": 2, "not_replayable": 2})


async def test_changed_record_is_found(desk: Desk, past: list[UUID]) -> None:
    async with desk.database.unit_of_work() as uow:
        row = await uow.sql.fetchrow("SELECT * FROM decision WHERE party_id = $1 AND NOT dry_run", past[1])
        (record,) = await open_records(uow, desk.instruments.cipher, [row], DECISION)
        assert record is not None
        forged = record.replace(b'"answer":"deny"', b'"answer":"allow"', 1)
        await uow.sql.execute(
            f"INSERT INTO decision ({_COLUMNS}, decision_id, record, sealed_facts) "
            f"SELECT {_COLUMNS}, $2, $3, sealed_facts FROM decision WHERE decision_id = $1",
            row["decision_id"], uuid4(), forged,
        )  # fmt: skip
    done, found = await replay(desk)
    assert (done.exit_code, found["decisions"]) == (1, {"identical": 6, "differs": 1})
    assert "answer" in found["examples"][0]["detail"]


async def test_record_of_before_frames_is_read_explained_and_judged_again(desk: Desk, past: list[UUID]) -> None:
    old = uuid4()
    async with desk.database.unit_of_work() as uow:
        row = await uow.sql.fetchrow("SELECT * FROM decision WHERE party_id = $1 AND NOT dry_run", past[1])
        (record,) = await load_told(uow, await open_records(uow, desk.instruments.cipher, [row], DECISION))
        assert record is not None
        await uow.sql.execute(
            f"INSERT INTO decision ({_COLUMNS}, decision_id, record, sealed_facts) "
            f"SELECT {_COLUMNS}, $2, $3, sealed_facts FROM decision WHERE decision_id = $1",
            row["decision_id"], old, canonical(record),
        )  # fmt: skip
    (shown, new), (said, now) = [
        [(await desk.get(f"/v1/decisions/{one}{path}")).json() for one in (old, row["decision_id"])]
        for path in ("", "/explain?voice=auditor")
    ]
    assert (shown["record"], shown["frame_canonical"]) == (json.loads(shown["record_canonical"]), None)
    assert (shown["record"], said["text"], said["rules"]) == (new["record"], now["text"], now["rules"])
    assert json.loads(new["record_canonical"])["frame"] == hashlib.sha256(new["frame_canonical"].encode()).hexdigest()
    done, found = await replay(desk)
    assert (done.exit_code, found["decisions"]) == (0, {"identical": 7})


async def test_decisions_of_rules_never_kept_are_named(desk: Desk) -> None:
    await desk.ask(visit_request(await desk.open_case()))
    done, found = await replay(desk)
    assert (done.exit_code, found["decisions"]) == (1, {"rules_not_kept": 1})


async def test_new_pack_is_rehearsed_by_channel_and_group(desk: Desk, past: list[UUID], tmp_path: Path) -> None:
    """The visits of 14:00 (one only asked for) and 15:00 would be refused by rules that end at 14:30."""
    file = tmp_path / "rules.toml"
    rules = sources_of()["cn-contact.toml"].replace(b"version = 1", b"version = 2", 1)
    file.write_bytes(rules.replace(b"22:00:00", b"14:30:00"))
    done, found = await replay(desk, "--pack", str(file), "--by", "jurisdiction,zone")
    assert done.exit_code == 0, done.output
    (cell,) = found["cells"]
    assert (cell["channel"], cell["jurisdiction"], cell["zone"]) == ("visit", "CN", "Asia/Shanghai")
    assert (cell["decisions"], cell["people"], cell["refused"]) == (6, 2, 3)
    assert found["rules_that_would_refuse"] == {"CN-CBA2026-HOURS": 3, "CN-GBT45251-HOURS": 3}
    table = await asyncio.to_thread(
        CliRunner().invoke, app, ["rules", "replay", "--pack", str(file), *place(desk)]
    )  # fmt: skip
    assert "6 decisions judged again: 3 would have been refused" in table.output


async def test_unknown_group_is_refused(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_bytes(sources_of()["bank-policy.toml"])
    done, _ = await replay(desk, "--pack", str(file), "--by", "religion")
    assert (done.exit_code, "no group religion" in done.output) == (1, True)


async def test_dates_limit_what_is_judged(desk: Desk, past: list[UUID]) -> None:
    assert (await replay(desk, "--since", "2026-03-03"))[1]["decisions"] == {}
    assert (await replay(desk, "--until", "2026-03-03"))[1]["decisions"] == {"identical": 6}


async def test_one_decision_shows_its_hash_and_permit(desk: Desk, past: list[UUID]) -> None:
    (granted,) = await desk.ask(visit_request(await desk.open_case()))
    shown = (await desk.get(f"/v1/decisions/{granted['decision_id']}")).json()
    assert shown["permit_id"] == granted["permit_id"]
    assert shown["record_sha256"] == hashlib.sha256(shown["record_canonical"].encode()).hexdigest()
    assert len(shown["record"]["judged_on"]) == 64


async def test_rule_sets_are_kept_once(desk: Desk, past: list[UUID]) -> None:
    await record_rule_set(desk.database, desk.instruments)
    async with desk.database.read_only() as uow:
        count = await uow.sql.fetchval("SELECT count(*) FROM rule_set_part")
    assert count == len(desk.instruments.rule_parts)
