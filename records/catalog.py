"""The catalog: what can be ordered and counted, and where it can lie."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeVar

from sqlalchemy import Column, Select, Table, func, literal, or_, select, text, update
from sqlalchemy.dialects.postgresql import array, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import InvariantViolated, Kind, Rejected
from domain.linked_lines import Addition
from domain.stock import Place
from domain.units import Packaging, ProductUnits, unpacked
from postgres.statements import Query
from records.inventory import places
from records.tables import PACKAGINGS_GTINS, location, product, product_gtin


class Written(Enum):
    """What writing a row of the catalog came to."""

    NEW = "new"
    SAME = "same"
    CHANGED = "changed"


@dataclass(frozen=True)
class ProductRow:
    """A product as it is stored: `packagings` and `adds` are as they were said."""

    tenant: str
    sku: str
    name: str | None
    description: str
    category: str | None
    base_uom: str
    gtin: str | None
    packagings: list[dict[str, Any]]
    tracking: str
    allocation_policy: str
    adds: list[dict[str, Any]]
    kit: bool
    shelf_life_days: int | None
    weight_g: int | None
    length_mm: int | None
    width_mm: int | None
    height_mm: int | None


@dataclass(frozen=True)
class LocationRow:
    """A location as it is stored: `capacity` and `address` are as they were said."""

    tenant: str
    location_id: str
    site: str
    parent: str | None
    type: str
    capacity: dict[str, Any] | None
    time_zone: str | None
    address: dict[str, Any] | None
    receipts_without_order: bool


_Row = TypeVar("_Row", ProductRow, LocationRow)

Check = Callable[[_Row], Awaitable[None]]
"""Looks at a row as it is stored, locked, and raises where it may not become what is asked for."""


@dataclass(frozen=True)
class CountedAs:
    """What a sku is counted in."""

    sku: str
    base_uom: str
    tracking: str
    is_kit: bool


@dataclass(frozen=True)
class Product:
    """What the checks of a command must know of a sku."""

    sku: str
    tracking: str
    units: ProductUnits
    allocation_policy: str
    additions: tuple[Addition, ...]
    is_kit: bool
    shelf_life_days: int | None = None


@dataclass(frozen=True)
class Location:
    """What the checks of a command must know of a location."""

    location_id: str
    site: str
    type: str
    limited_by: tuple[str, ...] = ()

    @property
    def place(self) -> Place:
        """The location as the ledger sees it."""
        return places.place(self.location_id, self.site, self.type, self.limited_by)


# -- products --------------------------------------------------------------------------------------------------------


_PRODUCTS: Final = Query(
    "select sku, tracking, base_uom, packagings, allocation_policy, adds, kit, shelf_life_days from records.product "
    "where tenant = %(tenant)s and sku = any(%(skus)s)"
)
# Who changes what a sku is counted in locks its row, and looks for stock, demand and so on under that lock.
_UNITS: Final = Query(
    "select sku, base_uom, tracking, kit from records.product "
    "where tenant = %(tenant)s and sku = any(%(skus)s) order by sku for share"
)
_WEIGHTS: Final = Query(
    "select sku, weight_g from records.product "
    "where tenant = %(tenant)s and sku = any(%(skus)s) and weight_g is not null"
)


async def products(connection: AsyncConnection, tenant: str, skus: Collection[str]) -> dict[str, Product]:
    """Return those of the skus that are in the catalog."""
    if not skus:
        return {}
    found = await _PRODUCTS.rows(connection, tenant=tenant, skus=sorted(skus))
    return {row[0]: product_of(*row) for row in found}


async def hold_units(connection: AsyncConnection, tenant: str, skus: Collection[str]) -> list[CountedAs]:
    """Let nobody change what these skus are counted in until the transaction ends. Returns what that is."""
    return [CountedAs(*row) for row in await _UNITS.rows(connection, tenant=tenant, skus=sorted(skus))]


async def insist_on_units(connection: AsyncConnection, tenant: str, known: Mapping[str, Product]) -> None:
    """Hold what skus are counted in. Raises `Rejected` with code `product_changed` where they were read otherwise."""
    for now in await hold_units(connection, tenant, known):
        product = known[now.sku]
        if now != CountedAs(now.sku, product.units.base_uom, product.tracking, product.is_kit):
            detail = f"What {now.sku} is counted in was changed meanwhile. Ask again."
            raise Rejected("product_changed", detail, kind=Kind.CONFLICT)


def product_of(
    sku: str,
    tracking: str,
    base_uom: str,
    packagings: list[dict[str, Any]],
    allocation_policy: str,
    adds: list[dict[str, Any]],
    kit: bool,
    shelf_life_days: int | None = None,
) -> Product:
    """Read what is needed of a product's row."""
    units = ProductUnits(sku, base_uom, base_units(base_uom, packagings))
    additions = tuple(Addition.of_row(rule) for rule in adds)
    return Product(sku, tracking, units, allocation_policy, additions, kit, shelf_life_days)


def base_units(base_uom: str, packagings: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many base units each unit of a product's row holds."""
    return unpacked(base_uom, (Packaging(p["uom"], int(p["factor"]), p.get("of")) for p in packagings))


async def weights(connection: AsyncConnection, tenant: str, skus: Collection[str]) -> dict[str, int]:
    """Return what a base unit of each of the skus weighs in grams, where the catalog knows."""
    return dict(await _WEIGHTS.rows(connection, tenant=tenant, skus=sorted(skus)))


async def lock_rules(connection: AsyncConnection, tenant: str) -> None:
    """Let one at a time change what a tenant's products add, so that no two changes make a chain together."""
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"rules/{tenant}"))))


async def adding(connection: AsyncConnection, tenant: str, sku: str) -> str | None:
    """Return a product whose rules add this one."""
    query = select(product.c.sku).where(product.c.tenant == tenant, product.c.adds.contains([{"sku": sku}])).limit(1)
    return (await connection.execute(query)).scalar_one_or_none()


async def write_product(connection: AsyncConnection, row: ProductRow, check: Check[ProductRow]) -> Written:
    """Write a product as it should be now."""
    return await _write(connection, product, ("tenant", "sku"), row, check)


async def gtins_of(connection: AsyncConnection, tenant: str, sku: str) -> set[tuple[str, str]]:
    """Return the GTINs of a product, in 14 digits, each with the unit that it names."""
    return set(await _GTINS.rows(connection, tenant=tenant, sku=sku))


_GTINS: Final = Query("select gtin, uom from records.product_gtin where tenant = %(tenant)s and sku = %(sku)s")


async def named_by(
    connection: AsyncConnection, tenant: str, sku: str, gtins: Collection[str]
) -> dict[str, tuple[str, str]]:
    """Return what GTINs name of other skus: sku and unit."""
    rows = await _NAMED_BY.rows(connection, tenant=tenant, sku=sku, gtins=sorted(gtins)) if gtins else []
    return {gtin: (other, uom) for gtin, other, uom in rows}


_NAMED_BY: Final = Query(
    "select gtin, sku, uom from records.product_gtin "
    "where tenant = %(tenant)s and gtin = any(%(gtins)s) and sku <> %(sku)s order by doubled desc"
)


async def get_product(connection: AsyncConnection, tenant: str, sku: str) -> ProductRow | None:
    """Return a product."""
    query = select(*_columns(product, ProductRow)).where(product.c.tenant == tenant, product.c.sku == sku)
    found = (await connection.execute(query)).one_or_none()
    return ProductRow(*found) if found else None


async def list_products(
    connection: AsyncConnection, tenant: str, gtins: Sequence[str], after: str, limit: int, *, doubled: bool = False
) -> list[ProductRow]:
    """Return products by sku, from the one after `after`; with `gtins`, those that have one of them.

    With `doubled`, those that have one which another packaging has, too.
    """
    query = select(*_columns(product, ProductRow)).where(product.c.tenant == tenant, product.c.sku > after)
    if gtins:
        packed = PACKAGINGS_GTINS.op("?|")(array(gtins))
        query = query.where(or_(product.c.gtin.in_(gtins), packed))
    if doubled:
        query = query.where(product.c.sku.in_(_skus_with_doubled_gtins(tenant)))
    return [ProductRow(*row) for row in await connection.execute(query.order_by(product.c.sku).limit(limit))]


def _skus_with_doubled_gtins(tenant: str) -> Select[tuple[str]]:
    twice = select(product_gtin.c.gtin).where(product_gtin.c.tenant == tenant, product_gtin.c.doubled)
    return select(product_gtin.c.sku).where(product_gtin.c.tenant == tenant, product_gtin.c.gtin.in_(twice))


# -- locations -------------------------------------------------------------------------------------------------------


async def locations(connection: AsyncConnection, tenant: str, location_ids: Collection[str]) -> dict[str, Location]:
    """Return those of the locations that exist."""
    if not location_ids:
        return {}
    found = await places.PLACES.rows(connection, tenant=tenant, location_ids=sorted(location_ids))
    return {name: Location(name, site, type_, tuple(limited_by)) for name, site, type_, limited_by in found}


_SITES: Final = text(
    """
    select location_id, exists (
      select from records.location s where s.tenant = :tenant and s.site = l.location_id and s.type = 'staging'
    )
    from records.location l where tenant = :tenant and type = 'site' and location_id = any(:sites)
    """
)


async def sites_with_staging(connection: AsyncConnection, tenant: str, sites: Collection[str]) -> dict[str, bool]:
    """Return those of the sites that exist, each with whether it has a staging location."""
    found = await connection.execute(_SITES, {"tenant": tenant, "sites": sorted(sites)})
    return {site: bool(staged) for site, staged in found}


async def takes_without_order(connection: AsyncConnection, tenant: str, site: str) -> bool:
    """Say whether a site takes goods in that no purchase order names."""
    row = await _WITHOUT_ORDER.row(connection, tenant=tenant, site=site)
    return row is not None and row[0]


_WITHOUT_ORDER: Final = Query(
    "select receipts_without_order from records.location where tenant = %(tenant)s and location_id = %(site)s"
)


async def subtree(connection: AsyncConnection, tenant: str, location_id: str) -> list[str]:
    """Return a location and all below it. Below a site is all that is in it."""
    site = select(location.c.location_id).where(location.c.tenant == tenant, location.c.site == location_id)
    tree = (
        select(location.c.location_id)
        .where(location.c.tenant == tenant, location.c.location_id == location_id)
        .cte("tree", recursive=True)
    )
    below = select(location.c.location_id).where(location.c.tenant == tenant, location.c.parent == tree.c.location_id)
    tree = tree.union(below)
    query = select(tree.c.location_id).union(site)
    return list((await connection.execute(query)).scalars())


async def is_below(connection: AsyncConnection, tenant: str, location_id: str, ancestor: str) -> bool:
    """Say whether a location is another one, or lies below it."""
    up = (
        select(location.c.location_id, location.c.parent)
        .where(location.c.tenant == tenant, location.c.location_id == location_id)
        .cte("up", recursive=True)
    )
    above = select(location.c.location_id, location.c.parent).where(
        location.c.tenant == tenant, location.c.location_id == up.c.parent
    )
    up = up.union(above)
    found = await connection.execute(select(literal(1)).where(up.c.location_id == ancestor))
    return found.first() is not None


async def lock_tree(connection: AsyncConnection, tenant: str) -> None:
    """Let one at a time change a tenant's tree, so that no two changes make a circle together."""
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"location/{tenant}"))))


async def write_location(connection: AsyncConnection, row: LocationRow, check: Check[LocationRow]) -> Written:
    """Write a location as it should be now."""
    return await _write(connection, location, ("tenant", "location_id"), row, check)


async def get_location(connection: AsyncConnection, tenant: str, location_id: str) -> LocationRow | None:
    """Return a location."""
    one = location.c.tenant == tenant, location.c.location_id == location_id
    found = (await connection.execute(select(*_columns(location, LocationRow)).where(*one))).one_or_none()
    return LocationRow(*found) if found else None


async def list_locations(
    connection: AsyncConnection, tenant: str, site: str | None, after: str, limit: int
) -> list[LocationRow]:
    """Return locations by id, from the one after `after`, of a site or of all."""
    further = location.c.tenant == tenant, location.c.location_id > after
    query = select(*_columns(location, LocationRow)).where(*further)
    if site is not None:
        query = query.where(location.c.site == site)
    found = await connection.execute(query.order_by(location.c.location_id).limit(limit))
    return [LocationRow(*row) for row in found]


# -- both ------------------------------------------------------------------------------------------------------------


async def _write(
    connection: AsyncConnection, table: Table, key: tuple[str, ...], row: _Row, check: Check[_Row]
) -> Written:
    """Insert a row, or bring the one with its key to it, unless the check refuses that."""
    fields = vars(row)
    written = await connection.execute(insert(table).values(**fields).on_conflict_do_nothing().returning(*table.c))
    if written.first() is not None:
        return Written.NEW
    its_key = [table.c[name] == fields[name] for name in key]
    stored = select(*_columns(table, type(row))).where(*its_key).with_for_update()
    found = (await connection.execute(stored)).one_or_none()
    if found is None:
        raise InvariantViolated(f"a row of {table.name} is neither new nor known")
    known = type(row)(*found)
    if known == row:
        return Written.SAME
    await check(known)
    await connection.execute(update(table).where(*its_key).values(**fields, updated_at=func.clock_timestamp()))
    return Written.CHANGED


def _columns(table: Table, row: type[ProductRow | LocationRow]) -> list[Column[Any]]:
    return [table.c[name] for name in row.__dataclass_fields__]
