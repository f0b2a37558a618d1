"""What a command says of an order's lines: of which there are, how much, and which goods."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from api.orders.command_endpoint import Resolved, Resolver
from commands.resolving import Faults, Known, Rank, read_known, resolve_line
from domain.said import Part
from queries.orders.order_lookup import FoundOrder


def named_lines(rank: Rank) -> Resolver:
    """Resolve lines whose goods may be named; whether they must be is seen when they are decided."""

    async def resolve(connection: AsyncConnection, order: FoundOrder, part: Part) -> Resolved:
        faults = Faults()
        parts = list(part.parts("lines"))
        known = await read_known(connection, order.tenant, await order.lines(connection), parts)
        return faults.found, {"resolved": [named_line(faults, line, known, rank) for line in parts]}

    return resolve


def named_line(faults: Faults, part: Part, known: Known, rank: Rank) -> dict[str, Any] | None:
    """Resolve a line whose goods may be named."""
    line = resolve_line(faults, part, known, rank)
    if line is not None:
        faults.named_serials(part, known.products[line["sku"]], line["quantity"])
    return line


def picked_lines(rank: Rank) -> Resolver:
    """Resolve lines that came from a shelf, with the serial numbers of each unit. A short pick may have found none."""

    async def resolve(connection: AsyncConnection, order: FoundOrder, part: Part) -> Resolved:
        faults = Faults()
        parts = list(part.parts("lines"))
        known = await read_known(connection, order.tenant, await order.lines(connection), parts)
        short = part.get("short") is True
        resolved = [_with_serials(faults, line, known, rank, zero_allowed=short) for line in parts]
        return faults.found, {"resolved": resolved}

    return resolve


def _with_serials(faults: Faults, part: Part, known: Known, rank: Rank, *, zero_allowed: bool) -> dict[str, Any] | None:
    line = resolve_line(faults, part, known, rank, zero_allowed=zero_allowed)
    if line is not None:
        faults.serials(part, known.products[line["sku"]], line["quantity"])
    return line
