"""What the floor says: lines are picked, or put back."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from activities import parcels
from activities.bookkeeping import cancelled_changes, changes
from activities.desk import (
    Desk,
    accept_alone,
    evidence_of,
    instant,
    open_order,
    quantity_of,
    read_lines,
    read_linked,
)
from activities.messages import OrderId
from domain.orders import OrderLine
from ledger.requests import ConfirmPick, PickedLine, PutBack
from ledger.writer import Attachment, Outcome
from records import count_tasks, inbox, messages, places, shipments
from records.inbox import InboxRow


async def confirm_pick(desk: Desk, row: InboxRow) -> None:
    """Post a pick. One of goods that are known to have left comes too late, and changes nothing."""
    async with desk.reading.connect() as connection:
        picked = await _picked_lines(connection, row)
        inferred = await _was_inferred(connection, row, picked)
        if not inferred:
            await open_order(connection, row)
        staging = tuple([await places.staging_of(connection, row.tenant, s) for s in {x.site for x in picked}])
        short = row.payload.get("short", False)
        lines = await read_lines(connection, row) if short else []
        linked = await read_linked(connection, row) if short else ()
    if inferred:
        await accept_alone(desk, row, "unchanged")
        return
    request = ConfirmPick(
        tenant=row.tenant,
        key=row.key,
        actor=row.actor,
        evidence=evidence_of(row),
        occurred_at=instant(row),
        order_ref=row.order_ref,
        lines=picked,
        staging=staging,
        short=short,
        linked=linked,
    )
    await desk.ledger.post(request, _missed(row, lines) if short else _handled(row))


def _missed(row: InboxRow, former: list[OrderLine]) -> Attachment:
    """Return what accepts a short pick, has counted what was missing, and tells the ERP what was not made up for.

    Parcels may name what is not picked yet: they lose what is held no more.
    """

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        await count_tasks.add(connection, _count_tasks(row, outcome.answer.get("missing", ())))
        lines = await read_lines(connection, row)
        order = OrderId(tenant=row.tenant, order_ref=row.order_ref)
        cancelled = await cancelled_changes(connection, order, former, lines)
        for kind, payload in [*changes("backordered", former, lines), *cancelled]:
            await messages.append(connection, row.tenant, row.order_ref, kind, payload)
        await parcels.fit(connection, order, lines, lines)
        await inbox.accept(connection, row.inbox_id, {"outcome": "done"})

    return attach


def _count_tasks(row: InboxRow, missing: Iterable[dict[str, Any]]) -> list[count_tasks.Row]:
    """Ask for a count of what was missing, one for each line, place and lot."""
    bucket = itemgetter("line_no", "sku", "site", "location_id", "lot")
    buckets = [(of, list(gone)) for of, gone in groupby(sorted(missing, key=bucket), key=bucket)]
    return [
        {
            **{name: gone[0][name] for name in ("line_no", "sku", "site", "location_id", "lot")},
            "tenant": row.tenant,
            "task_no": count_tasks.task_no_of(row.order_ref, row.payload["pick_no"], number),
            "order_ref": row.order_ref,
            "pick_no": row.payload["pick_no"],
            "missing": sum(each["quantity"] for each in gone),
            "serial_numbers": [each["serial_number"] for each in gone if each["serial_number"]],
        }
        for number, (_, gone) in enumerate(buckets, 1)
    ]


async def put_back(desk: Desk, row: InboxRow) -> None:
    """Post that picked lines went back."""
    async with desk.reading.connect() as connection:
        await open_order(connection, row)
        lines = await _picked_lines(connection, row)
    request = PutBack(
        tenant=row.tenant,
        key=row.key,
        actor=row.actor,
        occurred_at=instant(row),
        order_ref=row.order_ref,
        lines=lines,
    )
    await desk.ledger.post(request, _handled(row))


def _handled(row: InboxRow) -> Attachment:
    """Return what accepts a command, once what live parcels are known to hold is in step with what is held now."""

    async def attach(connection: AsyncConnection, _outcome: Outcome) -> None:
        await parcels.name_again(connection, OrderId(tenant=row.tenant, order_ref=row.order_ref))
        await inbox.accept(connection, row.inbox_id, {"outcome": "done"})

    return attach


async def _picked_lines(connection: AsyncConnection, row: InboxRow) -> tuple[PickedLine, ...]:
    return tuple([await _picked_line(connection, row.tenant, line) for line in row.payload["resolved"]])


async def _picked_line(connection: AsyncConnection, tenant: str, line: dict[str, Any]) -> PickedLine:
    location_id = line.get("location_id")
    place = await places.place_of(connection, tenant, location_id) if location_id else None
    return PickedLine(**quantity_of(line), place=place)


async def _was_inferred(connection: AsyncConnection, row: InboxRow, picked: tuple[PickedLine, ...]) -> bool:
    """Say whether a late pick is of goods that a carrier scan proved to have left."""
    if not await shipments.left_unseen(connection, row.tenant, row.order_ref):
        return False
    lines = {line.line_no: line for line in await read_lines(connection, row)}
    return all(
        (line := lines.get(x.line_no)) is not None and line.shipped and (x.quantity or 0) > line.unpicked
        for x in picked
    )
