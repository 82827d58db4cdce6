"""Who may ask a service for what it published on a topic: the readers of the topic, and nobody else."""

from __future__ import annotations

from starlette.requests import Request

from shared.events.topics import TOPICS
from shared.security.callers import caller_of
from shared.web.problems import NotAllowed, NotFound


def refuse_stranger(service: str, topic: str, request: Request) -> None:
    """Raises NotFound when `service` does not write the topic, NotAllowed when the caller does not read it."""
    spec = TOPICS.get(topic)
    if spec is None or service not in spec.writers:
        raise NotFound(f"{service} publishes nothing on this topic")
    client_id = caller_of(request).client_id
    if client_id not in spec.readers:
        raise NotAllowed(f"{client_id} does not read {topic}")
