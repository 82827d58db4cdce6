"""What compliance says and hears over HTTP."""
