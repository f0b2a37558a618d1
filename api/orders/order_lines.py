"""What a command says of an order's lines: of which there are, how much, and which goods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from api.orders.command_endpoint import Resolved, Resolver
from commands.resolving import Faults, Known, Rank, read_known, resolve_line
from domain.said import Part
from queries.orders.order_lookup import FoundOrder

Line = dict[str, Any]


def named_lines(rank: Rank) -> Resolver:
    """Resolve lines whose goods may be named; whether they must be is seen when they are decided."""
    return _each(lambda faults, line, known, _command: named_line(faults, line, known, rank))


def picked_lines(rank: Rank) -> Resolver:
    """Resolve lines that came from a shelf, with the serial numbers of each unit. A short pick may have found none."""

    def picked(faults: Faults, part: Part, known: Known, command: Part) -> Line | None:
        line = resolve_line(faults, part, known, rank, zero_allowed=command.get("short") is True)
        if line is not None:
            faults.serials(part, known.products[line["sku"]], line["quantity"])
        return line

    return _each(picked)


def named_line(faults: Faults, part: Part, known: Known, rank: Rank) -> Line | None:
    """Resolve a line whose goods may be named."""
    line = resolve_line(faults, part, known, rank)
    if line is not None:
        faults.named_serials(part, known.products[line["sku"]], line["quantity"])
    return line


def _each(resolved: Callable[[Faults, Part, Known, Part], Line | None]) -> Resolver:
    """Resolve each line of a command, with the command beside it."""

    async def resolve(connection: AsyncConnection, order: FoundOrder, command: Part) -> Resolved:
        faults = Faults()
        parts = list(command.parts("lines"))
        known = await read_known(connection, order.tenant, await order.lines(connection), parts)
        return faults.found, {"resolved": [resolved(faults, line, known, command) for line in parts]}

    return resolve
