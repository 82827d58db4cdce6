"""What a new version of the rules changes, in words for those who approve it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, time

from services.compliance.domain.packs import INHERITED, Pack, Rule


def differences(old: Pack, new: Pack) -> list[str]:
    """One sentence for each change of the pack's head and of each rule, in the order of the ids."""
    lines = [
        f"The pack's {_words(name)} changes from {_text(before)} to {_text(after)}."
        for name, before, after in _changed(_head(old), _head(new))
    ]
    before, after = _rules(old), _rules(new)
    for rule_id in sorted(before.keys() | after.keys()):
        if rule_id not in after:
            lines.append(f"{rule_id} is gone: {before[rule_id].citation}")
        elif rule_id not in before:
            lines.append(
                f"{rule_id} is new ({after[rule_id].kind}, {after[rule_id].action}): {after[rule_id].citation}"
            )
        else:
            lines += _rule_lines(before[rule_id], after[rule_id], heads=(_head(old), _head(new)))
    return lines


def _rule_lines(old: Rule, new: Rule, *, heads: tuple[Mapping[str, object], Mapping[str, object]]) -> Iterator[str]:
    """What a rule takes from its pack's head on both sides was said of the head."""
    for name, before, after in _changed(old.model_dump(), new.model_dump()):
        if name not in INHERITED or (before, after) != (heads[0].get(name), heads[1].get(name)):
            yield f"{new.id}: {_words(name)} changes from {_text(before)} to {_text(after)}."


def _rules(pack: Pack) -> dict[str, Rule]:
    return {rule.id: rule for rule in pack.rule}


def _head(pack: Pack) -> dict[str, object]:
    return pack.model_dump(exclude={"rule"})


def _changed(old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[tuple[str, object, object]]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield name, old.get(name), new.get(name)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _text(value: object) -> str:
    match value:
        case None | "" | ():
            return "nothing"
        case time():
            return f"{value:%H:%M}"
        case date():
            return value.isoformat()
        case tuple() | list() | frozenset():
            return ", ".join(sorted(_text(one) for one in value)) or "nothing"
        case dict():
            return ", ".join(f"{_words(str(key))} {_text(one)}" for key, one in value.items() if one is not None)
        case _:
            return str(value)
