"""All SQL of assignment, set-wise: arrays in, rows out, sorted by key."""
