"""A process without an API answers its probes and nothing else."""

import httpx
import pytest
from pydantic import SecretStr

from shared.clock import SystemClock
from shared.database import Database
from shared.settings import ServiceSettings
from shared.web.health import create_probe_app


@pytest.mark.parametrize(
    ("path", "status"),
    [("/health/live", 200), ("/health/ready", 503), ("/metrics", 200), ("/docs", 404), ("/openapi.json", 404)],
)
async def test_answers_probes_only(path: str, status: int) -> None:
    settings = ServiceSettings(
        environment="development",
        database_url=SecretStr("postgresql://nobody@127.0.0.1:9/none"),
        kafka_bootstrap="127.0.0.1:9",
    )
    database = await Database.open(settings, SystemClock(), service="visits")
    transport = httpx.ASGITransport(create_probe_app("visits", database))
    async with httpx.AsyncClient(transport=transport, base_url="http://visits.test") as client:
        assert (await client.get(path)).status_code == status
    await database.close()
