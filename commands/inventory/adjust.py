"""The ledger is corrected by a count or a known difference."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext
from commands.posting import Answer, Keyed, Posted, anew, counted_in, once, said_by, why
from commands.resolving import Faults, named, stocked_product
from commands.times import time_faults
from domain.errors import Fault, Rejected
from domain.reasons import code_of
from domain.said import Part, Said
from domain.shapes import Adjustment
from domain.stock import StockStatus, StreamKey
from domain.units import to_base
from ledger.reads.balances import on_hand_at
from ledger.requests import AdjustStock
from ledger.writing.writer import Outcome
from records import catalog
from records.access.api_keys import ApiKey
from records.catalog import Location, Product

_COMPARISONS: Final = 10
"""How often a count is compared while others post at the same place."""


ADJUSTMENT: Final = Keyed[Adjustment](AdjustStock, lambda body: f"adjustment/{body.adjustment_no}")


@dataclass(frozen=True)
class Adjusted(Answer):
    """The difference that was posted, to which bucket, and what is on hand there after it."""

    delta: int
    stream_id: str
    on_hand: int


def adjusted_stream(caller: ApiKey, body: Adjustment, location: Location) -> StreamKey:
    """Name the bucket that is adjusted. Where no status is named and nothing can be available, it is the location's."""
    stream = StreamKey(
        caller.tenant, body.sku, location.place, body.lot or "", body.serial_number or "", body.stock_status
    )
    return stream.as_kept if body.stock_status is StockStatus.AVAILABLE else stream


async def adjust_stock(context: CommandContext, caller: ApiKey, said: Said[Adjustment]) -> Posted:
    """Post an adjustment, once under its number."""
    return await once(context, caller, said, ADJUSTMENT, lambda: _adjust(context, caller, said))


async def _adjust(context: CommandContext, caller: ApiKey, said: Said[Adjustment]) -> Outcome:
    async with context.reading() as connection:
        faults, location, product, quantity = await _resolve_adjustment(connection, caller.tenant, said.part)
        faults += await time_faults(connection, said.part, context.window)
    body = said.settle(faults)
    assert location is not None
    assert product is not None
    assert quantity is not None
    request = AdjustStock(
        **said_by(caller, body),
        key=ADJUSTMENT.key(body),
        occurred_at=body.counted_at or body.occurred_at,
        stream=adjusted_stream(caller, body, location),
        delta=quantity,
        cause=body.reason,
        reason_code=code_of(body.reason),
    )
    return await _post_adjustment(context, body, product, request)


async def _resolve_adjustment(
    connection: AsyncConnection, tenant: str, part: Part
) -> tuple[list[Fault], Location | None, Product | None, int | None]:
    """Return what is wrong with an adjustment by the catalog, where it is, of what, and the count or difference."""
    faults = Faults()
    known = await catalog.locations(connection, tenant, named([part], "location_id"))
    location = faults.stock_location(part, "location_id", known, staging=True)
    faults.kept_as(part, "stock_status", location)
    product = stocked_product(faults, part, await catalog.products(connection, tenant, named([part], "sku")))
    if product is None:
        return faults.found, location, None, None
    faults.lot(part, product)
    if product.tracking == "serial" and part.readable("serial_number") and part.get("serial_number") is None:
        faults.add(part, "serial_number", "serial_count", f"{product.sku} is tracked by serial numbers: name it")
    return faults.found, location, product, _difference(faults, part, product)


def _difference(faults: Faults, part: Part, product: Product) -> int | None:
    """Return the count, which may be zero, or the difference, which may be below it, in base units."""
    name = "counted" if part.get("counted") is not None else "delta"
    said, factor = part.get(name), faults.factor(part, product)
    if said is None or factor is None:
        return None
    negative = name == "delta" and Decimal(said) < 0
    try:
        quantity = to_base(str(said).removeprefix("-") if negative else said, factor, zero_allowed=name == "counted")
    except Rejected as refused:
        faults.add(part, name, refused.code, refused.detail)
        return None
    return -quantity if negative else quantity


async def _post_adjustment(
    context: CommandContext, body: Adjustment, product: Product, request: AdjustStock
) -> Outcome:
    """Post a difference, or a count, which is compared again where something was posted in between."""
    words = why(request.key, request.tenant, body.reason, body.note)
    attachment = counted_in(request.tenant, {product.sku: product}, words)

    async def compare() -> Outcome:
        async with context.reading() as connection:
            there, seq = await on_hand_at(connection, request.stream, request.occurred_at)
        compared = replace(request, delta=request.delta - there, compared_seq=seq)
        return await context.ledger.post(compared, attachment)

    if body.counted is None:
        return await context.ledger.post(request, attachment)
    return await anew("count_overtaken", _COMPARISONS, compare)
