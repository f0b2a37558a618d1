"""Kits in a command: what is said of a kit's line is meant of its components."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.resolving import Faults
from domain.orders import OrderLine
from domain.revisions import Revision
from domain.said import Part
from records import catalog


async def component_to_cancel(
    connection: AsyncConnection,
    tenant: str,
    revision: Revision,
    lines: Collection[OrderLine],
    faults: Faults,
    part: Part,
) -> dict[str, Any] | None:
    """Return what cancelling a kit's line means of the component of which most is left: the others follow it.

    None where the line is not of a kit.
    """
    kit = revision.kit(part.get("line_no"))
    components = revision.components(kit.line_no, lines) if kit else []
    if kit is None or not components:
        return None
    product = (await catalog.products(connection, tenant, [kit.sku]))[kit.sku]
    factor = kit.factor if part.get("uom") == kit.uom else None
    kits = faults.base_units(part, product, factor=factor)
    line, proportion = max(components, key=lambda found: found[0].unshipped // found[1].quantity)
    quantity = None if kits is None else proportion.of(kits)
    return {"line_no": line.line_no, "sku": line.sku, "site": line.site, "quantity": quantity}
