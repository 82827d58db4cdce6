"""The catalogue of scopes."""

import re

from shared.security.scopes import CLIENTS, SCOPES, SERVICES, scopes_of


def test_names_say_service_and_verb() -> None:
    assert [name for name in SCOPES if not re.fullmatch(rf"({'|'.join(SERVICES)})\.[a-z]+(-[a-z]+)*", name)] == []


def test_every_scope_says_what_it_allows_and_to_whom() -> None:
    assert [s.name for s in SCOPES.values() if not s.allows.endswith(".") or not s.clients <= CLIENTS] == []


def test_every_client_has_a_scope() -> None:
    assert [client for client in CLIENTS if not scopes_of(client)] == []


def test_contact_data_is_for_those_who_reach_people() -> None:
    assert SCOPES["intake.read-contact-card"].clients - {"demo-driver"} == {"assignment", "visits", "core"}


def test_collections_read_no_person_without_a_permit() -> None:
    collecting = {"assignment", "visits", "collector-app", "dispatcher"}
    assert not collecting & SCOPES["intake.answer-person"].clients
    assert not collecting & SCOPES["intake.search-person"].clients


def test_customer_and_collector_cannot_set_holds() -> None:
    assert not {"customer-portal", "collector-app"} & SCOPES["compliance.set-hold"].clients
