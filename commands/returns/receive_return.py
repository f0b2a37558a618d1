"""Goods come back: from the customer, or from a carrier that could not deliver them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext, clear_attention, instant, open_order, quantity_of, read_lines
from commands.returns.authorization import check_authorized
from commands.shipping import delivery
from domain.attention import parcel_step
from domain.carriers import TrackingStatus
from domain.erp_lines import amounts
from domain.errors import Fault, Rejected
from domain.messages import OrderId
from domain.packing import Goods, Row, is_named, is_there, line_key, moved, named_goods, pack
from domain.stock import StockStatus
from ledger.reads.balances import LineName, goods_at
from ledger.requests import ReturnedLine, ReturnGoods
from ledger.writing.writer import Outcome
from queries.erp_changes import demand_changes
from records.erp import messages
from records.inventory import places
from records.orders import inbox, orders
from records.orders.inbox import InboxRow
from records.shipping import shipments, tracking
from records.shipping.shipments import Parcel, contents_of


async def receive_return(context: CommandContext, row: InboxRow) -> None:
    """Receive goods back. What never arrived is cancelled, or sent again."""
    async with context.reading() as connection:
        order = await open_order(connection, row, or_closed=True)
        place = await places.place_of(connection, row.tenant, row.payload["location_id"])
        undelivered, asked = await _what_came(connection, row)
        former = await read_lines(connection, row)
    resend = row.payload.get("resend", False)
    if resend and undelivered is None:
        detail = "Only what never arrived is sent again; what the customer had needs a new order."
        raise Rejected("not_undelivered", detail, [Fault("/resend", "not_undelivered", detail)])
    request = ReturnGoods(
        tenant=row.tenant,
        key=row.key,
        actor=row.actor,
        occurred_at=instant(row),
        order_ref=row.order_ref,
        place=place,
        order_site=order.site,
        shipment_no=undelivered,
        resend=resend,
        lines=tuple(_returned_line(line) for line in asked),
    )

    async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
        known = (await orders.lock(connection, [(row.tenant, row.order_ref)]))[row.tenant, row.order_ref]
        await check_authorized(connection, row)
        lines = await read_lines(connection, row)
        back = _came_back(asked, outcome)
        payload = {"lines": amounts(lines, back)}
        name = OrderId(tenant=row.tenant, order_ref=row.order_ref)
        for kind, said in [("returned", payload), *await demand_changes(connection, name, former, lines)]:
            await messages.append(connection, row.tenant, row.order_ref, kind, said)
        if undelivered:
            numbers = await _note_parcels(connection, row, undelivered, outcome.occurred_at)
            if (known.attention or {}).get("step") in [parcel_step(number) for number in numbers]:
                await clear_attention(connection, row)
        await inbox.accept(connection, row.inbox_id, {"outcome": "done", "lines": back})

    await context.ledger.post(request, attach)


def _returned_line(line: Row) -> ReturnedLine:
    condition = StockStatus(line.get("condition") or StockStatus.INSPECTION)
    return ReturnedLine(**quantity_of(line), condition=condition)


def _came_back(asked: list[Row], outcome: Outcome) -> list[Row]:
    """Return what came back, as the ledger has it, each with its condition."""
    return [
        {**row, "condition": status}
        for line, goods in zip(asked, outcome.answer["back"], strict=True)
        for status in dict.fromkeys(part["stock_status"] for part in goods)
        for row in moved([line], [[part for part in goods if part["stock_status"] == status]])
    ]


async def _what_came(connection: AsyncConnection, row: InboxRow) -> tuple[str | None, list[Row]]:
    """Return the shipment that comes back undelivered, if one does, and what came, named as far as it can be known.

    That is where the goods are that are named: with the customer, or with a carrier that sends a parcel back. Where
    nothing tells, they are what the carrier sends back.
    """
    order, told = OrderId(tenant=row.tenant, order_ref=row.order_ref), row.payload["resolved"]
    every = await shipments.parcels_of(connection, row.tenant, [row.order_ref])
    sent_back = {box.shipment_no: None for box in every if _is_sent_back(box) and tracking.is_underway(box)}
    first: tuple[str | None, list[Fault]] | None = None
    for shipment_no in (*sent_back, None):
        place = f"transit/{shipment_no}" if shipment_no else f"customer/{order.order_ref}"
        there = await goods_at(connection, order.tenant, order.order_ref, place)
        expected = [box for box in every if box.shipment_no == shipment_no and _is_sent_back(box)]
        rows = _named(told, contents_of(expected), there)
        if all(map(is_there, told, rows)):
            return shipment_no, _each(told, rows)
        where = f"Shipment {shipment_no}" if shipment_no else "The customer"
        first = first or (shipment_no, _not_there(where, told, rows, there))
    assert first is not None  # there is always the customer
    shipment_no, faults = first
    if faults:
        raise Rejected(faults[0].code, faults[0].detail, faults)
    return shipment_no, told


def _not_there(
    where: str, told: list[Row], rows: list[list[Row]], there: Mapping[LineName, Counter[Goods]]
) -> list[Fault]:
    """Say which serial numbers are not where they are to come from, and which lots only for another line.

    How much there is of a lot, the ledger says.
    """
    faults = []
    for index, (line, its) in enumerate(zip(told, rows, strict=True)):
        others = [goods for (line_no, sku), goods in there.items() if sku == line["sku"] and line_no != line["line_no"]]
        lots = {lot for goods in others for lot, _ in goods}
        if not is_there(line, its) and (line["serial_numbers"] or line["lot"] in lots):
            field = "serial_numbers" if line["serial_numbers"] else "lot"
            names = ", ".join(line["serial_numbers"]) or line["lot"]
            detail = f"{where} does not have all of {names} of {line['sku']} for line {line['line_no']}."
            faults.append(Fault(f"/lines/{index}/{field}", "not_there", detail))
    return faults


def _named(told: list[Row], expected: list[Row], there: Mapping[LineName, Counter[Goods]]) -> list[list[Row]]:
    """Name what came: by what is there, and where that leaves a choice, by what the parcels hold that are sent back."""
    of_lines = {line_key(line): there.get((line["line_no"], line["sku"]), Counter()) for line in told}
    rows = pack([[line] for line in told], of_lines)
    awaited = {key: goods & of_lines.get(key, Counter()) for key, goods in named_goods(expected).items()}
    again = iter(pack([[line] for line, its in zip(told, rows, strict=True) if not all(map(is_named, its))], awaited))
    return [its if all(map(is_named, its)) else next(again) for its in rows]


def _each(told: list[Row], rows: list[list[Row]]) -> list[Row]:
    """Return what came, by lot. Further lots of a line come last, so that faults are where the line was told."""
    named = [[{**line, **row} for row in its] for line, its in zip(told, rows, strict=True)]
    return [*(its[0] for its in named), *(row for its in named for row in its[1:])]


def _is_sent_back(box: Parcel) -> bool:
    return box.tracking_status == TrackingStatus.RETURN_TO_SENDER


async def _note_parcels(connection: AsyncConnection, row: InboxRow, shipment_no: str, at: datetime) -> list[str]:
    """Let the rows of those parcels say that they came back of which nothing can be underway any more.

    Returns their tracking numbers.
    """
    every = await shipments.parcels_of(connection, row.tenant, [row.order_ref])
    boxes = [box for box in every if box.shipment_no == shipment_no and tracking.is_underway(box)]
    there = await goods_at(connection, row.tenant, row.order_ref, f"transit/{shipment_no}")
    held = {box.parcel_no: box.lines for box in boxes}
    vague = {(line["line_no"], line["sku"]) for lines in held.values() for line in lines if not is_named(line)}
    units = {parcel_no: _units(lines, vague) for parcel_no, lines in held.items()}
    back = list(_back(boxes, units, sum(units.values(), Counter()) - _units_there(there, vague)))
    for parcel_no in back:
        await shipments.set_parcel(connection, row.tenant, row.order_ref, shipment_no, parcel_no, came_back_at=at)
    await delivery.go_on_without(connection, OrderId(tenant=row.tenant, order_ref=row.order_ref), shipment_no)
    return [box.tracking_number for box in boxes if box.parcel_no in back and box.tracking_number is not None]


Units = Counter[tuple[int, str, str, str]]
"""Goods of lines: line number, sku, lot, serial number; without the latter two where they are not known of all."""


def _back(boxes: list[Parcel], units: Mapping[int, Units], goods: Units) -> Iterator[int]:
    """Yield the numbers of parcels whose goods are back.

    Others only once all that were sent back are, unless it is known by serial number.
    """
    awaited = [box for box in boxes if _is_sent_back(box)]
    for box in (*awaited, *(box for box in boxes if box not in awaited)):
        held = units[box.parcel_no]
        certain = all(serial for *_, serial in held)
        if held <= goods and (certain or box in awaited or not awaited):
            goods -= held
            awaited = [other for other in awaited if other is not box]
            yield box.parcel_no


def _units(rows: Iterable[Row], vague: Container[LineName]) -> Units:
    held: Units = Counter()
    for row in rows:
        line_no, sku = name = row["line_no"], row["sku"]
        serials = [] if name in vague else row.get("serial_numbers") or []
        held.update((line_no, sku, row["lot"], serial) for serial in serials)
        held[line_no, sku, "" if name in vague else row.get("lot") or "", ""] += row["quantity"] - len(serials)
    return +held


def _units_there(there: Mapping[LineName, Counter[Goods]], vague: Container[LineName]) -> Units:
    held: Units = Counter()
    for (line_no, sku), goods in there.items():
        for (lot, serial), quantity in goods.items():
            held[(line_no, sku, "", "") if (line_no, sku) in vague else (line_no, sku, lot, serial)] += quantity
    return held
