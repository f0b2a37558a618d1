"""Which order a number means: the only one that was accepted, or pushed, of the names that it may have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import Conflict, InvariantViolated
from domain.messages import OfOrder
from domain.orders import OrderLine
from domain.payloads import KeptPush
from domain.refusals import not_found
from domain.revisions import Revision
from domain.wanted_lines import WantedLine
from ledger.reads.balances import order_lines
from records.orders import order_reads
from records.orders.order_reads import Said
from records.orders.orders import OrderRow


@dataclass(frozen=True)
class FoundOrder(OfOrder):
    """An order that was accepted (`row`), or whose first push is not accepted yet, or was refused (`push`)."""

    tenant: str
    order_ref: str
    order_no: str
    source: str
    row: OrderRow | None
    push: Said | None

    async def lines(self, connection: AsyncConnection) -> list[OrderLine]:
        """Return the order's lines; those that are asked for, while it is not accepted."""
        if self.row is not None:
            return (await order_lines(connection, self.tenant, [self.order_ref])).get(self.order_ref, [])
        pushed = self.pushed
        return [self._asked(line, pushed) for line in pushed.resolved]

    def _asked(self, line: WantedLine, pushed: KeptPush) -> OrderLine:
        return OrderLine(
            tenant=self.tenant,
            order_ref=self.order_ref,
            priority=pushed.priority,
            shortage_policy=pushed.shortage_policy,
            **vars(line),
        )

    @property
    def pushed(self) -> KeptPush:
        """Return what was pushed of an order that is not accepted."""
        push = self.push.push if self.push else None
        if push is None:
            raise InvariantViolated(f"{self.order_ref} was found, but was never pushed")
        return push

    async def revision(self, connection: AsyncConnection) -> Revision:
        """Return what its latest revision says; the push, while it is not accepted."""
        if self.row is not None:
            return await order_reads.revision(connection, self.order)
        return Revision(self.push.payload if self.push else {})


async def find_order(connection: AsyncConnection, tenant: str, order_no: str, names: Mapping[str, str]) -> FoundOrder:
    """Return the order that a number means; `names` are those that it may have, each with its source.

    Raises `Rejected`: `not_found`, or `ambiguous_order` naming the sources.
    """
    accepted = await order_reads.find(connection, tenant, list(names))
    missing = [name for name in names if name not in accepted]
    pushes = await order_reads.first_pushes(connection, tenant, missing) if missing else {}
    found = [*accepted, *pushes]
    if not found:
        raise not_found(f"order {order_no}")
    if len(found) > 1:
        sources = ", ".join(sorted(names[name] for name in found))
        detail = f"{order_no} is an order of several sources: {sources}. Name one with ?source=."
        raise Conflict(detail, code="ambiguous_order")
    (name,) = found
    return FoundOrder(tenant, name, order_no, names[name], accepted.get(name), pushes.get(name))
