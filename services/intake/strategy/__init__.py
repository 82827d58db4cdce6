"""The bank's strategy as data: what happens next in a case, and why. Everything here is pure."""
