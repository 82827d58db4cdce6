"""Steps for which a person answers: the token names one, not only the client through which they speak."""

from __future__ import annotations

from starlette.requests import Request

from shared.security.callers import caller_of
from shared.web.problems import KnownProblem


class PersonNeeded(KnownProblem):
    """A named person answers for this step: the token names only a client."""

    kind, status, title = "person-needed", 403, "A named person takes this step"


def named_person(request: Request) -> str:
    """Who asks. Raises PersonNeeded."""
    caller = caller_of(request)
    if caller.subject == caller.client_id:
        raise PersonNeeded()
    return caller.subject
