"""What a household can afford and what was agreed: pure decisions, without I/O, clock or framework."""
