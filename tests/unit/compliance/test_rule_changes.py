"""From which date on two states of the rules say different things."""

from datetime import date

from services.compliance.domain.packs import RuleBook
from services.compliance.domain.rule_changes import first_difference
from services.compliance.rule_book import read_packs, sources_of

TODAY = date(2027, 1, 20)
NAME = "cn-contact.toml"


def with_pack(content: bytes, name: str = NAME) -> RuleBook:
    return read_packs(sources_of() | {name: content})


def ended(content: bytes, on: str) -> bytes:
    return content.replace(b"status = ", f"effective_to = {on}\nstatus = ".encode(), 1)


def test_the_same_rules_differ_nowhere(book: RuleBook) -> None:
    assert first_difference(book, with_pack(sources_of()[NAME]), today=TODAY) is None


def test_a_new_version_differs_from_the_day_on_which_it_says_something_else(book: RuleBook) -> None:
    old = sources_of()[NAME]
    head = old[old.index(b"effective_from = ") :].split(b"\n", 1)[0]
    new = old.replace(head, b"effective_from = 2027-01-10", 1).replace(b"version = 1", b"version = 2", 1)
    sources = sources_of() | {NAME: ended(old, "2027-01-10")}
    same = read_packs(sources | {"cn-contact-2.toml": new})
    later = read_packs(sources | {"cn-contact-2.toml": new.replace(b"22:00:00", b"21:00:00")})
    assert first_difference(book, same, today=TODAY) is None
    assert first_difference(book, later, today=TODAY) == date(2027, 1, 10)
    assert first_difference(book, later, today=date(2027, 1, 9)) is None, "what is to come changes nothing yet"


def test_a_parameter_of_the_bank_reaches_the_rule_that_takes_it(book: RuleBook) -> None:
    bank = sources_of()["bank-cn.toml"].replace(b"cn_contacts_in_7_dates = 7", b"cn_contacts_in_7_dates = 1")
    rule = book.rule("CN-CBA2026-FREQ")
    assert rule is not None
    assert first_difference(book, with_pack(bank, "bank-cn.toml"), today=TODAY) == rule.effective_from
