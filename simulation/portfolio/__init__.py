"""Portfolios of card accounts: read from the UCI credit data, or generated from what was fitted to it.

Statuses, limits, bills and payments come from the data (or its fitted joint statistics); every person, name, number and
place is made up from a seed and labelled synthetic.
"""
