"""Which order a number means: the key's own source's; with a key of no source the only match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Query
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door.auth import Caller
from domain.commands import Key, OrderNo
from domain.errors import Kind, Rejected
from queries.orders.order_lookup import FoundOrder, find_order
from records.access import api_keys
from records.access.api_keys import ApiKey


@dataclass(frozen=True)
class NamedOrder:
    """An order as the address names it."""

    caller: ApiKey
    order_no: str
    source: str | None

    async def find(self, connection: AsyncConnection) -> FoundOrder:
        """Return the order. Raises `Rejected`: `not_found`, or `ambiguous_order` naming the sources."""
        return await find_order(connection, self.caller.tenant, self.order_no, await self._names(connection))

    async def _names(self, connection: AsyncConnection) -> dict[str, str]:
        """Return the names that the order can have, each with its source."""
        own = self.caller.source
        if own is not None:
            if self.source not in {None, own}:
                raise Rejected("forbidden", f"The key speaks for {own} only.", kind=Kind.FORBIDDEN)
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
