"""Why what a sku is counted in can't change: numbers in the old unit are around, and would mean something else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import Fault, Kind, Rejected
from domain.orders import order_no_of
from domain.refusals import pointer
from ledger.reads.in_use import InUse, goods_of
from records.inbound import purchase_orders
from records.orders import order_reads


async def insist_on_no_use(connection: AsyncConnection, tenant: str, sku: str, changed: Sequence[str]) -> None:
    """Refuse to change fields of a product while there is stock, demand, or a delivery to come, and say which.

    Its row is locked: who is about to make some waits for that, and then looks at the product again. To make it a kit,
    or none, only stock is in the way: what is still to come of it is refused then.
    """
    at = pointer([changed[0]])
    goods = await goods_of(connection, tenant, sku)
    faults = list(_of_stock(at, goods))
    if changed != ["kit"]:
        faults += _of_orders(at, await order_reads.open_orders_of(connection, tenant, sku))
        faults += _of_supplies(at, await purchase_orders.expecting(connection, tenant, sku))
        faults += _of_customers(at, goods.customers)
    if faults:
        words = "; ".join(fault.detail for fault in faults)
        raise Rejected(
            faults[0].code, f"{sku}: its {' and '.join(changed)} can't change: {words}.", faults, kind=Kind.CONFLICT
        )


def _of_stock(at: str, goods: InUse) -> Iterator[Fault]:
    if goods.on_hand or goods.in_transit:
        yield Fault(at, "has_stock", f"{goods.on_hand} of it are in the house, {goods.in_transit} in transit")
    if goods.reserved:
        yield Fault(at, "is_held", f"{goods.reserved} of it are held for orders")


def _of_orders(at: str, order_refs: Sequence[str]) -> Iterator[Fault]:
    if order_refs:
        yield Fault(at, "has_open_lines", f"open orders ask for it: {_named(order_refs)}")


def _of_supplies(at: str, po_nos: Sequence[str]) -> Iterator[Fault]:
    if po_nos:
        yield Fault(at, "is_expected", f"more of it is expected: {', '.join(po_nos)}")


def _of_customers(at: str, order_refs: Sequence[str]) -> Iterator[Fault]:
    if order_refs:
        yield Fault(at, "with_customers", f"customers have some of it: {_named(order_refs)}")


def _named(order_refs: Sequence[str]) -> str:
    return ", ".join(str(order_no_of(order_ref)) for order_ref in order_refs)
