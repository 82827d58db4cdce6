"""Packs and their approvals as leaves: before they take effect, and in production before they are used."""

import asyncio
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from cli.approving import Approver
from services.compliance.domain.approvers import approvers
from services.compliance.domain.releases import releases
from services.compliance.instruments import Instruments
from services.compliance.rule_archive import parts_of
from services.compliance.rule_book import read_packs, sources_of
from services.compliance.rule_sets import await_releases, record_rule_set

from .conftest import Desk

CHINA = sources_of()["cn-contact.toml"]
HEAD, RULES = CHINA.split(b"[[rule]]", 1)


def second_version(effective_from: str) -> dict[str, bytes]:
    """The shipped packs, with a second version of the Chinese one from that date on."""
    day = effective_from.encode()
    first = CHINA.replace(b"effective_from = ", b"effective_to = %b\neffective_from = " % day, 1)
    lines = [b"effective_from = " + day if one.startswith(b"effective_from") else one for one in HEAD.splitlines()]
    head = b"\n".join(lines).replace(b"version = 1", b"version = 2")
    return sources_of() | {"cn-contact.toml": first, "cn-contact-2.toml": head + b"\n[[rule]]" + RULES}


def approved(instruments: Instruments, sources: dict[str, bytes], *, keys: Path) -> Instruments:
    """Instruments of these packs, all signed by Ada and Ben with the keys in that folder."""
    book, day = read_packs(sources), date(2026, 1, 5)
    people = [Approver.open(keys, who) for who in ("Ada", "Ben")]
    registered = approvers([one.registration(day) for one in people])
    approvals = [one.approves(book, label, on=day) for label in book.hashes for one in people]
    return replace(
        instruments, book=book, releases=releases(book, approvals, registered).releases,
        approver_keys=registered.registrations, rule_parts=parts_of(sources),
    )  # fmt: skip


async def late(desk: Desk) -> list[str]:
    items = (await desk.get("/v1/control-findings", rule="PACK-RELEASE-LATE")).json()["items"]
    return sorted(one["subject"] for one in items)


async def test_each_release_is_one_leaf_with_both_approvers(desk: Desk, tmp_path: Path) -> None:
    instruments = approved(desk.instruments, sources_of(), keys=tmp_path)
    for _ in range(2):
        await record_rule_set(desk.database, instruments)
    found = await desk.leaves("pack_release")
    assert len(found) == len(instruments.book.packs)
    (china,) = [one for one in found if one["pack"] == "cn-contact"]
    assert [one["approver"] for one in china["approvals"]] == ["Ada", "Ben"]
    assert all(one["signature"] and one["key"] for one in china["approvals"])
    assert [one["approver"] for one in await desk.leaves("approver_key")] == ["Ada", "Ben"]
    assert china["sha256"] == instruments.book.hashes["cn-contact/1"]


async def test_packs_that_a_log_begins_with_are_not_late(desk: Desk, tmp_path: Path) -> None:
    await record_rule_set(desk.database, approved(desk.instruments, sources_of(), keys=tmp_path))
    assert await late(desk) == []


@pytest.mark.parametrize(("day", "found"), [("2026-02-20", ["pack:cn-contact/2"]), ("2026-04-01", [])])
async def test_release_after_the_pack_took_effect_is_a_finding(
    desk: Desk, day: str, found: list[str], tmp_path: Path
) -> None:
    sources = second_version(day)
    # The first version ends when the second begins: it was released so from the beginning.
    before = {name: content for name, content in sources.items() if name != "cn-contact-2.toml"}
    await record_rule_set(desk.database, approved(desk.instruments, before, keys=tmp_path))
    await record_rule_set(desk.database, approved(desk.instruments, sources, keys=tmp_path))
    assert await late(desk) == found


async def test_pack_waits_until_its_release_is_in_the_tree(desk: Desk, tmp_path: Path) -> None:
    instruments = approved(desk.instruments, sources_of(), keys=tmp_path)
    waiting = asyncio.create_task(await_releases(desk.database, instruments))
    await record_rule_set(desk.database, instruments)
    await asyncio.sleep(0.7)
    assert not waiting.done()
    await desk.sequencer.integrate()
    async with asyncio.timeout(60):
        await waiting
