"""From a client of Fineract's to the facts about a person: pure, and nothing is made up."""

from __future__ import annotations

from pydantic import ValidationError

from services.intake.fineract.facts import Fact, FactRefusedError, Occasion, Tenancy
from services.intake.fineract.people import ClientState
from shared.events.loan import ContactPoint, PartyDeceased, PartyUpdated
from shared.geo import Point


def death_of(state: ClientState, occasion: Occasion, tenancy: Tenancy) -> Fact | None:
    """`party.deceased`, where the bank's sub-status of the client says so. Of several reports the first one counts."""
    if state.client.sub_status_id not in tenancy.deceased_sub_statuses:
        return None
    data = PartyDeceased(
        tenant=tenancy.tenant,
        core=tenancy.core,
        party_ref=str(state.client.id),
        core_sequence=occasion.core_sequence,
        reported_on=occasion.business_date,
    )
    return Fact("party.deceased", occasion.core_sequence, data)


def person_of(state: ClientState, *, core_sequence: int, tenancy: Tenancy) -> PartyUpdated | None:
    """The person as the core knows them; None where it knows too little: then the party stays held.

    Fineract knows nothing of past contacts, so without the tenant's word on them nobody is described.
    """
    if state.client.is_closed and state.client.sub_status_id not in tenancy.deceased_sub_statuses:
        raise FactRefusedError("client_closed", "something of a closed client is past due")
    if tenancy.history_known_from is None:
        return None
    found: list[tuple[str, str, Point | None]] = []
    for address in state.addresses:
        if address.is_active and address.line and address.latitude and address.longitude:
            found.append(("home", address.line, Point(lat=address.latitude, lon=address.longitude, crs="WGS84")))
    for kind, value in (("mobile", state.client.mobile_no), ("email", state.client.email_address)):
        if value and value.strip():
            found.append((kind, value.strip(), None))
    if not found:
        return None
    try:
        return PartyUpdated(
            tenant=tenancy.tenant,
            core=tenancy.core,
            party_ref=str(state.client.id),
            core_sequence=core_sequence,
            name=state.client.display_name,
            born_on=state.client.date_of_birth,
            language=tenancy.language,
            time_zones=list(tenancy.time_zones),
            # The bank has said where it does business; of the person Fineract knows no zone.
            zone_sources=["branch" for _ in tenancy.time_zones],
            jurisdiction=tenancy.jurisdiction,
            contact_points=[
                ContactPoint.model_validate(
                    {"kind": kind, "value": value, "point": point, "source": tenancy.contact_source}
                )
                for kind, value, point in found
            ],
            history_known_from=tenancy.history_known_from,
        )
    except ValidationError as error:
        raise FactRefusedError("fact_invalid", "party.updated") from error
