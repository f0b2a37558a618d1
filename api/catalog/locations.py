"""Locations: sites, and the places in them where stock lies."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Body, Path, Query, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door import examples
from api.door.auth import Caller, behind_the_door
from api.door.created import created
from api.door.openapi import REFUSALS, same_again
from api.door.paging import Cursor, Limit, Page, cut, position
from api.door.request_body import Said
from api.door.services import Services
from domain.commands import Key
from domain.errors import Conflict, Fault
from domain.refusals import not_found
from domain.said import Part
from domain.shapes import Capacity, Location
from records import catalog
from records.catalog import LocationRow, Written
from records.inventory.places import kind_of

router = behind_the_door("/api/locations", "master data")


_OF_A_SITE: Final = ("time_zone", "address", "receipts_without_order")


class LocationView(BaseModel):
    """A location as it is now."""

    location_id: str
    site: str
    parent: str | None
    type: str
    capacity: Capacity | None
    time_zone: str | None
    address: dict[str, Any] | None
    receipts_without_order: bool


@router.post("", status_code=201, responses=same_again(LocationView))
async def put_location(
    services: Services,
    caller: Caller,
    response: Response,
    said: Annotated[Said[Location], Body(examples=[examples.SITE, examples.BIN])],
) -> LocationView:
    """Make a location known, or bring it to this. Its site stays, and whether stock in it may be promised."""
    async with services.engine.begin() as connection:
        await catalog.lock_tree(connection, caller.tenant)
        body = said.settle(await _faults(connection, caller.tenant, said.part))
        told = {**body.model_dump(mode="json"), "site": body.site or body.location_id}
        row = LocationRow(tenant=caller.tenant, **told)
        written = await catalog.write_location(connection, row, _checking(row))
    response.status_code = created(is_new=written is Written.NEW)
    return _view(row)


async def _faults(connection: AsyncConnection, tenant: str, part: Part) -> list[Fault]:
    """Say what is wrong with a location's place in the tree."""
    if not part.readable("type"):
        return []
    return _site_faults(part) if part.get("type") == "site" else await _place_faults(connection, tenant, part)


def _site_faults(part: Part) -> list[Fault]:
    faults = [
        part.fault(name, "missing", "is missing: a site has one")
        for name in ("time_zone", "address")
        if part.readable(name) and part.get(name) is None
    ]
    if part.get("site") not in {None, part.get("location_id")}:
        faults.append(part.fault("site", "unknown_site", "must be the site itself"))
    if part.get("parent") is not None:
        faults.append(part.fault("parent", "unknown_parent", "must be left out: a site lies in nothing"))
    return faults


async def _place_faults(connection: AsyncConnection, tenant: str, part: Part) -> list[Fault]:
    faults = [part.fault(name, "invalid", "belongs to a site only") for name in _OF_A_SITE if part.get(name)]
    site, parent, location_id = part.get("site"), part.get("parent"), part.get("location_id")
    known = await catalog.locations(connection, tenant, {name for name in (site, parent) if name})
    if site is None and part.readable("site"):
        faults.append(part.fault("site", "missing", "is missing"))
    elif site is not None and (site not in known or known[site].type != "site"):
        faults.append(part.fault("site", "unknown_site", f"{site} is not a site"))
    if parent is not None and (parent not in known or known[parent].site != site):
        faults.append(part.fault("parent", "unknown_parent", f"{parent} is not a location of {site}"))
    elif parent and location_id and await catalog.is_below(connection, tenant, parent, location_id):
        faults.append(part.fault("parent", "circular_parent", f"{parent} lies in {location_id}"))
    return faults


def _checking(new: LocationRow) -> catalog.Check[LocationRow]:
    async def check(known: LocationRow) -> None:
        if _fixed(known) != _fixed(new):
            raise Conflict(
                f"{new.location_id} is a {known.type} of {known.site}: that can't change to "
                f"a {new.type} of {new.site}.",
                code="location_in_use",
            )

    return check


def _fixed(row: LocationRow) -> tuple[str, bool, str | None]:
    return row.site, row.type == "site", kind_of(row.type)


@router.get("", responses=REFUSALS)
async def list_locations(
    services: Services,
    caller: Caller,
    site: Annotated[Key | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[LocationView]:
    """List locations by id."""
    after = position(cursor, 1) or [""]
    async with services.reading() as connection:
        rows = await catalog.list_locations(connection, caller.tenant, site, after[0], limit + 1)
    items, following = cut(rows, limit, lambda row: [row.location_id])
    return Page(items=[_view(row) for row in items], next=following)


@router.get("/{location_id}", responses=REFUSALS)
async def get_location(services: Services, caller: Caller, location_id: Annotated[Key, Path()]) -> LocationView:
    """Return a location."""
    async with services.reading() as connection:
        row = await catalog.get_location(connection, caller.tenant, location_id)
    if row is None:
        raise not_found(f"location {location_id}")
    return _view(row)


def _view(row: LocationRow) -> LocationView:
    return LocationView.model_validate(vars(row))
