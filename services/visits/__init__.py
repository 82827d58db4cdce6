"""Visits: what happens between the offer and the audited record."""
