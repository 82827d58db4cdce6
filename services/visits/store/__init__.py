"""All SQL of visits: set-wise, arrays in, rows out, sorted by key."""
