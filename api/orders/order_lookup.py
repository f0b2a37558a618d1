"""Which order a number means: the key's own source's; with a key of no source the only match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Path, Query
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door.auth import Caller
from domain.commands import Key, OrderNo
from domain.errors import Conflict, Rejected
from domain.orders import OrderLine
from domain.refusals import not_found
from ledger.reads.balances import order_lines
from records.access import api_keys
from records.access.api_keys import ApiKey
from records.orders import order_reads
from records.orders.order_reads import Said
from records.orders.orders import OrderRow


@dataclass(frozen=True)
class FoundOrder:
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
        payload = self.push.payload if self.push else {}
        return [self._asked(line, payload) for line in payload.get("resolved", ())]

    def _asked(self, line: dict[str, Any], payload: dict[str, Any]) -> OrderLine:
        return OrderLine(
            tenant=self.tenant,
            order_ref=self.order_ref,
            priority=payload["priority"],
            shortage_policy=payload["shortage_policy"],
            **line,
        )


@dataclass(frozen=True)
class NamedOrder:
    """An order as the address names it."""

    caller: ApiKey
    order_no: str
    source: str | None

    async def find(self, connection: AsyncConnection) -> FoundOrder:
        """Return the order. Raises `Rejected`: `not_found`, or `ambiguous_order` naming the sources."""
        tenant = self.caller.tenant
        names = await self._names(connection)
        accepted = await order_reads.find(connection, tenant, list(names))
        missing = [name for name in names if name not in accepted]
        pushes = await order_reads.first_pushes(connection, tenant, missing) if missing else {}
        found = [*accepted, *pushes]
        if not found:
            raise not_found(f"order {self.order_no}")
        if len(found) > 1:
            sources = ", ".join(sorted(names[name] for name in found))
            detail = f"{self.order_no} is an order of several sources: {sources}. Name one with ?source=."
            raise Conflict(detail, code="ambiguous_order")
        (name,) = found
        return FoundOrder(tenant, name, self.order_no, names[name], accepted.get(name), pushes.get(name))

    async def _names(self, connection: AsyncConnection) -> dict[str, str]:
        """Return the names that the order can have, each with its source."""
        own = self.caller.source
        if own is not None:
            if self.source not in {None, own}:
                raise Rejected("forbidden", f"The key speaks for {own} only.", status=403)
            return {self.caller.order_ref(self.order_no): own}
        names = await api_keys.names_of(connection, self.caller.tenant, self.order_no)
        return {name: source for name, source in names.items() if self.source in {None, source}}


async def named_order(
    caller: Caller,
    order_no: Annotated[OrderNo, Path(description="The ERP's own number of the order")],
    source: Annotated[Key | None, Query(description="The ERP, for a key that speaks for none")] = None,
) -> NamedOrder:
    """Return the order that the address names."""
    return NamedOrder(caller, order_no, source)


OrderAt = Annotated[NamedOrder, Depends(named_order)]
