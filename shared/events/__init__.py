"""Events: the catalogue, its models, the envelope and the CloudEvents codec."""

from shared.events.envelope import Event, NewEvent, Received

__all__ = ["Event", "NewEvent", "Received"]
