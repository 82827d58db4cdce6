"""Tapes: what a core says of its loans in files. `contract` says how a feed is read, `loading` what becomes of it."""
