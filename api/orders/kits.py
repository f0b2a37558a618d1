"""Kits in an order. Their main lines hold nothing: they are what their components come to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from api.orders.order_lookup import FoundOrder
from commands.resolving import Faults
from domain.linked_lines import Component, Proportion, kit_quantities, main_line_of
from domain.orders import OrderLine
from domain.said import Part
from records import catalog
from records.orders import order_reads

Told = Mapping[str, Any]
"""What the latest revision of an order says of its `kits`, and of what is `linked`."""


def kit_lines(told: Told, lines: Collection[OrderLine]) -> Iterator[dict[str, Any]]:
    """Yield the lines of an order's kits as a view shows lines."""
    for kit in told.get("kits") or ():
        yield {
            **{name: kit[name] for name in ("line_no", "sku", "site", "uom", "factor")},
            **kit_quantities(kit["ordered"], _components(told, lines, kit["line_no"])),
        }


def _components(told: Told, lines: Collection[OrderLine], line_no: int) -> list[Component]:
    proportions = {x["line_no"]: Proportion(x["quantity"], x["per"]) for x in told.get("linked") or ()}
    return [
        (line, proportions[line.line_no])
        for line in lines
        if line.ordered and line.line_no in proportions and main_line_of(line.line_no) == line_no
    ]


async def kit_factors(connection: AsyncConnection, tenant: str, order_ref: str) -> dict[tuple[int, str, str], int]:
    """Return how many base units the kits of an order were accepted with, by line, sku and unit."""
    told = (await order_reads.contents(connection, tenant, [order_ref])).get(order_ref, {})
    return {(kit["line_no"], kit["sku"], kit["uom"]): kit["factor"] for kit in told.get("kits") or ()}


async def component_to_cancel(
    connection: AsyncConnection,
    order: FoundOrder,
    told: Told,
    lines: Collection[OrderLine],
    faults: Faults,
    part: Part,
) -> dict[str, Any] | None:
    """Return what cancelling a kit's line means of the component of which most is left: the others follow it.

    None where the line is not of a kit.
    """
    kit = next((kit for kit in told.get("kits") or () if kit["line_no"] == part.get("line_no")), None)
    components = _components(told, lines, kit["line_no"]) if kit else []
    if kit is None or not components:
        return None
    product = (await catalog.products(connection, order.tenant, [kit["sku"]]))[kit["sku"]]
    factor = kit["factor"] if part.get("uom") == kit["uom"] else None
    kits = faults.base_units(part, product, factor=factor)
    line, proportion = max(components, key=lambda found: found[0].unshipped // found[1].quantity)
    quantity = None if kits is None else proportion.of(kits)
    return {"line_no": line.line_no, "sku": line.sku, "site": line.site, "quantity": quantity}


async def told_of(connection: AsyncConnection, order: FoundOrder) -> Told:
    """Return what an order's latest revision says."""
    if order.row is None:
        return order.push.payload if order.push else {}
    return (await order_reads.contents(connection, order.tenant, [order.order_ref])).get(order.order_ref, {})
