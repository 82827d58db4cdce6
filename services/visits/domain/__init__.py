"""What a visit may become, and why: pure functions of state, facts and time."""
