"""The development issuer's client file: one client per entry of the scope catalogue, with random secrets (0600)."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Final, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from shared.security.key_management import read_private_file, write_private_file
from shared.security.scopes import Client, scopes_of

# Plays many persons, so it may name the subject (a collector, a customer) that its token speaks for.
ACTS_FOR_OTHERS: Final[frozenset[str]] = frozenset({"demo-driver"})


class DevelopmentClient(BaseModel):
    """One client of the development issuer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: str = Field(min_length=1, max_length=64, description="Name of the client.")
    client_secret: str = Field(min_length=16, description="Secret of the client; random, never reused elsewhere.")
    scopes: frozenset[str] = Field(description="Scopes that it may be granted.")
    attributes: dict[str, str] = Field(default_factory=dict, description="Attributes that every token of it carries.")
    acts_for_others: bool = Field(False, description="May ask for tokens with another subject and its attributes.")


_CLIENTS = TypeAdapter(list[DevelopmentClient])


def create_clients(path: Path) -> dict[str, DevelopmentClient]:
    """The clients in `path`, by id; makes the file when it does not exist. Raises PermissionError when others could
    read it.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        clients = [
            DevelopmentClient(
                client_id=name,
                client_secret=secrets.token_urlsafe(24),
                scopes=scopes_of(name),
                acts_for_others=name in ACTS_FOR_OTHERS,
            )
            for name in get_args(Client)
        ]
        content = json.dumps([client.model_dump(mode="json") for client in clients], indent=1)
        write_private_file(path, content.encode(), replace=False)
    return read_clients(path)


def read_clients(path: Path) -> dict[str, DevelopmentClient]:
    """The clients in `path`, by id. Raises FileNotFoundError, PermissionError, pydantic.ValidationError."""
    return {client.client_id: client for client in _CLIENTS.validate_json(read_private_file(path))}
