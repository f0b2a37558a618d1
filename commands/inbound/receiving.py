"""A receipt on its way into the ledger: what is wrong with it, and what commits with its posting."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext
from commands.posting import Posted, anew, counted_in, posted, said_by
from commands.resolving import Faults
from commands.times import time_faults
from domain.days import day_at
from domain.errors import Conflict, Fault
from domain.lot_numbers import Arrival, LotPattern
from domain.refusals import refusal
from domain.said import Part, Said
from domain.shapes import Receipt, ReceivedGoods, UnorderedReceipt
from ledger.reads import lots
from ledger.reads.lots import Lot
from ledger.reads.receipts import receipt_key
from ledger.requests import ReceivedLine, ReceiveStock
from ledger.writing.writer import Attachment, Outcome
from records.access.api_keys import ApiKey
from records.catalog import Location, Product
from records.inbound import purchase_orders, receipts
from records.inbound.purchase_orders import InboundOrder
from records.inventory import places

_TRIES: Final = 5
"""How often a receipt is tried that changes when a lot expires, while the lot comes to other sites."""


AnyReceipt = Receipt | UnorderedReceipt


OwnLot = Callable[[str], str]
"""Numbers the lot of a line by its sku, where the supplier did not."""


@dataclass(frozen=True)
class Arriving:
    """A line of a receipt, in base units. `line_no` is of the purchase order, where one was named."""

    product: Product
    quantity: int
    lot: str | None
    line_no: int = 0


@dataclass
class Receiving:
    """A receipt on its way into the ledger. `order` is None where no purchase order was named."""

    order: InboundOrder | None
    faults: Faults
    products: dict[str, Product]
    location: Location | None
    lines: list[Arriving]
    came_on: date

    def over(self, order: InboundOrder) -> list[Fault]:
        """Say which lines bring more than is still expected."""
        missing = {line.line_no: line.missing for line in order.lines}
        brought: dict[int, int] = defaultdict(int)
        faults = []
        for index, line in enumerate(self.lines):
            brought[line.line_no] += line.quantity
            if (total := brought[line.line_no]) > (most := missing[line.line_no]):
                detail = f"{most} of {line.product.sku} are still expected, not {total}"
                faults.append(Fault(f"/lines/{index}/quantity", "over_receipt", detail))
        return faults

    def brought(self) -> dict[int, int]:
        """Return how much of each line has arrived."""
        brought: dict[int, int] = defaultdict(int)
        for line in self.lines:
            brought[line.line_no] += line.quantity
        return brought

    @property
    def po_no(self) -> str:
        """The purchase order's number; empty where there is none."""
        return self.order.po_no if self.order else ""

    def attachment(self, tenant: str, body: AnyReceipt) -> Attachment:
        """Return what commits with the posting: what was said, and how much of the purchase order has arrived."""

        async def keep(connection: AsyncConnection, outcome: Outcome) -> None:
            if isinstance(body, Receipt):
                await self._count(connection, tenant, allow_over=body.allow_over)
            kept = kept_receipt(self.po_no, body, [line.lot for line in self.lines], outcome)
            await receipts.add(connection, tenant, kept)

        return counted_in(tenant, self.products, keep)

    async def _count(self, connection: AsyncConnection, tenant: str, *, allow_over: bool) -> None:
        """Count what has arrived, compared with what is expected under the purchase order's lock."""
        order = await purchase_orders.lock(connection, tenant, self.po_no)
        if order is None or self.order is None or order.revision != self.order.revision:
            raise Conflict(f"{self.po_no} was amended while its goods were received.", code="order_amended")
        if not allow_over and (faults := self.over(order)):
            raise refusal(faults)
        await purchase_orders.add_received(connection, tenant, self.po_no, self.brought())


async def day_of_arrival(
    context: CommandContext, connection: AsyncConnection, tenant: str, site: str, said: Said[Any], faults: Faults
) -> date:
    """Say on which day of their site goods came, and note what can't have happened by then."""
    now, zone = await places.clock_of(connection, tenant, site)
    days = context.ledger.days
    faults.found += await time_faults(connection, said.part, context.window)
    faults.found += _made_too_late(said.part, days.today(zone, now + context.window.ahead))
    told = said.body.occurred_at if said.body else None
    return day_at(told, zone) if told else days.today(zone, now)


def _made_too_late(part: Part, today: date) -> Iterator[Fault]:
    """Say what cannot have been produced yet, by the day of the site."""
    for line in part.parts("lines"):
        told = line.get("produced_on") if line.readable("produced_on") else None
        if told is not None and date.fromisoformat(told) > today:
            detail = f"{told} is later than today, which is {today} at the site"
            yield line.fault("produced_on", "time_in_future", detail)


def lots_of(
    context: CommandContext, tenant: str, body: AnyReceipt | None, came_on: date, po_no: str = ""
) -> Callable[[int, str], str]:
    """Return what numbers the lots of a receipt that have none, by line and sku: the tenant's pattern."""
    pattern = context.lot_patterns.get(tenant, LotPattern())
    receipt_no = body.receipt_no if body else ""
    return lambda number, sku: pattern.lot_of(Arrival(po_no, receipt_no, number, sku, came_on))


def goods_of(
    faults: Faults, part: Part, product: Product, factor: int | None, own_lot: OwnLot, line_no: int = 0
) -> Arriving | None:
    """Check what arrived of a sku. `own_lot` is its lot where the supplier names none, if it is tracked by lots."""
    quantity = faults.base_units(part, product, factor=factor)
    faults.serials(part, product, quantity)
    lot = part.get("lot") or (own_lot(product.sku) if product.tracking == "lot" else None)
    return None if quantity is None else Arriving(product, quantity, lot, line_no)


async def post_receipt(context: CommandContext, caller: ApiKey, receiving: Receiving, body: AnyReceipt) -> Outcome:
    """Post a receipt; where it changes when a lot expires, for all sites that the lot has come to."""

    async def receive_by_what_is_known() -> Outcome:
        async with context.reading() as connection:
            named_lots = {(line.product.sku, line.lot) for line in receiving.lines if line.lot}
            known = await lots.find_lots(connection, caller.tenant, named_lots)
        request = _request(caller, receiving, body, known)
        return await context.ledger.post(request, receiving.attachment(caller.tenant, body))

    return await anew("lot_moved", _TRIES, receive_by_what_is_known)


def _request(
    caller: ApiKey, receiving: Receiving, body: AnyReceipt, known: Mapping[tuple[str, str], Lot]
) -> ReceiveStock:
    assert receiving.location is not None
    return ReceiveStock(
        **said_by(caller, body),
        key=receipt_key(receiving.po_no, body.receipt_no),
        occurred_at=body.occurred_at,
        place=receiving.location.place,
        lines=tuple(
            _to_receive(line, told, known.get((line.product.sku, line.lot or "")), receiving.came_on)
            for line, told in zip(receiving.lines, body.lines, strict=True)
        ),
    )


def _to_receive(line: Arriving, told: ReceivedGoods, known: Lot | None, came_on: date) -> ReceivedLine:
    """Return a line as the ledger takes it. `known` is what is known of its lot before."""
    undated = known is not None and (known.expires_on is None or known.expiry_computed)
    return ReceivedLine(
        sku=line.product.sku,
        quantity=line.quantity,
        lot=line.lot or "",
        expires_on=told.expires_on,
        serial_numbers=told.serial_numbers,
        stock_status=told.stock_status,
        produced_on=told.produced_on,
        shelf_life_days=line.product.shelf_life_days,
        came_on=came_on,
        sites=known.sites if known and undated and (told.expires_on or told.produced_on) else (),
    )


def kept_receipt(po_no: str, body: AnyReceipt, lots_then: Iterable[str | None], outcome: Posted) -> receipts.Receipt:
    """Return a receipt as it is kept: what was said, in the units and lots in which it was received."""
    received = zip(body.lines, outcome.answer["received"], lots_then, strict=True)
    return receipts.Receipt(
        po_no=po_no,
        receipt_no=body.receipt_no,
        location_id=body.location_id,
        supplier=body.supplier if isinstance(body, UnorderedReceipt) else None,
        posting_id=posted(outcome),
        recorded_at=outcome.recorded_at,
        lines=tuple(_received_line(told, then, lot) for told, then, lot in received),
    )


def _received_line(told: ReceivedGoods, then: Mapping[str, Any], lot: str | None) -> receipts.ReceivedLine:
    """Read what arrived of a line. An answer of an older build does not say when the lot expires."""
    said = told.model_dump(mode="json") | {"expiry_computed": False}
    return receipts.ReceivedLine.of_row({**said, **then, "lot": lot or None})
