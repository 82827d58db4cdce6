"""What is not known becomes somebody's task."""

import tomllib
from dataclasses import replace
from datetime import timedelta
from importlib import resources

import pytest
from msgspec import structs

from services.compliance.domain.decisions import decide
from services.compliance.domain.fact_tasks import DUE_AFTER, FactTask, is_answered, missing_facts, owner_of
from services.compliance.domain.packs import RuleBook
from services.compliance.rule_book import read_packs, sources_of

from .conftest import NOW, PARTY, REAL, facts, question


def task(fact: str, rule: str) -> FactTask:
    return FactTask(
        task_id=PARTY, party_id=PARTY, fact=fact, rule=rule, owner="intake", opened_at=NOW, due_at=NOW + DUE_AFTER
    )


@pytest.fixture(scope="module")
def unattested() -> RuleBook:
    """The shipped rules, by a bank that attests nothing."""
    sources = sources_of()
    own = sources["bank-cn.toml"].decode()
    kept = tomllib.loads(own)
    assert kept["attested"]["facts"], "the shipped pack attests nothing any more: delete this fixture"
    lines = own.splitlines()
    start = lines.index("[attested.facts]") if "[attested.facts]" in lines else lines.index("[attested]")
    end = next((at for at in range(start + 1, len(lines)) if lines[at].startswith("[[")), len(lines))
    return read_packs({**sources, "bank-cn.toml": "\n".join(lines[:start] + lines[end:]).encode()})


def test_allowed_contact_lacks_nothing(book: RuleBook) -> None:
    assert missing_facts(decide(question(), facts(), book)) == {}


def test_unknown_person_is_a_task_of_intake(book: RuleBook) -> None:
    missing = missing_facts(decide(question(), facts(known=False), book))
    assert "case.opened" in missing
    assert owner_of("case.opened") == "intake"


def test_unknown_zone_is_a_task(book: RuleBook) -> None:
    assert "party.time_zone" in missing_facts(decide(question(zones=()), facts(zones=()), book))


def test_every_missing_fact_of_a_rule_is_a_task(unattested: RuleBook) -> None:
    missing = missing_facts(decide(question(), facts(), unattested))
    assert {"collector_trained", "collector_badged"} <= missing.keys(), missing


def test_stale_facts_are_no_task(book: RuleBook) -> None:
    old = facts()
    stale = structs.replace(
        old, freshness=structs.replace(old.freshness, watermarks={"intake": REAL - timedelta(minutes=2)})
    )
    decision = decide(question(), stale, book)
    assert decision.answer.value == "needs-fact"
    assert missing_facts(decision) == {}


def test_task_about_the_person_is_answered_by_any_decision_that_knows(book: RuleBook) -> None:
    waiting = task("party.time_zone", "BANK-HOURS")
    unknown, known = decide(question(zones=()), facts(zones=()), book), decide(question(), facts(), book)
    assert not is_answered(waiting, unknown)
    assert is_answered(waiting, known)


def test_task_of_a_rule_that_was_not_asked_stays(book: RuleBook) -> None:
    assert not is_answered(task("letter.template_approved", "NOT-ASKED"), decide(question(), facts(), book))


def test_task_is_overdue_from_its_due_time() -> None:
    waiting = task("party.time_zone", "FACTS-ZONE")
    assert not waiting.is_overdue(waiting.due_at - timedelta(microseconds=1))
    assert waiting.is_overdue(waiting.due_at)
    assert not replace(waiting, closed_at=NOW).is_overdue(waiting.due_at)


def test_packs_are_read_from_the_package() -> None:
    assert (resources.files("services.compliance") / "packs" / "bank-cn.toml").is_file()
