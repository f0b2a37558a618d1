"""An order as the door shows it: what is read of it (`queries/orders`), in the words of the contract."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door.examples import PUSHED
from api.door.paging import Utc
from api.door.problems import Problem, document_of
from domain.commands import Money
from domain.messages import OrderId
from domain.orders import OrderStatus
from domain.packing import Content
from queries.orders.lines import LineShown
from queries.orders.order_lookup import FoundOrder
from queries.orders.views import OrderShown, PushedOrder, PushShown, read_order
from queries.shipping.shipments import ParcelShown, ShipmentShown
from records.orders.order_reads import Said
from records.orders.orders import OrderRow
from records.partner_words import PartnerWords
from workflows.names import order_workflow


class LineView(BaseModel):
    """An order line: what is wanted, and where each unit of it is, in base units."""

    line_no: int
    main_line_no: Annotated[int | None, Field(description="The line that this one came along with, and follows")]
    sku: str
    site: str
    lot: str | None
    uom: str
    factor: int
    unit_price: Annotated[Money | None, Field(description="Of one `uom`, as it was pushed")]
    ordered: int
    reserved: int
    backordered: int
    picked: int
    to_put_back: int
    shipped: int
    delivered: int
    returned: int
    cancelled: int


class PushAnswer(BaseModel):
    """What became of a push, and the order as it is now."""

    model_config = ConfigDict(json_schema_extra={"examples": [PUSHED]})

    order_no: str
    revision: int
    outcome: str
    status: OrderStatus
    needs_attention: bool
    workflow_id: str
    lines: list[LineView]


class ParcelLineView(BaseModel):
    """What is in a parcel, in base units."""

    line_no: int
    sku: str
    quantity: int
    lot: str | None = None
    serial_numbers: list[str] = []


class ParcelView(BaseModel):
    """A parcel. It has no number and no label while the carrier has not answered. `came_back_at`: undelivered.

    `intercepted_at`: when the carrier said that it sends it back.
    """

    parcel_no: int
    tracking_number: str | None
    other_tracking_numbers: Annotated[
        list[str], Field(description="Of labels that were bought for it, and that it does not go by, the oldest first")
    ] = []
    tracking_status: str
    label_url: str | None
    lines: list[ParcelLineView]
    lost_at: Utc | None = None
    loss_reason: str | None = None
    came_back_at: Utc | None = None
    intercepted_at: Utc | None = None


class ShipmentView(BaseModel):
    """A shipment with its parcels."""

    shipment_no: str
    carrier: str
    service_level: str
    tracking_status: str
    handed_over_at: Utc | None
    parcels: list[ParcelView]
    delivered_at: Utc | None
    proof_of_delivery: dict[str, Any] | None
    cancelled_at: Utc | None = None


class OriginalView(BaseModel):
    """The order in whose place another one is sent, and the return that it is for; without one, in advance."""

    order_no: str
    return_no: str | None = None


class SaidView(BaseModel):
    """What a carrier or an ERP said when it did not do what was asked, word for word. It may be about people.

    It is shown here only: histories, logs and `reason` have our words for it. `words` is null once erased.
    """

    said_id: UUID
    partner: Annotated[str, Field(description="A carrier, or the source of an ERP")]
    code: Annotated[str, Field(description="Ours, for what it comes to")]
    words: str | None
    said_at: Utc


class AttentionView(BaseModel):
    """What is stuck, since when, and which named actions unstick it."""

    model_config = ConfigDict(extra="allow")

    reason: str
    since: str | None = None
    actions: list[str] = []
    said: SaidView | None = None


class PendingView(BaseModel):
    """A command that waits for its decision."""

    command: str
    key: str
    revision: int | None
    since: Utc


class RefusalView(Problem):
    """The last refusal, as its sender heard it, or would have."""

    instance: str = ""
    request_id: str = ""
    command: str
    key: str
    refused_at: Utc | None


class OrderListItem(BaseModel):
    """An order without its shipments."""

    order_no: str
    source: str
    revision: int
    status: OrderStatus
    needs_attention: bool
    workflow_id: str
    site: str
    carrier: str
    service_level: str
    priority: int
    shortage_policy: str
    ship_complete: bool
    backorder_until: Utc | None
    customer_no: str | None
    requested_delivery: date | None
    replaces: OriginalView | None
    replaced_by: Annotated[list[str], Field(description="The orders that are sent in its place")]
    ship_to: dict[str, Any] | None
    note: str | None
    lines: list[LineView]
    attention: AttentionView | None
    pending: PendingView | None
    last_refusal: RefusalView | None
    ordered_at: Utc
    created_at: Utc
    updated_at: Utc
    closed_at: Utc | None


class OrderView(OrderListItem):
    """An order."""

    shipments: list[ShipmentView]


class CommandAnswer(OrderView):
    """What became of a command, and the order as it is now."""

    outcome: str


# -- orders ----------------------------------------------------------------------------------------------------------


def pushed_answer(order: OrderId, pushed: PushedOrder, outcome: str) -> PushAnswer:
    """Show what became of a push of an accepted order."""
    return PushAnswer(
        order_no=pushed.order_no,
        revision=pushed.revision,
        outcome=outcome,
        status=OrderStatus(pushed.status),
        needs_attention=pushed.needs_attention,
        workflow_id=order_workflow(order),
        lines=_lines(pushed.lines),
    )


def queued_push_answer(order: OrderId, order_no: str, revision: int) -> PushAnswer:
    """Show a first push that is not decided yet."""
    return PushAnswer(
        order_no=order_no,
        revision=revision,
        outcome="queued",
        status=OrderStatus.RECEIVED,
        needs_attention=False,
        workflow_id=order_workflow(order),
        lines=[],
    )


async def read_view(connection: AsyncConnection, order: FoundOrder) -> OrderView:
    """Read an order, and show all of it."""
    whole = await read_order(connection, order)
    if isinstance(whole.order, PushShown):
        return _push_view(order, whole.order)
    shipments = [shipment_view(shown, order.order_no) for shown in whole.shipments]
    return OrderView(**dict(item_of(whole.order)), shipments=shipments)


def item_of(shown: OrderShown) -> OrderListItem:
    """Show an accepted order, without its shipments."""
    row = shown.row
    same: dict[str, Any] = {name: getattr(row, name) for name in _OF_ROW}
    return OrderListItem(
        **same,
        attention=_attention(shown),
        workflow_id=order_workflow(row.order),
        replaces=_original(row),
        replaced_by=shown.replaced_by,
        ship_to=_ship_to(shown),
        note=shown.note,
        lines=_lines(shown.lines),
        pending=_pending(shown.pending),
        last_refusal=_refusal(shown.refused),
    )


_OF_ROW = (
    "order_no",
    "source",
    "revision",
    "status",
    "needs_attention",
    "site",
    "carrier",
    "service_level",
    "priority",
    "shortage_policy",
    "ship_complete",
    "backorder_until",
    "customer_no",
    "requested_delivery",
    "ordered_at",
    "created_at",
    "updated_at",
    "closed_at",
)


def _push_view(order: FoundOrder, shown: PushShown) -> OrderView:
    push, told = shown.push, order.pushed
    same: dict[str, Any] = {name: getattr(told, name) for name in _OF_PUSH}
    return OrderView(
        **same,
        replaces=told.replaces and OriginalView(**vars(told.replaces)),
        source=order.source,
        status=OrderStatus.RECEIVED if push.state == "queued" else OrderStatus.REFUSED,
        needs_attention=False,
        attention=None,
        workflow_id=order_workflow(order.order),
        replaced_by=[],
        ship_to=_ship_to(shown),
        note=shown.note,
        lines=[],
        shipments=[],
        pending=_pending(shown.pending),
        last_refusal=_refusal(shown.refused),
        created_at=push.received_at,
        updated_at=push.decided_at or push.received_at,
        closed_at=push.decided_at,
    )


_OF_PUSH = (
    "ship_complete",
    "backorder_until",
    "order_no",
    "revision",
    "site",
    "carrier",
    "service_level",
    "priority",
    "shortage_policy",
    "customer_no",
    "requested_delivery",
    "ordered_at",
)


def _lines(lines: Iterable[LineShown]) -> list[LineView]:
    return [LineView(**vars(line)) for line in lines]


def _attention(shown: OrderShown) -> AttentionView | None:
    """Show why a person is needed, with what a partner said to the step that is stuck."""
    attention = shown.row.attention
    if attention is None:
        return None
    return AttentionView(**attention.as_row(), said=said_view(shown.stuck) if shown.stuck else None)


def said_view(said: PartnerWords) -> SaidView:
    """Show what a partner said."""
    return SaidView(said_id=said.words_id, partner=said.partner, code=said.code, words=said.words, said_at=said.said_at)


def _original(row: OrderRow) -> OriginalView | None:
    if row.replaces is None:
        return None
    return OriginalView(order_no=row.replaces, return_no=row.replaces_return)


def _ship_to(shown: OrderShown | PushShown) -> dict[str, Any] | None:
    """Show who an order goes to; None once it is erased."""
    return None if shown.ship_to is None else dict(shown.ship_to)


def _pending(said: Said | None) -> PendingView | None:
    if said is None:
        return None
    return PendingView(command=said.kind, key=said.key, revision=said.revision, since=said.received_at)


def _refusal(said: Said | None) -> RefusalView | None:
    if said is None or said.refusal is None:
        return None
    problem = document_of(said.refusal)
    return RefusalView(**problem, command=said.kind, key=said.key, refused_at=said.decided_at)


# -- shipments -------------------------------------------------------------------------------------------------------


def shipment_view(shown: ShipmentShown, order_no: str) -> ShipmentView:
    """Show a shipment of an order."""
    row = shown.shipment
    return ShipmentView(
        shipment_no=row.shipment_no,
        carrier=row.carrier,
        service_level=row.service_level,
        tracking_status=row.tracking_status,
        handed_over_at=row.handed_over_at,
        delivered_at=row.delivered_at,
        proof_of_delivery=row.proof_of_delivery,
        cancelled_at=row.dissolved_at,
        parcels=[_parcel(parcel, f"/api/orders/{order_no}/shipments/{row.shipment_no}") for parcel in shown.parcels],
    )


def _parcel(shown: ParcelShown, shipment_url: str) -> ParcelView:
    box = shown.parcel
    labeled = box.tracking_number is not None
    return ParcelView(
        parcel_no=box.parcel_no,
        tracking_number=box.tracking_number,
        other_tracking_numbers=shown.other_numbers,
        tracking_status=box.tracking_status,
        label_url=f"{shipment_url}/parcels/{box.parcel_no}/label" if labeled else None,
        lines=[parcel_line(line) for line in box.lines],
        lost_at=box.lost_at,
        loss_reason=box.loss and box.loss.reason,
        came_back_at=box.came_back_at,
        intercepted_at=box.intercepted_at,
    )


def parcel_line(content: Content) -> ParcelLineView:
    """Show what is in a parcel of a line."""
    return ParcelLineView(
        line_no=content.line_no,
        sku=content.sku,
        quantity=content.quantity,
        lot=content.lot or None,
        serial_numbers=list(content.serial_numbers),
    )
