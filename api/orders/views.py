"""An order as the door shows it: put together from the records (what was said) and the ledger (where each unit is)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door.examples import PUSHED
from api.door.paging import Utc
from api.door.problems import Problem, document_of
from api.orders.kits import Told, kit_lines
from api.orders.order_lookup import FoundOrder
from domain.commands import Money
from domain.errors import InvariantViolated
from domain.linked_lines import main_line_of
from domain.orders import OrderLine, OrderStatus
from domain.packing import Content
from domain.shipping.parcels import Parcel, Shipment
from ledger.queries import SELECT_LINE
from ledger.reading import line_of
from ledger.reads.balances import order_lines
from postgres.statements import Query
from records import partner_words, people
from records.orders import order_reads
from records.orders.order_reads import Said
from records.orders.orders import OrderRow
from records.partner_words import PartnerWords
from records.shipping import labels, shipments
from records.shipping.labels import OtherNumbers
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


# -- reading ---------------------------------------------------------------------------------------------------------


# One look: the order and its lines are of one moment.
_PUSHED: Final = Query(
    f"""
    select o.order_no, o.revision, o.status, o.needs_attention,
      case row_number() over (order by l.line_no, l.ordered desc) when 1 then r.content - 'resolved' end as content, l.*
    from records.orders o
    join records.order_revision r on r.tenant = o.tenant and r.order_ref = o.order_ref and r.revision = o.revision
    left join ({SELECT_LINE}) l on l.tenant = o.tenant and l.order_ref = o.order_ref
    where o.tenant = %(tenant)s and o.order_ref = %(order_ref)s order by l.line_no, l.ordered desc
    """  # noqa: S608 - put together from constants
)
_OF_ORDER: Final = 5


async def read_push_answer(connection: AsyncConnection, tenant: str, order_ref: str, outcome: str) -> PushAnswer | None:
    """Read the short view of an accepted order; None where it is not accepted."""
    rows = await _PUSHED.rows(connection, tenant=tenant, order_ref=order_ref)
    if not rows:
        return None
    order_no, revision, status, needs_attention, content = rows[0][:_OF_ORDER]
    return PushAnswer(
        order_no=order_no,
        revision=revision,
        outcome=outcome,
        status=status,
        needs_attention=needs_attention,
        workflow_id=order_workflow(tenant, order_ref),
        lines=_lines([line_of(row[_OF_ORDER:]) for row in rows if row[_OF_ORDER] is not None], content),
    )


def queued_push_answer(tenant: str, order_ref: str, order_no: str, revision: int) -> PushAnswer:
    """Return the view of a first push that is not decided yet."""
    return PushAnswer(
        order_no=order_no,
        revision=revision,
        outcome="queued",
        status=OrderStatus.RECEIVED,
        needs_attention=False,
        workflow_id=order_workflow(tenant, order_ref),
        lines=[],
    )


async def read_view(connection: AsyncConnection, order: FoundOrder) -> OrderView:
    """Read the whole view of an order."""
    if order.row is None:
        return await _unaccepted(connection, order)
    (item,) = await read_items(connection, order.tenant, [order.row])
    return OrderView(**dict(item), shipments=await read_shipments(connection, order))


async def read_items(connection: AsyncConnection, tenant: str, rows: Sequence[OrderRow]) -> list[OrderListItem]:
    """Read the views of accepted orders, without shipments."""
    order_refs = [row.order_ref for row in rows]
    if not order_refs:
        return []
    lines = await order_lines(connection, tenant, order_refs)
    waits = await order_reads.unaccepted(connection, tenant, order_refs)
    shown = await order_reads.shown(connection, tenant, order_refs)
    note_ids = {ref: UUID(told.content["note_id"]) for ref, told in shown.items() if told.content.get("note_id")}
    known = await people.read(connection, tenant, {*(row.address_id for row in rows), *note_ids.values()})
    stuck = [row.order_ref for row in rows if row.needs_attention]
    words = await partner_words.of_orders(connection, tenant, stuck) if stuck else {}
    return [
        OrderListItem(
            **{name: getattr(row, name) for name in _OF_ROW},
            attention=_attention(row, words),
            workflow_id=order_workflow(tenant, ref),
            replaces=_original(row),
            replaced_by=shown[ref].replaced_by,
            ship_to=_ship_to(known.get(row.address_id)),
            note=_note(known, note_ids.get(ref)),
            lines=_lines(lines.get(ref, []), shown[ref].content),
            pending=_pending(waits["queued"].get(ref)),
            last_refusal=_refusal(waits["refused"].get(ref)),
        )
        for row in rows
        for ref in (row.order_ref,)
    ]


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


async def _unaccepted(connection: AsyncConnection, order: FoundOrder) -> OrderView:
    """Show a first push that waits, or was refused after its sender was told to wait."""
    push = order.push
    if push is None:
        raise InvariantViolated(f"{order.order_ref} was found, but was never pushed")
    payload = push.payload
    ids = {UUID(payload[name]) for name in ("address_id", "note_id") if payload.get(name)}
    known = await people.read(connection, order.tenant, ids)
    waits = await order_reads.unaccepted(connection, order.tenant, [order.order_ref])
    return OrderView(
        **{name: payload.get(name) for name in _OF_PUSH},
        ship_complete=payload.get("ship_complete", False),
        source=order.source,
        status=OrderStatus.RECEIVED if push.state == "queued" else OrderStatus.REFUSED,
        needs_attention=False,
        attention=None,
        workflow_id=order_workflow(order.tenant, order.order_ref),
        replaced_by=[],
        ship_to=_ship_to(known.get(UUID(payload["address_id"]))),
        note=_note(known, UUID(payload["note_id"]) if payload.get("note_id") else None),
        lines=[],
        shipments=[],
        pending=_pending(waits["queued"].get(order.order_ref)),
        last_refusal=_refusal(waits["refused"].get(order.order_ref)),
        created_at=push.received_at,
        updated_at=push.decided_at or push.received_at,
        closed_at=push.decided_at,
    )


_OF_PUSH = (
    "replaces",
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


async def read_shipments(connection: AsyncConnection, order: FoundOrder) -> list[ShipmentView]:
    """Read an order's shipments, as they were made."""
    rows = await shipments.of_order(connection, order.tenant, order.order_ref)
    if not rows:
        return []
    boxes = defaultdict(list)
    for box in await shipments.parcels_of(connection, order.tenant, [order.order_ref]):
        boxes[box.shipment_no].append(box)
    others = await labels.other_numbers(connection, order.tenant, order.order_ref)
    return [_shipment(row, boxes[row.shipment_no], others, order.order_no) for row in rows]


async def read_shipment(connection: AsyncConnection, order: FoundOrder, shipment_no: str) -> ShipmentView | None:
    """Read one shipment of an order."""
    every = await read_shipments(connection, order)
    return next((shipment for shipment in every if shipment.shipment_no == shipment_no), None)


# -- pieces ----------------------------------------------------------------------------------------------------------


def _lines(lines: Collection[OrderLine], told: Told) -> list[LineView]:
    """Show lines by number, each before those that it brought along.

    What a line was before its sku or site changed is shown only while it holds something. `told` is what the revision
    says: of kits, and of prices.
    """
    wanted = {line.line_no for line in lines if line.ordered}
    shown = [line for line in lines if line.ordered or line.to_put_back or line.line_no not in wanted]
    prices = {(line["line_no"], line["sku"]): line.get("unit_price") for line in told.get("lines") or ()}
    views = [
        *(_line(line, prices.get((line.line_no, line.sku))) for line in shown),
        *(
            LineView(**kit, main_line_no=None, lot=None, unit_price=prices.get((kit["line_no"], kit["sku"])))
            for kit in kit_lines(told, lines)
        ),
    ]
    return sorted(views, key=lambda line: (line.main_line_no or line.line_no, line.line_no, line.ordered > 0))


def _line(line: OrderLine, unit_price: Any) -> LineView:
    return LineView(
        line_no=line.line_no,
        main_line_no=main_line_of(line.line_no),
        sku=line.sku,
        site=line.site,
        lot=line.lot or None,
        uom=line.uom,
        factor=line.factor,
        unit_price=unit_price,
        **line.quantities(),
    )


def _attention(row: OrderRow, words: Mapping[tuple[str, str], PartnerWords]) -> AttentionView | None:
    """Show why a person is needed, with what a partner said to the step that is stuck."""
    attention = row.attention
    if attention is None:
        return None
    said = words.get((row.order_ref, attention.get("step", "")))
    return AttentionView(**attention, said=said_view(said) if said else None)


def said_view(said: PartnerWords) -> SaidView:
    """Show what a partner said."""
    return SaidView(said_id=said.words_id, partner=said.partner, code=said.code, words=said.words, said_at=said.said_at)


def _original(row: OrderRow) -> OriginalView | None:
    if row.replaces is None:
        return None
    return OriginalView(order_no=row.replaces, return_no=row.replaces_return)


def _ship_to(data: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return who an order goes to; None once it is erased."""
    return None if data is None else dict(data["ship_to"])


def _note(known: Mapping[UUID, Mapping[str, Any]], note_id: UUID | None) -> str | None:
    return None if note_id is None else known.get(note_id, {}).get("note")


def _pending(said: Said | None) -> PendingView | None:
    if said is None:
        return None
    return PendingView(command=said.kind, key=said.key, revision=said.payload.get("revision"), since=said.received_at)


def _refusal(said: Said | None) -> RefusalView | None:
    if said is None or said.answer is None:
        return None
    return RefusalView(**document_of(said.answer), command=said.kind, key=said.key, refused_at=said.decided_at)


def _shipment(row: Shipment, boxes: Iterable[Parcel], others: OtherNumbers, order_no: str) -> ShipmentView:
    return ShipmentView(
        shipment_no=row.shipment_no,
        carrier=row.carrier,
        service_level=row.service_level,
        tracking_status=row.tracking_status,
        handed_over_at=row.handed_over_at,
        delivered_at=row.delivered_at,
        proof_of_delivery=row.proof_of_delivery,
        cancelled_at=row.dissolved_at,
        parcels=[_parcel(box, others, f"/api/orders/{order_no}/shipments/{row.shipment_no}") for box in boxes],
    )


def _parcel(box: Parcel, others: OtherNumbers, shipment_url: str) -> ParcelView:
    labeled = box.tracking_number is not None
    return ParcelView(
        parcel_no=box.parcel_no,
        tracking_number=box.tracking_number,
        other_tracking_numbers=others.get((box.shipment_no, box.parcel_no), []),
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
