"""A product as it is said, checked by the catalog, and written. The door brings it, or an ERP has it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from commands.catalog.in_use import insist_on_no_use
from commands.orders.linking import rule_faults
from domain.errors import Fault
from domain.gtin import in_full
from domain.said import Part, Said
from domain.shapes import MOST_IN_A_PACKAGING, Product
from records import catalog
from records.catalog import ProductRow, Written


async def put_product_of(engine: AsyncEngine, tenant: str, said: Said[Product]) -> tuple[ProductRow, Written]:
    """Make a product known, or bring it to what is said. Raises `Rejected` with all that is wrong.

    What it is counted in can't change while there is any of it.
    """
    try:
        return await _put(engine, tenant, said)
    except IntegrityError:  # another product got the same GTIN in between: it is found at the second look
        return await _put(engine, tenant, said)


async def _put(engine: AsyncEngine, tenant: str, said: Said[Product]) -> tuple[ProductRow, Written]:
    async with engine.begin() as connection:
        rules = await rule_faults(connection, tenant, said.part)
        gtins = await _gtin_faults(connection, tenant, said.part)
        body = said.settle([*_packaging_faults(said.part), *gtins, *rules])
        row = ProductRow(tenant=tenant, **body.model_dump(mode="json", by_alias=True))
        return row, await catalog.write_product(connection, row, _checking(connection, row))


async def _gtin_faults(connection: AsyncConnection, tenant: str, part: Part) -> list[Fault]:
    """Say which GTINs name something else already. What a product has, it keeps, though it was doubled before."""
    if not all(map(part.readable, ("sku", "gtin", "base_uom", "packagings"))):
        return []
    told = [(part, part.get("base_uom")), *((each, each.get("uom")) for each in part.parts("packagings"))]
    named = [(of, in_full(gtin), uom) for of, uom in told if (gtin := of.get("gtin")) is not None]
    known = await catalog.gtins_of(connection, tenant, part.get("sku"))
    new = {(gtin, uom) for _, gtin, uom in named} - known
    others = await catalog.named_by(connection, tenant, part.get("sku"), {gtin for gtin, _ in new})
    own: dict[str, tuple[str, str]] = {}
    faults = []
    for of, gtin, uom in named:
        other = others.get(gtin) or own.get(gtin)
        if other and (gtin, uom) in new:
            faults.append(of.fault("gtin", "gtin_taken", "is that of {}, {}".format(*other)))
        own[gtin] = (part.get("sku"), uom)
    return faults


def _packaging_faults(part: Part) -> Iterator[Fault]:
    """Say which packagings are of what is not there, or in a circle, or hold too many base units."""
    if not part.readable("base_uom") or not part.readable("packagings"):
        return
    packagings = list(part.parts("packagings"))
    uoms = {None, part.get("base_uom"), *(packaging.get("uom") for packaging in packagings)}
    unknown = [packaging for packaging in packagings if packaging.get("of") not in uoms]
    for packaging in unknown:
        yield packaging.fault("of", "unknown_uom", f"There is no packaging {packaging.get('of')}")
    held = {} if unknown else catalog.base_units(part.get("base_uom"), [packaging.fields for packaging in packagings])
    for packaging in packagings if held else ():
        if packaging.get("uom") not in held:
            yield packaging.fault("of", "circular_packaging", "leads in a circle, not to the base unit")
        elif (most := held[packaging.get("uom")]) > MOST_IN_A_PACKAGING:
            yield packaging.fault("factor", "packaging_too_large", f"{most} base units are more than can be believed")


def _checking(connection: AsyncConnection, new: ProductRow) -> catalog.Check[ProductRow]:
    async def check(known: ProductRow) -> None:
        changed = [name for name in ("base_uom", "tracking", "kit") if getattr(known, name) != getattr(new, name)]
        if changed:
            await insist_on_no_use(connection, new.tenant, new.sku, changed)

    return check
