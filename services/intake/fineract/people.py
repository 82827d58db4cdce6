"""A client, and a group's members, as Fineract's REST API gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from msgspec import Struct
from pydantic import BeforeValidator, Field

from services.intake.fineract.state import CoreDocument, FineractDate

# What a fact can name: everyone bound by one loan, its guarantors included.
_MOST_MEMBERS: Final = 40


class AddressDocument(CoreDocument):
    """One of `GET /client/{id}/addresses`."""

    address_type: str | None = None
    is_active: bool = True
    address_line1: str | None = None
    address_line2: str | None = None
    address_line3: str | None = None
    city: str | None = None
    postal_code: str | None = None
    latitude: float | None = None
    longitude: float | None = None

    @property
    def line(self) -> str:
        """The address in one line."""
        parts: Sequence[str | None] = (
            self.address_line1, self.address_line2, self.address_line3, self.city, self.postal_code,
        )  # fmt: skip
        return ", ".join(part.strip() for part in parts if part and part.strip())


class _Named(CoreDocument):
    """A code with its id. Fineract sends an empty one for none."""

    id: int | None = None
    code: str | None = None


_CLOSED_CLIENT = "clientStatusType.closed"


def _given(value: Any) -> Any:
    return _Named() if value is None else value


class ClientDocument(CoreDocument):
    """`GET /clients/{id}`."""

    id: int
    display_name: str = Field(min_length=1, max_length=200)
    mobile_no: str | None = None
    email_address: str | None = None
    date_of_birth: FineractDate | None = None
    status: Annotated[_Named, BeforeValidator(_given)] = _Named()
    sub_status: Annotated[_Named, BeforeValidator(_given)] = _Named()

    @property
    def is_closed(self) -> bool:
        """Whether the core has ended its relation to the client."""
        return self.status.code == _CLOSED_CLIENT

    @property
    def sub_status_id(self) -> int | None:
        """The bank's own finer state of the client: a code value that it has made itself."""
        return self.sub_status.id


class ClientState(Struct, frozen=True):
    """A client and the addresses of the person."""

    client: ClientDocument
    addresses: tuple[AddressDocument, ...]


class _Member(CoreDocument):
    id: int
    status: Annotated[_Named, BeforeValidator(_given)] = _Named()


class GroupDocument(CoreDocument):
    """`GET /groups/{id}?associations=clientMembers`."""

    id: int
    client_members: list[_Member] = Field(default_factory=list, max_length=10_000)

    @property
    def bound(self) -> tuple[int, ...]:
        """Its members whom the core has not closed, in order; none of them where they are too many to name."""
        found = sorted({one.id for one in self.client_members if one.status.code != _CLOSED_CLIENT})
        return tuple(found) if len(found) <= _MOST_MEMBERS else ()
