"""An order as it is shown: what was said of it, by the records, and where each of its units is, by the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.messages import OrderId
from domain.revisions import Revision
from ledger.queries import SELECT_LINE
from ledger.reading import line_of
from ledger.reads.balances import order_lines
from postgres.statements import Query, composed
from queries.orders.lines import LineShown, shown_lines
from queries.orders.order_lookup import FoundOrder
from queries.shipping.shipments import ShipmentShown, read_shipments
from records import partner_words, people
from records.orders import order_reads
from records.orders.order_reads import OrderFilter, Said
from records.orders.orders import OrderRow
from records.partner_words import PartnerWords
from records.people import People, Words


@dataclass(frozen=True)
class OrderShown:
    """An accepted order, without its shipments.

    `ship_to` and `note` are None once erased. `stuck` is what a partner said to the step that a person is needed for,
    `pending` the command that is decided next, `refused` the last one that was refused.
    """

    row: OrderRow
    lines: list[LineShown]
    replaced_by: list[str]
    ship_to: Mapping[str, Any] | None
    note: str | None
    stuck: PartnerWords | None
    pending: Said | None
    refused: Said | None


@dataclass(frozen=True)
class PushShown:
    """An order of which no push is accepted: the last one waits, or was refused after its sender was told to wait."""

    push: Said
    ship_to: Mapping[str, Any] | None
    note: str | None
    pending: Said | None
    refused: Said | None


@dataclass(frozen=True)
class OrderWhole:
    """An order with its shipments."""

    order: OrderShown | PushShown
    shipments: list[ShipmentShown]


async def read_orders(connection: AsyncConnection, tenant: str, wanted: OrderFilter) -> list[OrderShown]:
    """Return accepted orders by their time of change, oldest first."""
    return await _shown(connection, tenant, await order_reads.page(connection, tenant, wanted))


async def read_order(connection: AsyncConnection, order: FoundOrder) -> OrderWhole:
    """Return an order, accepted or not."""
    if order.row is None:
        return OrderWhole(await _pushed(connection, order), [])
    (shown,) = await _shown(connection, order.tenant, [order.row])
    return OrderWhole(shown, await read_shipments(connection, order.order))


async def _shown(connection: AsyncConnection, tenant: str, rows: Sequence[OrderRow]) -> list[OrderShown]:
    order_refs = [row.order_ref for row in rows]
    if not order_refs:
        return []
    lines = await order_lines(connection, tenant, order_refs)
    waits = await order_reads.unaccepted(connection, tenant, order_refs)
    told = await order_reads.told(connection, tenant, order_refs)
    note_ids = {ref: of.revision.note_id for ref, of in told.items()}
    known = await people.read(connection, tenant, {*(row.address_id for row in rows), *filter(None, note_ids.values())})
    flagged = [row.order_ref for row in rows if row.needs_attention]
    words = await partner_words.of_orders(connection, tenant, flagged) if flagged else {}
    return [
        OrderShown(
            row=row,
            lines=shown_lines(lines.get(ref, []), told[ref].revision),
            replaced_by=told[ref].replaced_by,
            ship_to=_ship_to(known, row.address_id),
            note=_note(known, note_ids[ref]),
            stuck=words.get((ref, row.attention.step)) if row.attention else None,
            pending=waits.queued.get(ref),
            refused=waits.refused.get(ref),
        )
        for row in rows
        for ref in (row.order_ref,)
    ]


async def _pushed(connection: AsyncConnection, order: FoundOrder) -> PushShown:
    push, pushed = order.push, order.pushed
    assert push is not None
    address_id, note_id = pushed.address_id, pushed.note_id
    known = await people.read(connection, order.tenant, filter(None, (address_id, note_id)))
    waits = await order_reads.unaccepted(connection, order.tenant, [order.order_ref])
    return PushShown(
        push=push,
        ship_to=_ship_to(known, address_id),
        note=_note(known, note_id),
        pending=waits.queued.get(order.order_ref),
        refused=waits.refused.get(order.order_ref),
    )


def _ship_to(known: People, address_id: UUID) -> Mapping[str, Any] | None:
    address = known.addresses.get(address_id)
    return address.ship_to if address else None


def _note(known: People, note_id: UUID | None) -> str | None:
    return None if note_id is None else known.words.get(note_id, Words()).note


# -- as a push is answered -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PushedOrder:
    """An accepted order, as far as a push is told of it."""

    order_no: str
    revision: int
    status: str
    needs_attention: bool
    lines: list[LineShown]


async def read_pushed(connection: AsyncConnection, order: OrderId) -> PushedOrder | None:
    """Return an accepted order as a push is told of it; None where it is not accepted."""
    rows = await _PUSHED.rows(connection, tenant=order.tenant, order_ref=order.order_ref)
    if not rows:
        return None
    order_no, revision, status, needs_attention, content = rows[0][:_OF_ORDER]
    lines = [line_of(row[_OF_ORDER:]) for row in rows if row[_OF_ORDER] is not None]
    return PushedOrder(order_no, revision, status, needs_attention, shown_lines(lines, Revision(content)))


# One look: the order and its lines are of one moment.
_PUSHED: Final = Query(
    composed(
        """
        select o.order_no, o.revision, o.status, o.needs_attention,
          case row_number() over (order by l.line_no, l.ordered desc) when 1 then r.content - 'resolved' end as content,
          l.*
        from records.orders o
        join records.order_revision r on r.tenant = o.tenant and r.order_ref = o.order_ref and r.revision = o.revision
        left join ({select_line}) l on l.tenant = o.tenant and l.order_ref = o.order_ref
        where o.tenant = %(tenant)s and o.order_ref = %(order_ref)s order by l.line_no, l.ordered desc
        """,
        select_line=SELECT_LINE,
    )
)
_OF_ORDER: Final = 5
