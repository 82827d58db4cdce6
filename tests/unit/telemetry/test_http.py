"""What one HTTP request leaves in traces and metrics. Providers are global, so it happens in a process of its own."""

import json
import subprocess
import sys
from typing import Any

import pytest

PROGRAM = '''
import asyncio, json
from typing import Annotated
import httpx
from fastapi import APIRouter, Depends, Request
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel, SecretStr
from shared.clock import SystemClock
from shared.database import Database
from shared.security.callers import Caller, scope
from shared.security.tokens import TokenVerifier
from shared.settings import ServiceSettings
from shared.telemetry.setup import metrics_exposition, setup_telemetry
from shared.web.app import ApiDefinition, create_app

async def main():
    settings = ServiceSettings(environment="development", database_url=SecretStr("postgresql://x@127.0.0.1:9/z"),
                               kafka_bootstrap="k:1", oidc_issuer="http://127.0.0.1:9")
    telemetry = setup_telemetry(settings, service="visits", sampled_share=0)
    spans = InMemorySpanExporter()
    telemetry.tracer_provider.add_span_processor(SimpleSpanProcessor(spans))
    router = APIRouter()

    @router.get("/v1/things/{number}")
    async def thing(number: int, caller: Annotated[Caller, Depends(scope("visits.read"))]) -> None:
        """One."""

    class Asked(BaseModel):
        number: int

    @router.post("/v1/usual", dependencies=[Depends(scope("visits.read"))])
    async def usual(request: Request, body: Asked) -> Asked:
        """Ask."""

    @router.post("/v1/straight", dependencies=[Depends(scope("visits.read"))])
    async def straight(request: Request, body: Asked) -> Asked:
        """Ask."""

    database = await Database.open(settings, SystemClock(), service="visits")
    verifier = TokenVerifier.from_settings(settings, SystemClock())
    app = create_app(ApiDefinition(service="visits", title="t", description="d", routers=[router], settings=settings,
                                   database=database, verifier=verifier, straight=[straight]))
    headers = {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01", "baggage": "name=zhang"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://v.test") as http:
        response = await http.get("/v1/things/7?phone=138", headers=headers)
        await http.get("/health/live")
        for path in ("/v1/usual", "/v1/straight"):
            await http.post(path, headers=headers, json={"number": 1})
    await database.close()
    print(json.dumps({
        "spans": [json.loads(span.to_json()) for span in spans.get_finished_spans()],
        "metrics": metrics_exposition()[0].decode(), "answer": response.json(),
    }))

asyncio.run(main())
'''


@pytest.fixture(scope="module")
def left() -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


def test_span_continues_the_callers_trace(left: dict[str, Any]) -> None:
    span = left["spans"][0]
    assert span["context"]["trace_id"] == "0x" + "a" * 32
    assert span["name"] == "GET /v1/things/{number}"
    assert span["resource"]["attributes"]["service.name"] == "visits"


def test_query_stays_out_of_the_trace(left: dict[str, Any]) -> None:
    assert "138" not in json.dumps(left["spans"])
    assert "zhang" not in json.dumps(left)


def test_rate_errors_and_duration_by_route(left: dict[str, Any]) -> None:
    lines = counted(left, "/v1/things")
    assert len(lines) == 1
    assert 'http_route="/v1/things/{number}"' in lines[0]
    assert 'http_response_status_code="401"' in lines[0]


def test_a_straight_route_tells_the_same(left: dict[str, Any]) -> None:
    usual, straight = left["spans"][1:]
    assert straight["name"] == "POST /v1/straight"
    assert [straight[one] for one in ("parent_id", "kind", "status")] == [
        usual[one] for one in ("parent_id", "kind", "status")
    ]
    names = usual["attributes"].keys() - {"server.address", "server.port"}
    assert straight["attributes"].keys() == names
    assert [line.replace("straight", "usual") for line in counted(left, "/v1/straight")] == counted(left, "/v1/usual")


def counted(left: dict[str, Any], path: str) -> list[str]:
    name = "http_server_request_duration_seconds"
    return [line for line in left["metrics"].splitlines() if line.startswith(f"{name}_count") and path in line]


def test_problem_names_the_trace(left: dict[str, Any]) -> None:
    assert left["answer"]["trace_id"] == "a" * 32
