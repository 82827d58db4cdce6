"""What a bank core's facts mean: pure functions from state and fact to new state and events. No I/O, no clock."""
