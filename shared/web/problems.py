"""Problems (RFC 9457): what went wrong, in a form that people and programs can both act on.

This module knows no framework, so that pure domain code may raise or return a problem. One subclass per meaning:
callers branch on `kind`, never on the wording. Texts never contain personal values: name the field, not what was in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TYPE_BASE = "https://doorstep.example/problems/"
MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class FieldError:
    """One field that was refused. `pointer` is a JSON Pointer (RFC 6901) inside `location` (body, query, path or
    header).
    """

    location: str
    pointer: str
    kind: str
    detail: str

    def document(self) -> dict[str, str]:
        """The JSON form."""
        return {"in": self.location, "pointer": self.pointer, "kind": self.kind, "detail": self.detail}


class Problem(Exception):  # noqa: N818  # a problem is an answer, not an accident
    """A refusal with a meaning. Prefer a `KnownProblem` subclass: those are listed in the OpenAPI document.

    Raised inside a command it rolls everything back and is not remembered, so a retry tries again; *returned* from a
    command's handler it commits what the handler did (a refusal that must be audited) and is replayed to retries.
    """

    kind: str = "error"
    status: int = 500
    title: str = "Error"

    def __init__(
        self,
        kind: str,
        status: int,
        detail: str = "",
        *,
        title: str | None = None,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        retry_after_seconds: int | None = None,
        **members: object,
    ) -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind
        self.status = status
        self.title = title or kind.replace("-", " ").capitalize()
        self.detail = detail
        self.errors = tuple(errors)
        self.members = members
        self.headers = dict(headers or {})
        if retry_after_seconds is not None:
            self.headers["Retry-After"] = str(retry_after_seconds)

    def document(self, instance: str | None = None) -> dict[str, object]:
        """The members of the problem document; extension members must be JSON-encodable and free of personal values."""
        document: dict[str, object] = {"type": TYPE_BASE + self.kind, "title": self.title, "status": self.status}
        if self.detail:
            document["detail"] = self.detail
        if instance is not None:
            document["instance"] = instance
        if self.errors:
            document["errors"] = [error.document() for error in self.errors]
        return {**self.members, **document}


class KnownProblem(Problem):
    """Base of problems with a fixed meaning: subclasses set `kind`, `status`, `title` and explain themselves in the
    docstring.
    """

    def __init__(
        self,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        retry_after_seconds: int | None = None,
        **members: object,
    ) -> None:
        cls = type(self)
        super().__init__(
            cls.kind,
            cls.status,
            detail,
            title=cls.title,
            errors=errors,
            headers=headers,
            retry_after_seconds=retry_after_seconds,
            **members,
        )


class MalformedBody(KnownProblem):
    """The body could not be read as JSON in UTF-8."""

    kind, status, title = "malformed-body", 400, "The body is not valid JSON"


class IdempotencyKeyMissing(KnownProblem):
    """A command came without a usable `Idempotency-Key` header."""

    kind, status, title = "idempotency-key-missing", 400, "A command needs an Idempotency-Key header"


class NotAuthenticated(KnownProblem):
    """No access token, or one that is not valid here (expired, foreign, wrong audience, unknown key)."""

    kind, status, title = "not-authenticated", 401, "A valid access token is required"


class NotAllowed(KnownProblem):
    """The caller is known but may not do this."""

    kind, status, title = "not-allowed", 403, "The caller may not do this"


class NotFound(KnownProblem):
    """Nothing with this id exists, or not for this caller."""

    kind, status, title = "not-found", 404, "Not found"


class PartyErased(KnownProblem):
    """The person was erased, and a decision about them would begin a new file. Nothing of the request is done.

    `positions`, where several items came, names theirs (from 0): ask again without these.
    """

    kind, status, title = "party-erased", 410, "The person was erased"


class MethodNotAllowed(KnownProblem):
    """The resource exists but does not support the method; `Allow` names those it does."""

    kind, status, title = "method-not-allowed", 405, "Method not allowed"


class BodyNotReceived(KnownProblem):
    """The body did not arrive in time."""

    kind, status, title = "body-not-received", 408, "The body did not arrive in time"


class Conflict(KnownProblem):
    """The present state does not allow the request; reading the state again shows why."""

    kind, status, title = "conflict", 409, "The present state does not allow this"


class CommandRunning(KnownProblem):
    """A command with the same key is being carried out right now; ask again later with the same key."""

    kind, status, title = "command-running", 409, "A command with this key is still running"


class BodyTooLarge(KnownProblem):
    """The body is larger than the service accepts."""

    kind, status, title = "body-too-large", 413, "The body is too large"


class UnsupportedMediaType(KnownProblem):
    """The body's media type is not one that the route reads."""

    kind, status, title = "unsupported-media-type", 415, "Unsupported media type"


class InvalidRequest(KnownProblem):
    """One or more fields are missing or not valid; `errors` names each."""

    kind, status, title = "invalid-request", 422, "The request is not valid"


class IdempotencyKeyReused(KnownProblem):
    """The same `Idempotency-Key` was used before with another body."""

    kind, status, title = "idempotency-key-reused", 422, "The key was used before with another body"


class InvalidCursor(KnownProblem):
    """The page cursor was not made by this list with these filters."""

    kind, status, title = "invalid-cursor", 422, "The cursor does not belong to this list"


class InternalError(KnownProblem):
    """A fault of the service. It is logged under the trace that the response names."""

    kind, status, title = "internal-error", 500, "The service failed"


class TemporarilyUnavailable(KnownProblem):
    """The service cannot answer now; the same request, with the same key, may be repeated after `Retry-After`."""

    kind, status, title = "temporarily-unavailable", 503, "Not available right now"
