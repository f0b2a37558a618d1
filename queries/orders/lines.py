"""An order's lines as they are shown: those of the ledger, and kits, which are what their components come to."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.commands import Money
from domain.linked_lines import kit_quantities, main_line_of
from domain.messages import OrderId
from domain.orders import OrderLine
from domain.revisions import Kit, Revision
from records.orders import order_reads


@dataclass(frozen=True)
class LineShown:
    """An order line: what is wanted, and where each unit of it is, in base units."""

    line_no: int
    main_line_no: int | None
    sku: str
    site: str
    lot: str | None
    uom: str
    factor: int
    unit_price: Money | None
    ordered: int
    reserved: int
    backordered: int
    picked: int
    to_put_back: int
    shipped: int
    delivered: int
    returned: int
    cancelled: int


def shown_lines(lines: Collection[OrderLine], revision: Revision) -> list[LineShown]:
    """Return lines by number, each before those that it brought along.

    What a line was before its sku or site changed is shown only while it holds something.
    """
    wanted = {line.line_no for line in lines if line.ordered}
    kept = (line for line in lines if line.ordered or line.to_put_back or line.line_no not in wanted)
    shown = [*(_line(line, revision) for line in kept), *(_kit(kit, lines, revision) for kit in revision.kits)]
    return sorted(shown, key=lambda line: (line.main_line_no or line.line_no, line.line_no, line.ordered > 0))


def _line(line: OrderLine, revision: Revision) -> LineShown:
    return LineShown(
        line_no=line.line_no,
        main_line_no=main_line_of(line.line_no),
        sku=line.sku,
        site=line.site,
        lot=line.lot or None,
        uom=line.uom,
        factor=line.factor,
        unit_price=revision.price(line.line_no, line.sku),
        **line.quantities(),
    )


def _kit(kit: Kit, lines: Collection[OrderLine], revision: Revision) -> LineShown:
    return LineShown(
        line_no=kit.line_no,
        main_line_no=None,
        sku=kit.sku,
        site=kit.site,
        lot=None,
        uom=kit.uom,
        factor=kit.factor,
        unit_price=revision.price(kit.line_no, kit.sku),
        **kit_quantities(kit.ordered, revision.components(kit.line_no, lines)),
    )


LineUnit = tuple[int, str, str]
"""A line as a push names it: its number, its sku, the unit that it is in."""


async def frozen_factors(
    connection: AsyncConnection, order: OrderId, lines: Iterable[OrderLine], *, with_kits: bool
) -> dict[LineUnit, int]:
    """Return how many base units the units of an order's lines were accepted with."""
    factors = {(line.line_no, line.sku, line.uom): line.factor for line in lines if line.ordered}
    if with_kits:
        revision = await order_reads.revision(connection, order)
        factors |= {(kit.line_no, kit.sku, kit.uom): kit.factor for kit in revision.kits}
    return factors
