"""What the service tells about itself: traces, metrics, logs. None of it may hold personal data."""
