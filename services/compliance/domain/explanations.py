"""A decision in words: one sentence for the collector, plain language for the customer, everything for the auditor.

Rendered from the record that was hashed, never from what is known today: it explains the decision that was made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from services.compliance.domain.counterfactuals import Change
from services.compliance.domain.local_time import known_zones, zone
from services.compliance.domain.rulings import NEVER
from shared.access.texts import Language, Texts

Voice = Literal["collector", "customer", "auditor"]
# The rule that says most to whoever must act comes first: what stops everything, then what time would cure.
_FIRST_SAID: Final = ("hold", "case_open", "party_known", "jurisdiction_known", "cap", "gate", "hours", "closed_days")
_MOMENT: Final[Mapping[Language, str]] = {"en": "%H:%M on %d %B %Y", "zh": "%Y年%m月%d日%H:%M"}


class RuleTexts(Texts):
    """The sentences (`texts/explanations.toml`), each by voice and language."""

    def rule(self, rule_id: str, kind: str, voice: Literal["collector", "customer"], language: Language) -> str:
        """What a refusing rule means: its own text, or that of its kind. Raises KeyError when there is none."""
        own = self.table["rules"].get(rule_id) or self.table["kinds"][kind]
        return str(own[voice][language])


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedRule:
    """One rule of a decision: what it answered, by which clause, on which values."""

    rule: str
    citation: str
    answer: str
    confidence: str | None
    detail: str | None
    values: Mapping[str, Any]
    earliest_lawful: Mapping[str, Any] | None


def explain(
    record: Mapping[str, Any], texts: RuleTexts, kinds: Mapping[str, str], *, voice: Voice, language: Language,
    changes: Sequence[Change] = (),
) -> str:  # fmt: skip
    """The decision in the words of `voice`. `kinds` names the kind of each rule that is loaded.

    `changes`: what would have changed the answer. The collector does not hear of it, the customer hears what
    sort of thing it is: when it would be allowed is said anyway.

    The auditor reads English: clauses and values are not translated.
    """
    if voice == "auditor":
        return _for_auditor(record, changes)
    opens, closes = (_moment(record, record["request"]["window"][end], language) for end in ("start", "end"))
    refusing = [
        (rule["rule"], kinds.get(rule["rule"], "unknown")) for rule in record["rules"] if rule["answer"] != "allow"
    ]
    refusing.sort(key=lambda one: _FIRST_SAID.index(one[1]) if one[1] in _FIRST_SAID else len(_FIRST_SAID))
    reasons = list(dict.fromkeys(texts.rule(rule, kind, voice, language) for rule, kind in refusing))
    sentence = texts.said("answers", record["answer"], voice, language=language).format(
        channel=texts.said("channels", record["request"]["channel"], language=language),
        opens=opens,
        closes=closes,
        rules=len(record["rules"]),
        why="" if not reasons else reasons[0] if voice == "collector" else _joined(reasons, language),
        when=_when(record, texts, voice, language),
    )
    if voice == "collector":
        return sentence
    refused = record["answer"] != "allow"
    sorts = dict.fromkeys(one.kind for one in changes if refused and one.kind not in ("soon", "later"))
    otherwise = "".join(texts.said("otherwise", sort, language=language) for sort in sorts)
    return sentence + otherwise + texts.said("complaint", language=language)


def explained_rules(record: Mapping[str, Any]) -> list[ExplainedRule]:
    """Every rule that was asked, refusing ones first."""
    rules: Sequence[Mapping[str, Any]] = sorted(record["rules"], key=lambda rule: rule["answer"] == "allow")
    return [
        ExplainedRule(
            rule=rule["rule"],
            citation=rule["citation"],
            answer=rule["answer"],
            confidence=rule.get("confidence"),
            detail=rule.get("detail"),
            values=rule["values"],
            earliest_lawful=rule.get("earliest_lawful"),
        )
        for rule in rules
    ]


def _for_auditor(record: Mapping[str, Any], changes: Sequence[Change]) -> str:
    asked = record["request"]
    lines = [
        f"{record['answer']} for {asked['channel']} ({asked['purpose']}), {asked['window']['start']} to "
        f"{asked['window']['end']}; decided {record['decided_at']}, recorded {record['recorded_at']}, rule set "
        f"{record['rule_set']}."
    ]
    lines += [
        f"{rule.rule} [{rule.citation}]: {rule.answer}{f', {rule.detail}' if rule.detail else ''}; "
        f"values {dict(rule.values)}"
        for rule in explained_rules(record)
        if rule.answer != "allow"
    ]
    allowed = sum(rule["answer"] == "allow" for rule in record["rules"])
    facts = ", ".join(f"{name} {value}" for name, value in record["facts"].items())
    lines.append(f"{allowed} rules allowed. Facts: {facts}.")
    if changes:
        otherwise = " and ".join(f"{one.subject} {one.would_be} instead of {one.was}" for one in changes)
        answer = "deny" if record["answer"] == "allow" else "allow"
        lines.append(
            f"Judged again with {otherwise} ({', '.join(one.kind for one in changes)}), the answer is {answer}."
        )
    return "\n".join(lines)


def _when(
    record: Mapping[str, Any], texts: RuleTexts, voice: Literal["collector", "customer"], language: Language
) -> str:
    earliest = record["earliest_lawful"]
    if earliest is None:
        return ""
    if "at" in earliest:
        moment = _moment(record, earliest["at"], language)
        return texts.said("when", "at", voice, language=language).format(moment=moment)
    return texts.said("when", "never" if earliest["after"] == NEVER else "after", voice, language=language)


def _moment(record: Mapping[str, Any], text: str, language: Language) -> str:
    """Local time of the person, in every zone that they may be in; UTC where none is known."""
    moment = datetime.fromisoformat(text)
    zones = known_zones(record["facts"]["zones"])
    if not zones:
        return f"{moment.strftime(_MOMENT[language])} UTC"
    local = list(dict.fromkeys(moment.astimezone(zone(name)).strftime(_MOMENT[language]) for name in zones))
    return " / ".join(local)


def _joined(sentences: Sequence[str], language: Language) -> str:
    return (" " if language == "en" else "").join(sentences)
