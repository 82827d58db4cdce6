"""Who may visit whom, when and on which route: pure decisions, without I/O, clock or framework."""
