"""What rules mean, in words."""
