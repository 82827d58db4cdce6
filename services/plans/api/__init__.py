"""The HTTP side of plans."""
