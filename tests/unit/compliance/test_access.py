"""A row in plain words: both languages, nobody of ours in it."""

from services.compliance.access_desk import compliance_texts
from services.compliance.store.access import LISTS
from shared.access.lists import list_of


def test_people_of_ours_are_left_out_of_free_text_and_words_stay() -> None:
    row = {"rule": "R-1", "by_role": "supervisor", "evidence": "anna wrote; annals and anna-2 stay", "reason": None,
           "valid_from": None, "valid_to": None, "ended_at": None}  # fmt: skip
    [told] = list_of("overrides", [row], compliance_texts(), staff=["anna"]).rows
    assert told.values["evidence"] == "a member of our staff / 我行员工 wrote; annals and anna-2 stay"
    assert "理由：—" in told.words["zh"]


def test_every_list_has_its_words() -> None:
    for name in (*LISTS, "kept"):
        empty = list_of(name, [], compliance_texts())
        assert all(empty.heading.values())
        assert all(empty.about.values())
