"""All SQL of plans."""
