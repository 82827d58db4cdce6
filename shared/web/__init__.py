"""HTTP platform: app factory, problems (RFC 9457), idempotent commands, pages, limits, health and the client between
services.

Import the submodules; `shared.web.problems` is free of any framework so that domain code may raise problems.
"""
