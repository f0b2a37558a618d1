"""Another address than the ERP's, as a person says: it stands until a revision changes the address last pushed."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import read_lines
from commands.orders.relabeling import check_is_here
from commands.shipping import repack
from domain.errors import Kind, Rejected
from domain.payloads import KeptAct
from records import people
from records.orders import orders
from records.orders.inbox import InboxRow
from records.orders.orders import OrderRow


async def use_address(connection: AsyncConnection, row: InboxRow[KeptAct], order: OrderRow) -> None:
    """Send an order to an address that was stored for it; what is labeled and has not left is labeled anew."""
    address_id = _address_id(row)
    if not await people.is_of_order(connection, row.order, address_id):
        raise Rejected("unknown_address", f"No address {address_id} is stored for the order.", kind=Kind.UNKNOWN)
    if await people.read_the_same(connection, row.tenant, order.address_id, address_id):
        return
    await check_is_here(connection, row, ["address_id"])
    await orders.set_fields(connection, row.order, address_id=address_id)
    lines = await read_lines(connection, row.order)
    await repack.fit(connection, row.order, lines, lines, relabel=True)


def _address_id(row: InboxRow[KeptAct]) -> UUID:
    told = row.payload.address_id
    try:
        return UUID(told or "")
    except ValueError:
        raise Rejected("unknown_address", f"{told!r} names no address.", kind=Kind.UNKNOWN) from None
