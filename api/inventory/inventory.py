"""Stock: balances now and at any past instant."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Path, Query
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door.auth import Caller, behind_the_door
from api.door.openapi import REFUSALS
from api.door.paging import Cursor, Limit, Page, Utc, cut, position
from api.door.services import ApiServices, Services
from domain.commands import Instant, Key, Uom
from domain.errors import Fault, Rejected
from domain.refusals import not_found, refusal
from domain.stock import StockStatus
from domain.texts import Lot, Name
from ledger.reads.views import Balance, BalanceQuery, Basis, StockLevel, Totals
from queries.inventory.stock_levels import StockPage, Today, read_balances, read_levels
from records import catalog

router = behind_the_door("/api", "stock")

Amount = int | str
"""A whole number; a decimal string where a quantity is no whole number of the unit that was asked for."""

_DECIMALS: Final = Decimal("0.000001")


class Packaged(BaseModel):
    """A quantity in whole packagings, and what is left over in base units; below zero where the quantity is."""

    whole: int
    remainder: int


class PackagedBalance(BaseModel):
    """A balance in a packaging."""

    on_hand: Packaged
    reserved: Packaged
    available: Packaged


class BalanceView(BaseModel):
    """What a stream holds, in `uom`. `packaged` says the same in whole packagings, where one was asked for.

    Stock has expired once the last day on which it may be used, `expires_on`, is over at its site: then none of it is
    available, whatever its status.
    """

    stream_id: UUID
    sku: str
    site: str
    location_id: str
    lot: str | None
    serial_number: str | None
    stock_status: StockStatus
    on_hand: Amount
    reserved: Amount
    available: Amount
    expires_on: date | None
    expired: bool
    seq: int
    uom: str
    packaged: PackagedBalance | None


class TotalsView(BaseModel):
    """Sums over all pages."""

    on_hand: Amount
    reserved: Amount
    available: Amount
    in_transit: Amount
    quarantined: Amount
    expired: Amount


class InventoryPage(BaseModel):
    """Balances, and their sums over all pages. `as_of` is null for the newest state."""

    items: list[BalanceView]
    totals: TotalsView
    packaged_totals: PackagedBalance | None
    as_of: Utc | None
    next: str | None


class Asked(BaseModel):
    """What is asked of the inventory, but for the place."""

    sku: Key | None = None
    site: Key | None = None
    lot: Lot | None = None
    stock_status: StockStatus | None = None
    uom: Uom | None = None
    as_of: Instant | None = None
    as_of_basis: Basis = Basis.RECORDED


async def _asked(
    sku: Annotated[Key | None, Query()] = None,
    site: Annotated[Key | None, Query()] = None,
    lot: Annotated[Lot | None, Query()] = None,
    stock_status: Annotated[StockStatus | None, Query()] = None,
    uom: Annotated[Uom | None, Query(description="Show quantities in this packaging of `sku`")] = None,
    as_of: Annotated[Instant | None, Query(description="Not later than now")] = None,
    as_of_basis: Annotated[Basis, Query()] = Basis.RECORDED,
) -> Asked:
    """Collect what is asked."""
    return Asked.model_construct(
        sku=sku, site=site, lot=lot, stock_status=stock_status, uom=uom, as_of=as_of, as_of_basis=as_of_basis
    )


AskedFor = Annotated[Asked, Depends(_asked)]


@router.get("/inventory", responses=REFUSALS)
async def get_inventory(
    services: Services,
    caller: Caller,
    asked: AskedFor,
    location: Annotated[Name | None, Query(description="A location with all below it, or a virtual place")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> InventoryPage:
    """Return balances. Virtual places (`customer/SO-10293`) are left out unless they are named."""
    query = _query(caller.tenant, asked, limit, cursor)
    async with services.reading() as connection:
        if location is not None:
            below = await catalog.subtree(connection, caller.tenant, location)
            query = replace(query, locations=tuple(below or [location]))
        return await _page(services, connection, query, asked)


@router.get("/locations/{location_id}/inventory", responses=REFUSALS)
async def get_location_inventory(
    services: Services,
    caller: Caller,
    asked: AskedFor,
    location_id: Annotated[Key, Path()],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> InventoryPage:
    """Return the balances of a location and all below it."""
    query = _query(caller.tenant, asked, limit, cursor)
    async with services.reading() as connection:
        below = await catalog.subtree(connection, caller.tenant, location_id)
        if not below:
            raise not_found(f"location {location_id}")
        return await _page(services, connection, replace(query, locations=tuple(below)), asked)


def _query(tenant: str, asked: Asked, limit: int, cursor: str | None) -> BalanceQuery:
    return BalanceQuery(
        tenant=tenant,
        sku=asked.sku,
        site=asked.site,
        lot=asked.lot,
        stock_status=asked.stock_status,
        as_of=asked.as_of,
        basis=asked.as_of_basis,
        cursor=cursor,
        limit=limit,
    )


def _today(services: ApiServices) -> Today:
    return lambda zone: services.ledger.days.today(zone, services.clock())


async def _page(services: ApiServices, connection: AsyncConnection, query: BalanceQuery, asked: Asked) -> InventoryPage:
    factor = await _factor(connection, query.tenant, asked)
    try:
        page = await read_balances(connection, query, _today(services))
    except Rejected as refused:
        raise _pointing(refused) from refused
    return _shown(page, asked, factor)


def _pointing(refused: Rejected) -> Rejected:
    """Name the parameter that a refusal of the ledger is about."""
    name = {"as_of_in_future": "as_of", "bad_cursor": "cursor"}.get(refused.code)
    faults = [Fault(f"/query/{name}", refused.code, refused.detail)] if name else refused.faults
    return Rejected(refused.code, refused.detail, faults, refused.kind)


async def _factor(connection: AsyncConnection, tenant: str, asked: Asked) -> int:
    """Return what quantities are to be divided by. A unit means something for one sku only."""
    if asked.uom is None:
        return 1
    if asked.sku is None:
        raise refusal([Fault("/query/uom", "uom_without_sku", "means something together with a sku only")])
    product = (await catalog.products(connection, tenant, [asked.sku])).get(asked.sku)
    if product is None:
        raise refusal([Fault("/query/sku", "unknown_sku", f"{asked.sku} is not in the catalog")])
    try:
        return product.units.factor(asked.uom)
    except Rejected as refused:
        raise refusal([Fault("/query/uom", refused.code, refused.detail)]) from refused


def _shown(page: StockPage, asked: Asked, factor: int) -> InventoryPage:
    return InventoryPage(
        items=[_balance(shown.balance, asked.uom or shown.base_uom, factor) for shown in page.items],
        totals=_totals(page.totals, factor),
        packaged_totals=_packaged(page.totals, factor),
        as_of=asked.as_of,
        next=page.next,
    )


def _balance(balance: Balance, uom: str, factor: int) -> BalanceView:
    key = balance.key
    return BalanceView(
        stream_id=balance.stream_id,
        sku=key.sku,
        site=key.place.site,
        location_id=key.place.location_id,
        lot=key.lot or None,
        serial_number=key.serial_number or None,
        stock_status=key.stock_status,
        on_hand=_in_packaging(balance.on_hand, factor),
        reserved=_in_packaging(balance.reserved, factor),
        available=_in_packaging(balance.available, factor),
        expires_on=balance.expires_on,
        expired=balance.expired,
        seq=balance.seq,
        uom=uom,
        packaged=_packaged(balance, factor),
    )


def _totals(totals: Totals, factor: int) -> TotalsView:
    return TotalsView(
        on_hand=_in_packaging(totals.on_hand, factor),
        reserved=_in_packaging(totals.reserved, factor),
        available=_in_packaging(totals.available, factor),
        in_transit=_in_packaging(totals.in_transit, factor),
        quarantined=_in_packaging(totals.quarantined, factor),
        expired=_in_packaging(totals.expired, factor),
    )


def _packaged(balance: Balance | Totals, factor: int) -> PackagedBalance | None:
    if factor == 1:
        return None
    return PackagedBalance(
        on_hand=_whole(balance.on_hand, factor),
        reserved=_whole(balance.reserved, factor),
        available=_whole(balance.available, factor),
    )


def _whole(quantity: int, factor: int) -> Packaged:
    whole, remainder = divmod(abs(quantity), factor)
    return Packaged(whole=whole, remainder=remainder) if quantity >= 0 else Packaged(whole=-whole, remainder=-remainder)


def _in_packaging(quantity: int, factor: int) -> Amount:
    whole, rest = divmod(quantity, factor)
    return whole if not rest else format((Decimal(quantity) / factor).quantize(_DECIMALS).normalize(), "f")


# -- the report ------------------------------------------------------------------------------------------------------


class StockLevelView(BaseModel):
    """What a site has of a sku, in base units."""

    sku: str
    on_hand: int
    reserved: int
    available: int
    backordered: int
    in_transit: int
    quarantined: int
    expired: int


@router.get("/reports/stock-levels", tags=["reports"], responses=REFUSALS)
async def get_stock_levels(
    services: Services,
    caller: Caller,
    site: Annotated[Key, Query()],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[StockLevelView]:
    """Return what a site has of each sku, what of it is promised, and what is waited for."""
    after = position(cursor, 1) or [""]
    async with services.reporting() as connection:
        rows = await read_levels(connection, caller.tenant, site, _today(services), after[0], limit + 1)
    items, following = cut(rows, limit, _sku)
    return Page(items=[StockLevelView.model_validate(row, from_attributes=True) for row in items], next=following)


def _sku(level: StockLevel) -> list[str]:
    return [level.sku]
