"""The access rules are the catalogue's, no more and no less."""

from confluent_kafka.admin import AclOperation, ResourcePatternType, ResourceType
from hypothesis import given
from hypothesis import strategies as st

from shared.embedded.kafka import PRINCIPALS
from shared.embedded.provision import access_rules, literal, quoted
from shared.events.topics import SERVICES, TOPICS


def _allowed(operation):
    return {
        (rule.principal.removeprefix("User:"), rule.name.removeprefix("p_"))
        for rule in access_rules("p_", TOPICS)
        if rule.restype == ResourceType.TOPIC and rule.operation == operation
    }


def test_writers_are_the_catalogue_s():
    assert _allowed(AclOperation.WRITE) == {(who, spec.name) for spec in TOPICS.values() for who in spec.writers}


def test_readers_are_the_catalogue_s_and_the_oracle():
    expected = {(who, spec.name) for spec in TOPICS.values() for who in spec.readers | {"oracle"}}
    assert _allowed(AclOperation.READ) == expected


def test_only_intake_and_the_oracle_read_loans():
    readers = {who for who, topic in _allowed(AclOperation.READ) if topic.startswith("loan")}
    assert readers == {"intake", "oracle"}


def test_every_principal_is_known_to_the_broker():
    assert {who for spec in TOPICS.values() for who in spec.writers | spec.readers} <= set(PRINCIPALS)


def test_topics_are_named_exactly_and_groups_by_prefix():
    for rule in access_rules("p_", TOPICS):
        exact = rule.restype == ResourceType.TOPIC
        assert rule.resource_pattern_type == (ResourcePatternType.LITERAL if exact else ResourcePatternType.PREFIXED)
        assert rule.name.startswith("p_")


def test_no_service_s_groups_are_another_s():
    assert not [(a, b) for a in PRINCIPALS for b in SERVICES if a != b and b.startswith(a)]


@given(st.text(alphabet=st.characters(exclude_characters="\x00")))
def test_quoting_closes_only_at_the_end(text):
    for made, mark in ((quoted(text), '"'), (literal(text), "'")):
        assert made[0] == made[-1] == mark
        assert made[1:-1].replace(mark * 2, "") == text.replace(mark, "")
