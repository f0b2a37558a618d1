"""What leaves: its posting, and what is written down with it, whoever says that it left."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext, evidence_of, instant
from commands.shipping import replaced_labels
from domain.messages import OrderId
from domain.packing import Content, moved
from domain.payloads import KeptHandOver, KeptShip
from domain.shipping.parcels import contents_of
from domain.shipping.shipment_state import ShipmentState
from domain.stock import Evidence
from ledger.outcomes import Moved
from ledger.requests import IssueGoods, LineQuantity
from ledger.writing.writer import Outcome
from queries.orders.erp_changes import shipped_lines
from queries.shipping.packing import kept_for_others
from records.erp import messages
from records.orders import inbox
from records.orders.inbox import InboxRow
from records.shipping import shipments
from records.shipping.carrier_events import CarrierEventRow


def issue_request(
    row: InboxRow[KeptShip | KeptHandOver], goods: Iterable[Content], kept: tuple[LineQuantity, ...]
) -> IssueGoods:
    """Ask for the posting of what leaves with a shipment; `kept` is what parcels of others name."""
    return IssueGoods(
        tenant=row.tenant,
        key=_key(row.order, row.payload.shipment_no),
        actor=row.actor,
        evidence=evidence_of(row),
        occurred_at=instant(row),
        order_ref=row.order_ref,
        shipment_no=row.payload.shipment_no,
        lines=tuple(map(LineQuantity.of, goods)),
        kept=kept,
    )


async def infer(
    context: CommandContext, order: OrderId, state: ShipmentState, event: CarrierEventRow, under: int | None
) -> None:
    """Post that a shipment left, as a scan proves; under a version of its labels, where it does not go by that.

    Raises `Conflict` where somebody said meanwhile that it left.
    """
    shipment_no = state.shipment.shipment_no
    async with context.reading() as connection:
        kept = await kept_for_others(connection, order, shipment_no)
    request = IssueGoods(
        tenant=order.tenant,
        key=_key(order, shipment_no),
        actor=f"carrier {event.carrier}",
        evidence=Evidence.INFERRED,
        occurred_at=event.occurred_at,
        order_ref=order.order_ref,
        shipment_no=shipment_no,
        lines=tuple(map(LineQuantity.of, contents_of(state.parcels))),
        kept=kept,
    )

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        now = state if under is None else await replaced_labels.leave_under(connection, order, shipment_no, under)
        await _note(connection, order, state, now, outcome)

    await context.ledger.post(request, attach)


def _key(order: OrderId, shipment_no: str) -> str:
    return f"goods_issue/{order.order_ref}/{shipment_no}"


async def accept_handed_over(
    connection: AsyncConnection, row: InboxRow[KeptShip | KeptHandOver], state: ShipmentState, outcome: Outcome
) -> None:
    """Accept a command by which a shipment left, and write that down."""
    await _note(connection, row.order, state, state, outcome)
    await inbox.accept(connection, row.inbox_id, {"outcome": "done"})


async def _note(
    connection: AsyncConnection, order: OrderId, asked: ShipmentState, state: ShipmentState, outcome: Outcome
) -> None:
    """Write down that a shipment left, in the transaction of its goods issue, and tell the ERP.

    What the ledger says that left is what the parcels hold.
    """
    goods = iter(outcome.moved("left"))
    boxes = [posted(box.lines, [next(goods) for _ in box.lines]) for box in asked.parcels]
    at = outcome.occurred_at
    await shipments.save(connection, state, state.left(at, outcome.request.evidence.value, boxes))
    left = [row for box, rows in zip(asked.parcels, boxes, strict=True) for row in rows or box.lines]
    payload = {
        "shipment_no": state.shipment.shipment_no,
        "carrier": state.shipment.carrier,
        "occurred_at": at.isoformat(),
        "lines": await shipped_lines(connection, order, left),
    }
    await messages.append(connection, order, "shipped", payload)


def posted(rows: Iterable[Content], goods: Iterable[Iterable[Moved]]) -> list[Content]:
    """Return what rows of a parcel are known to be by what was posted for each."""
    return moved(rows, [[part.amount for part in parts] for parts in goods])
