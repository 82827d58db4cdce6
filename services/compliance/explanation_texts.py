"""The loaded sentences, and the kind of every loaded rule."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

from services.compliance.domain.explanations import RuleTexts
from services.compliance.domain.judged_on import REPLACES, REUSED
from services.compliance.domain.packs import RuleBook


@cache
def explanation_texts() -> RuleTexts:
    """The sentences shipped beside the packs."""
    file = resources.files("services.compliance") / "texts" / "explanations.toml"
    return RuleTexts(tomllib.loads(file.read_text(encoding="utf-8")))


def rule_kinds(book: RuleBook) -> Mapping[str, str]:
    """The kind of every rule that a decision may name, by its id."""
    return {rule.id: rule.kind for pack in book.packs for rule in pack.rule} | {
        rule.id: rule.kind for rule in (REUSED, REPLACES)
    }
