"""`token`: what the development issuer gives to whoever explores a running platform."""

import base64
import json
import os
import threading
import time

import psutil
import pytest
import uvicorn
from typer.testing import CliRunner

from cli.app import app
from cli.platform import Platform
from shared.embedded.home import Home
from shared.security.clients import create_clients
from shared.security.issuer import DevelopmentIssuer, create_issuer_app
from shared.security.scopes import SCOPES


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A home in which `serve` runs, as far as the issuer is concerned: a real one, at a port of its own."""
    monkeypatch.setenv("DOORSTEP_HOME", str(tmp_path))
    clients = create_clients(Platform(prefix="t_").folder / "oidc-clients.json")
    issuer = DevelopmentIssuer(issuer="http://127.0.0.1", audience="doorstep", tenant="bank", clients=clients)
    server = uvicorn.Server(uvicorn.Config(create_issuer_app(issuer), port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    process = {"pid": os.getpid(), "created": psutil.Process().create_time()}
    state = {"process": process, "ready": True, "prefix": "t_", "addresses": {"issuer": address}}
    (Home().folder / "serve.json").write_text(json.dumps(state))
    yield
    server.should_exit = True
    thread.join()


def _claims(*arguments):
    answer = CliRunner().invoke(app, ["token", *arguments])
    assert answer.exit_code == 0, answer.output
    body = answer.stdout.strip().split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=="))


def test_the_explorer_may_do_everything(served):
    assert set(_claims()["scope"].split()) == set(SCOPES)


def test_a_client_has_its_own_rights_only(served):
    claims = _claims("--as", "dispatcher")
    assert claims["client_id"] == "dispatcher"
    assert "compliance.handle-complaint" not in claims["scope"].split()


def test_one_scope_of_many(served):
    assert _claims("--scope", "intake.read")["scope"] == "intake.read"


def test_it_speaks_for_a_person(served):
    claims = _claims("--subject", "C-1", "--attribute", "collector_id=C-1")
    assert (claims["sub"], claims["attributes"]) == ("C-1", {"collector_id": "C-1"})


def test_a_scope_of_others_is_refused(served):
    answer = CliRunner().invoke(app, ["token", "--as", "dispatcher", "--scope", "compliance.handle-complaint"])
    assert answer.exit_code == 1
    assert "invalid_scope" in answer.output


def test_other_clients_speak_for_nobody_else(served):
    assert CliRunner().invoke(app, ["token", "--as", "auditor", "--subject", "x"]).exit_code == 2


def test_without_a_serve_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("DOORSTEP_HOME", str(tmp_path))
    answer = CliRunner().invoke(app, ["token"])
    assert answer.exit_code == 1
    assert "./doorstep serve --detach" in answer.output


def test_scopes_are_told_in_words():
    answer = CliRunner().invoke(app, ["token", "--as", "auditor", "--scopes"])
    assert "intake.read: Read cases" in answer.output
