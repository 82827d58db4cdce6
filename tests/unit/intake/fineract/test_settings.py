"""The adapter's settings: off by default, whole when on, in clear nowhere that matters."""

import pytest

from services.intake.fineract.settings import FineractSettings

WHOLE = {
    "bootstrap": "broker:9093", "api_url": "https://core/api/v1", "creditor": "Bank", "jurisdiction": "CN",
    "products": {"7": "consumer"},
}  # fmt: skip


def test_it_is_off_by_default():
    assert not FineractSettings().is_on


@pytest.mark.parametrize("name", ["api_url", "creditor", "jurisdiction", "products"])
def test_what_is_missing_is_named(name):
    with pytest.raises(ValueError, match=name):
        FineractSettings(**{key: value for key, value in WHOLE.items() if key != name})


def test_production_speaks_over_tls_only():
    settings = FineractSettings(**WHOLE, username="u", password="p")
    assert settings.client_options(production=True)["security_protocol"] == "SASL_SSL"
    for change in ({"security_protocol": "SASL_PLAINTEXT"}, {"api_url": "http://core/api/v1"}):
        plain = FineractSettings(**WHOLE | change)
        with pytest.raises(ValueError, match="TLS"):
            plain.client_options(production=True)
        assert plain.client_options(production=False)["bootstrap_servers"] == "broker:9093"


def test_the_creditor_services_and_the_zone_is_the_persons_unless_told_otherwise():
    tenancy = FineractSettings(**WHOLE, time_zone="Asia/Shanghai").tenancy("bank")
    assert (tenancy.servicer, tenancy.time_zones, tenancy.history_known_from) == ("Bank", ("Asia/Shanghai",), None)
