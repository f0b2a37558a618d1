"""Receipts: what arrived of what was expected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Path, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from stockbridge.api import bodies, examples
from stockbridge.api.auth import BEARER, Caller, Door
from stockbridge.api.bodies import Receipt
from stockbridge.api.described import same_again
from stockbridge.api.paging import Utc
from stockbridge.api.posting import Keyed, Posted, anew, counted_in, once, posted, said_by
from stockbridge.api.problems import refusal
from stockbridge.api.purchase_orders import found_order
from stockbridge.api.resolving import Faults, named
from stockbridge.api.said import Part, Said
from stockbridge.api.services import ApiServices, Services
from stockbridge.api.times import time_faults
from stockbridge.domain.commands import Key
from stockbridge.domain.days import day_at
from stockbridge.domain.errors import Conflict, Fault
from stockbridge.domain.stock import StockStatus, lot_of_receipt
from stockbridge.ledger import lots
from stockbridge.ledger.lots import Lot
from stockbridge.ledger.requests import ReceivedLine, ReceiveStock
from stockbridge.ledger.writer import Attachment, Outcome
from stockbridge.records import catalog, inbound, places
from stockbridge.records.catalog import Location, Product
from stockbridge.records.inbound import InboundOrder
from stockbridge.records.keys import ApiKey

router = APIRouter(prefix="/api/orders/inbound", tags=["stock in"], route_class=Door, dependencies=[BEARER])

_TRIES: Final = 5
"""How often a receipt is tried that changes when a lot expires, while the lot comes to other sites."""

_LOOKS: Final = 10
"""How often a receipt looks at a purchase order that is being amended meanwhile."""


class ReceivedView(BaseModel):
    """What arrived of a line, in base units. `expires_on` is when its lot expires by all that is known.

    `expiry_computed` says that this follows from the product's shelf life, since nobody told it.
    """

    line_no: int
    sku: str
    quantity: int
    lot: str | None
    expires_on: str | None
    expiry_computed: bool
    produced_on: str | None
    serial_numbers: list[str]
    stock_status: StockStatus


class ReceiptView(BaseModel):
    """A receipt."""

    receipt_no: str
    po_no: str
    location_id: str
    posting_id: str
    recorded_at: Utc
    lines: list[ReceivedView]


@router.post("/{po_no}/receipts", status_code=201, responses=same_again(ReceiptView))
async def receive(
    services: Services,
    caller: Caller,
    response: Response,
    po_no: Annotated[Key, Path()],
    said: Annotated[Said[Receipt], Body(examples=[examples.RECEIPT])],
) -> ReceiptView:
    """Take stock in. More than is still expected is refused, unless `allow_over` says that it is meant.

    A sku that is tracked by lots gets a lot of its own where the supplier names none. When a lot expires may be told
    once, by any of its receipts; one that contradicts that is refused. Until then it is computed from the product's
    shelf life: from the day that the lot was produced, or first came.
    """
    keyed = Keyed[Receipt](ReceiveStock, lambda body: f"receipt/{po_no}/{body.receipt_no}")

    async def look() -> Outcome:
        return await anew("order_amended", _LOOKS, lambda: _receive(services, caller, po_no, said, keyed))

    outcome = await once(services, caller, said, keyed, look)
    response.status_code = 200 if outcome.replayed else 201
    async with services.reading() as connection:
        return await _receipt(connection, caller.tenant, po_no, said.settle(), outcome)


async def _receive(
    services: ApiServices, caller: ApiKey, po_no: str, said: Said[Receipt], keyed: Keyed[Receipt]
) -> Outcome:
    async with services.reading() as connection:
        order = await found_order(connection, caller.tenant, po_no)
        receiving = await _receiving(connection, caller.tenant, order, said.part)
        now, zone = await places.clock_of(connection, caller.tenant, order.site)
        receiving.faults.found += await time_faults(connection, said.part, services.window)
        receiving.faults.found += _made_too_late(
            said.part, services.ledger.days.today(zone, now + services.window.ahead)
        )
    body = said.settle(receiving.faults.found)
    came_on = day_at(body.occurred_at, zone) if body.occurred_at else services.ledger.days.today(zone, now)
    return await _post(services, caller, receiving, body, keyed.key(body), came_on)


def _made_too_late(part: Part, today: date) -> Iterator[Fault]:
    """Say what cannot have been produced yet, by the day of the site."""
    for line in part.parts("lines"):
        told = line.get("produced_on") if line.readable("produced_on") else None
        if told is not None and date.fromisoformat(told) > today:
            detail = f"{told} is later than today, which is {today} at the site"
            yield line.fault("produced_on", "time_in_future", detail)


@dataclass
class _Receiving:
    """A receipt on its way into the ledger."""

    order: InboundOrder
    faults: Faults
    products: dict[str, Product]
    location: Location | None
    lines: list[dict[str, Any]]

    def over(self, order: InboundOrder) -> list[Fault]:
        """Say which lines bring more than is still expected."""
        missing = {line.line_no: line.missing for line in order.lines}
        brought: dict[int, int] = defaultdict(int)
        faults = []
        for index, line in enumerate(self.lines):
            line_no, sku = line["line_no"], line["sku"]
            brought[line_no] += line["quantity"]
            if brought[line_no] > missing[line_no]:
                detail = f"{missing[line_no]} of {sku} are still expected, not {brought[line_no]}"
                faults.append(Fault(f"/lines/{index}/quantity", "over_receipt", detail))
        return faults

    def brought(self) -> dict[int, int]:
        """Return how much of each line has arrived."""
        brought: dict[int, int] = defaultdict(int)
        for line in self.lines:
            brought[line["line_no"]] += line["quantity"]
        return brought

    def attachment(self, tenant: str, *, allow_over: bool) -> Attachment:
        """Return what commits with the posting: how much has arrived, compared under the purchase order's lock."""

        async def count(connection: AsyncConnection, _outcome: Outcome) -> None:
            po_no = self.order.po_no
            order = await inbound.lock(connection, tenant, po_no)
            if order is None or order.revision != self.order.revision:
                raise Conflict(f"{po_no} was amended while its goods were received.", code="order_amended")
            if not allow_over and (faults := self.over(order)):
                raise refusal(faults)
            await inbound.add_received(connection, tenant, po_no, self.brought())

        return counted_in(tenant, self.products, count)


async def _receiving(connection: AsyncConnection, tenant: str, order: InboundOrder, part: Part) -> _Receiving:
    """Check a receipt by the order and the catalog."""
    faults = Faults()
    parts = list(part.parts("lines"))
    products = await catalog.products(connection, tenant, {line.sku for line in order.lines})
    known = await catalog.locations(connection, tenant, named([part], "location_id"))
    location = faults.stock_location(part, "location_id", known, order.site)
    lots = [lot_of_receipt(order.po_no, str(part.get("receipt_no")), number) for number in range(1, len(parts) + 1)]
    resolved = [_received(faults, line, order, products, lot) for line, lot in zip(parts, lots, strict=True)]
    return _Receiving(order, faults, products, location, [line for line in resolved if line is not None])


def _received(
    faults: Faults, part: Part, order: InboundOrder, products: dict[str, Product], own_lot: str
) -> dict[str, Any] | None:
    """Check a line. `own_lot` is its lot where the supplier names none of a sku that is tracked by lots."""
    line_no = part.get("line_no")
    if line_no is None:
        return None
    line = order.line(line_no)
    if line is None:
        faults.add(part, "line_no", "unknown_line", f"The inbound order has no line {line_no}")
        return None
    product = products[line.sku]
    faults.stocked(part, product, "line_no")
    factor = line.factor if part.readable("uom") and part.get("uom") == line.uom else None
    quantity = faults.base_units(part, product, factor=factor)
    faults.serials(part, product, quantity)
    lot = part.get("lot") or (own_lot if product.tracking == "lot" else None)
    return {"line_no": line_no, "sku": line.sku, "quantity": quantity, "lot": lot, "product": product}


async def _post(
    services: ApiServices, caller: ApiKey, receiving: _Receiving, body: Receipt, key: str, came_on: date
) -> Outcome:
    """Post a receipt; where it changes when a lot expires, for all sites that the lot has come to."""
    assert receiving.location is not None
    place = receiving.location.place

    async def receive_by_what_is_known() -> Outcome:
        async with services.reading() as connection:
            named_lots = {(line["sku"], line["lot"]) for line in receiving.lines if line["lot"]}
            known = await lots.find_lots(connection, caller.tenant, named_lots)
        request = ReceiveStock(
            **said_by(caller, body),
            key=key,
            occurred_at=body.occurred_at,
            place=place,
            lines=tuple(
                _to_receive(line, told, known.get((line["sku"], line["lot"])), came_on)
                for line, told in zip(receiving.lines, body.lines, strict=True)
            ),
        )
        return await services.ledger.post(request, receiving.attachment(caller.tenant, allow_over=body.allow_over))

    return await anew("lot_moved", _TRIES, receive_by_what_is_known)


def _to_receive(line: dict[str, Any], told: bodies.ReceivedLine, known: Lot | None, came_on: date) -> ReceivedLine:
    """Return a line as the ledger takes it. `known` is what is known of its lot before."""
    undated = known is not None and (known.expires_on is None or known.expiry_computed)
    return ReceivedLine(
        sku=line["sku"],
        quantity=line["quantity"],
        lot=line["lot"] or "",
        expires_on=told.expires_on,
        serial_numbers=told.serial_numbers,
        stock_status=told.stock_status,
        produced_on=told.produced_on,
        shelf_life_days=line["product"].shelf_life_days,
        came_on=came_on,
        sites=known.sites if known and undated and (told.expires_on or told.produced_on) else (),
    )


async def _receipt(connection: AsyncConnection, tenant: str, po_no: str, body: Receipt, outcome: Posted) -> ReceiptView:
    """Show a receipt as it was posted, in the units and lots of then."""
    received = await _received_then(connection, tenant, po_no, body, outcome)
    return ReceiptView(
        receipt_no=body.receipt_no,
        po_no=po_no,
        location_id=body.location_id,
        posting_id=str(posted(outcome)),
        recorded_at=outcome.recorded_at,
        lines=[_received_view(told, then) for told, then in zip(body.lines, received, strict=True)],
    )


def _received_view(told: bodies.ReceivedLine, then: dict[str, Any]) -> ReceivedView:
    """Show what arrived of a line. An answer of an older build does not say when the lot expires."""
    said = told.model_dump(mode="json", exclude={"uom"}) | {"expiry_computed": False}
    return ReceivedView.model_validate(said | then)


async def _received_then(
    connection: AsyncConnection, tenant: str, po_no: str, body: Receipt, outcome: Posted
) -> list[dict[str, Any]]:
    """Return what was received of each line, as the posting's answer has it.

    An older build kept no lots there: one of its own bears the receipt's name.
    """
    lines = []
    for number, (told, received) in enumerate(zip(body.lines, outcome.answer["received"], strict=True), 1):
        lot = received.get("lot", told.lot)
        if "lot" not in received and lot is None:
            own = lot_of_receipt(po_no, body.receipt_no, number)
            lot = own if await lots.find_lot(connection, tenant, received["sku"], own) else None
        lines.append({**received, "lot": lot or None})
    return lines
