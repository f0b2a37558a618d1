"""Products: what can be ordered and counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import Body, Path, Query, Response
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from api.catalog.in_use import insist_on_no_use
from api.door import examples
from api.door.auth import Caller, behind_the_door
from api.door.created import created
from api.door.openapi import REFUSALS, same_again
from api.door.paging import Cursor, Limit, Page, cut, position
from api.door.request_body import Said
from api.door.services import ApiServices, Services
from commands.orders.linking import rule_faults
from domain.commands import Key
from domain.errors import Fault
from domain.gtin import in_full, spellings
from domain.refusals import not_found
from domain.said import Part
from domain.shapes import MOST_IN_A_PACKAGING, Addition, Gtin, Packaging, Product
from records import catalog
from records.catalog import ProductRow, Written

router = behind_the_door("/api/products", "master data")


class ProductView(BaseModel):
    """A product as it is now."""

    sku: str
    name: str | None
    description: str
    category: str | None
    base_uom: str
    gtin: str | None
    packagings: list[Packaging]
    tracking: str
    allocation_policy: str
    adds: list[Addition]
    kit: bool
    shelf_life_days: int | None
    weight_g: int | None
    length_mm: int | None
    width_mm: int | None
    height_mm: int | None


@router.post("", status_code=201, responses=same_again(ProductView))
async def put_product(
    services: Services,
    caller: Caller,
    response: Response,
    said: Annotated[Said[Product], Body(examples=[examples.PRODUCT, examples.WITH_A_GIFT, examples.KIT])],
) -> ProductView:
    """Make a product known, or bring it to this.

    What it is counted in (`base_uom`, `tracking`, `kit`) can't change while there is stock or an open order of it, more
    is expected, or a customer has some.
    """
    try:
        row, written = await _put(services, caller.tenant, said)
    except IntegrityError:  # another product got the same GTIN in between: it is found at the second look
        row, written = await _put(services, caller.tenant, said)
    response.status_code = created(is_new=written is Written.NEW)
    return _view(row)


async def _put(services: ApiServices, tenant: str, said: Said[Product]) -> tuple[ProductRow, Written]:
    async with services.engine.begin() as connection:
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


@router.get("", responses=REFUSALS)
async def list_products(
    services: Services,
    caller: Caller,
    gtin: Annotated[Gtin | None, Query(description="What a scanner read: of the base unit, or of a packaging")] = None,
    gtin_doubled: Annotated[
        bool, Query(description="Only those with a GTIN that another packaging has, from before that was refused")
    ] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ProductView]:
    """List products by sku; by a GTIN, those that have it, with leading zeros or without."""
    after = position(cursor, 1) or [""]
    gtins = spellings(gtin) if gtin else []
    async with services.reading() as connection:
        rows = await catalog.list_products(connection, caller.tenant, gtins, after[0], limit + 1, doubled=gtin_doubled)
    items, following = cut(rows, limit, lambda row: [row.sku])
    return Page(items=[_view(row) for row in items], next=following)


@router.get("/{sku}", responses=REFUSALS)
async def get_product(services: Services, caller: Caller, sku: Annotated[Key, Path()]) -> ProductView:
    """Return a product."""
    async with services.reading() as connection:
        row = await catalog.get_product(connection, caller.tenant, sku)
    if row is None:
        raise not_found(f"product {sku}")
    return _view(row)


def _view(row: ProductRow) -> ProductView:
    return ProductView.model_validate(vars(row))
