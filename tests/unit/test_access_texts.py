"""Every list that a person is given has its words, alike in both languages; facts of the core name nobody else."""

import string

import pytest

from services.assignment import access_desk as assignment
from services.compliance.store import access as compliance
from services.intake import access_desk as intake
from services.plans import access_desk as plans
from services.visits import access_desk as visits
from shared.access.texts import LANGUAGES, access_texts
from shared.events.loan import LoanFact

LISTS = {
    "intake": intake.LISTS,
    "assignment": assignment.LISTS,
    "visits": visits.LISTS,
    "plans": plans.LISTS,
    "compliance": (*compliance.LISTS, "kept"),
}
SHARED = ("unprocessed", "intended", "given")
# Numbers of things, and of the person whose facts they are.
OWN = {"loan_ref", "party_ref", "transaction_ref", "arrangement_ref", "charge_ref", "hold_ref"}


def names_in(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


@pytest.mark.parametrize("service", LISTS)
def test_every_list_has_its_words_and_tells_the_same_in_both_languages(service: str) -> None:
    texts = access_texts(f"services.{service}")
    assert all(texts.words("service").values())
    for name in (*LISTS[service], *SHARED):
        for part in ("heading", "about"):
            assert all(texts.words(name, part).values()), (name, part)
        told = [names_in(texts.said(name, "row", language=language)) for language in LANGUAGES]
        assert told[0], name
        assert told[0] == told[1], name


def models(base: type[LoanFact]) -> list[type[LoanFact]]:
    return [base, *(found for one in base.__subclasses__() for found in models(one))]


def test_facts_of_the_core_name_nobody_else() -> None:
    """A new field that refers to somebody must be withheld, or be known to be the person's own."""
    fields = {name for model in models(LoanFact) for name in model.model_fields}
    assert {name for name in fields if name.endswith("_ref") or "obligor" in name} == OWN | intake.OTHERS
