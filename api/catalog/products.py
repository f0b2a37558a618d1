"""Products: what can be ordered and counted."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Path, Query, Response
from pydantic import BaseModel

from api.door import examples
from api.door.auth import Caller, behind_the_door
from api.door.created import created
from api.door.openapi import REFUSALS, same_again
from api.door.paging import Cursor, Limit, Page, cut, position
from api.door.request_body import Said
from api.door.services import Services
from commands.catalog.products import put_product_of
from domain.commands import Key
from domain.gtin import spellings
from domain.refusals import not_found
from domain.shapes import Addition, Gtin, Packaging, Product
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
    row, written = await put_product_of(services.engine, caller.tenant, said)
    response.status_code = created(is_new=written is Written.NEW)
    return _view(row)


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
