"""A decision in words: every rule has a sentence for every reader, and nobody reads more than they should."""

import json
from typing import Any, get_args
from uuid import uuid4

import pytest

from services.compliance.domain.canonical import Json, canonical
from services.compliance.domain.counterfactuals import KINDS, counterfactual
from services.compliance.domain.decisions import decide, record
from services.compliance.domain.explanations import explain, explained_rules
from services.compliance.domain.facts import PartyFacts, Question
from services.compliance.domain.holds import Hold
from services.compliance.domain.judged_on import JudgedOn
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.rule_records import NotAsked
from services.compliance.explanation_texts import explanation_texts, rule_kinds
from shared.access.texts import Language
from shared.events.contact import Channel

from .conftest import NOW, PARTY, REAL, at, facts, question

LANGUAGES: tuple[Language, ...] = get_args(Language)
VOICES = ("collector", "customer")


def recorded(book: RuleBook, asked: Question, known: PartyFacts) -> dict[str, Any]:
    request: dict[str, Json] = {
        "channel": asked.channel, "purpose": asked.purpose,
        "window": {"start": asked.span.start.isoformat(), "end": asked.span.end.isoformat()},
    }  # fmt: skip
    kept = record(
        decide(asked, known, book), question=asked, facts=known, book=book, decision_id=uuid4(), request=request
    )
    return json.loads(canonical(kept))  # type: ignore[no-any-return]


def said(book: RuleBook, kept: dict[str, Any], voice: Any, language: Language = "en") -> str:
    return explain(kept, explanation_texts(), rule_kinds(book), voice=voice, language=language)


def dispute() -> Hold:
    return Hold(
        hold_id=uuid4(), party_id=PARTY, kind="complaint", scope="party", valid_from=NOW, valid_to=None, source_ref="s",
        recorded_real=REAL,
    )  # fmt: skip


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_rule_of_every_pack_has_a_sentence(book: RuleBook, voice: Any, language: Language) -> None:
    texts = explanation_texts()
    asked = [rule for pack in book.packs for rule in pack.rule if not isinstance(rule, NotAsked)]
    assert len(asked) > 90
    for rule in asked:
        assert 3 < len(texts.rule(rule.id, rule.kind, voice, language)) < 200, rule.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_channel_has_a_name(language: Language) -> None:
    for channel in get_args(Channel):
        assert explanation_texts().said("channels", channel, language=language)


def test_texts_of_single_rules_name_loaded_rules(book: RuleBook) -> None:
    assert all(book.rule(rule) is not None for rule in explanation_texts().table["rules"])


def test_allow_tells_the_collector_the_window_in_local_time(book: RuleBook) -> None:
    text = said(book, recorded(book, question(at(14), at(16)), facts()), "collector")
    assert "between 14:00 on 02 March 2026 and 16:00 on 02 March 2026" in text


def test_night_visit_tells_when_it_would_be_lawful(book: RuleBook) -> None:
    kept = recorded(book, question(at(23)), facts())
    assert said(book, kept, "collector").endswith("not before 08:00 on 03 March 2026.")
    assert "最早可被允许的时间是2026年03月03日08:00" in said(book, kept, "customer", "zh")


@pytest.mark.parametrize("language", LANGUAGES)
def test_collector_reads_one_sentence_that_names_no_hold(book: RuleBook, language: Language) -> None:
    text = said(book, recorded(book, question(), facts(holds=(dispute(),))), "collector", language)
    assert text.count(". ") == text.count("。") - (language == "zh") == 0
    assert "complain" not in text
    assert "投诉" not in text


@pytest.mark.parametrize("answer", ["allow", "deny", "needs-fact"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_customer_is_told_of_the_right_to_complain(book: RuleBook, answer: str, language: Language) -> None:
    asked, known = {
        "allow": (question(), facts()),
        "deny": (question(at(23)), facts()),
        "needs-fact": (question(), facts(held=True)),
    }[answer]  # fmt: skip
    kept = recorded(book, asked, known)
    assert kept["answer"] == answer
    text = said(book, kept, "customer", language)
    assert ("complain" if language == "en" else "投诉") in text
    assert not any(rule["rule"] in text or rule["citation"] in text for rule in kept["rules"])


def test_auditor_reads_clause_values_and_rule_set(book: RuleBook) -> None:
    kept = recorded(book, question(at(23)), facts())
    text = said(book, kept, "auditor")
    refused = [rule for rule in kept["rules"] if rule["answer"] != "allow"]
    assert refused
    assert all(rule["rule"] in text and rule["citation"] in text for rule in refused)
    assert book.rule_set in text
    assert [rule.answer for rule in explained_rules(kept)][: len(refused)] == ["deny"] * len(refused)


def test_rule_of_an_earlier_rule_set_is_still_explained(book: RuleBook) -> None:
    kept = recorded(book, question(at(23)), facts())
    for rule in kept["rules"]:
        rule["rule"] = f"OLD-{rule['rule']}"
    assert "a rule of that time refused" in said(book, kept, "collector")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sort_of_change_has_a_sentence(language: Language) -> None:
    for kind in set(KINDS) - {"soon", "later"}:
        assert explanation_texts().said("otherwise", kind, language=language)


def test_auditor_reads_which_fact_would_have_changed_it_and_the_collector_does_not(book: RuleBook) -> None:
    known = facts(holds=(dispute(),))
    kept = recorded(book, question(), known)
    changes = counterfactual(JudgedOn(question=question(), facts=known), book)
    texts, kinds = explanation_texts(), rule_kinds(book)
    told = explain(kept, texts, kinds, voice="auditor", language="en", changes=changes)
    assert f"Judged again with {known.holds[0].hold_id} ended instead of complaint since" in told
    plain = explain(kept, texts, kinds, voice="collector", language="en", changes=changes)
    assert plain == explain(kept, texts, kinds, voice="collector", language="en")
    customer = explain(kept, texts, kinds, voice="customer", language="en", changes=changes)
    assert "While what stops us from contacting you lasts" in customer
