"""All SQL of compliance: set-wise statements, arrays in, rows out."""
