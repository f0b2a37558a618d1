"""What goes through a connection is switched, with a reason."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.connections.context import By, Shown, shown
from domain.connections import ConnectionSwitch, Flow, check_switch
from domain.errors import Kind, Rejected
from records.access import connections
from records.access.connections import Named


async def switch(connection: AsyncConnection, named: Named, wanted: ConnectionSwitch, by: By) -> Shown:
    """Switch a connection. One that is so already stays as it is, with the reason that it has.

    Raises `Rejected` where a step is left out, or it was not added yet.
    """
    await connections.lock(connection, named.tenant)
    now = await connections.get(connection, named)
    if now.flow is wanted.flow:
        return await shown(connection, named)
    if now.adapter is None:
        raise Rejected("not_added", f"The connection {named} is an older build's: add it first.", kind=Kind.CONFLICT)
    check_switch(now.flow, now.before_off, wanted.flow)
    is_off = wanted.flow is Flow.OFF
    await connections.change(
        connection,
        named,
        flow=wanted.flow.value,
        off_reason=wanted.reason if is_off else None,
        before_off=now.flow.value if is_off else None,
    )
    told = {"before": now.flow.value, "flow": wanted.flow.value}
    await connections.note(connection, named, "switched", by.actor, by.key, wanted.reason, **told)
    return await shown(connection, named)
