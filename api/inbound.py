"""Receipts: what arrived of what was expected, or without a purchase order where the site takes it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Body, Path, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api import examples
from api.auth import BEARER, Caller, Door
from api.bodies import Receipt, ReceivedGoods, UnorderedReceipt
from api.created import answer_posted
from api.described import REFUSALS, same_again
from api.paging import Utc
from api.posting import Keyed, Posted, anew, counted_in, once, posted, said_by
from api.problems import not_found, refusal
from api.purchase_orders import found_order
from api.resolving import Faults, named, stocked_product
from api.said import Part, Said
from api.services import ApiServices, Services
from api.times import time_faults
from domain.commands import Key
from domain.days import day_at
from domain.errors import Conflict, Fault
from domain.lot_numbers import Arrival, LotPattern
from domain.stock import StockStatus
from ledger import lots
from ledger.lots import Lot
from ledger.receipts import receipt_key
from ledger.requests import ReceivedLine, ReceiveStock
from ledger.writer import Attachment, Outcome
from records import catalog, inbound, places, receipts
from records.catalog import Location, Product
from records.inbound import InboundOrder
from records.keys import ApiKey

router = APIRouter(prefix="/api/orders/inbound", tags=["stock in"], route_class=Door, dependencies=[BEARER])
unordered = APIRouter(prefix="/api/inventory/receipts", tags=["stock in"], route_class=Door, dependencies=[BEARER])

_TRIES: Final = 5
"""How often a receipt is tried that changes when a lot expires, while the lot comes to other sites."""

_LOOKS: Final = 10
"""How often a receipt looks at a purchase order that is being amended meanwhile."""

_Told = Receipt | UnorderedReceipt

_OwnLot = Callable[[str], str]
"""Numbers the lot of a line by its sku, where the supplier did not."""


class ReceivedGoodsView(BaseModel):
    """What arrived of a sku, in base units. `stock_status` is what it became where it was put.

    `expires_on` is when its lot expires by all that is known. `expiry_computed` says that this follows from the
    product's shelf life, since nobody told it.
    """

    sku: str
    quantity: int
    lot: str | None
    expires_on: str | None
    expiry_computed: bool
    produced_on: str | None
    serial_numbers: list[str]
    stock_status: StockStatus


class ReceivedView(ReceivedGoodsView):
    """What arrived of a line, in base units."""

    line_no: int


class ReversalView(BaseModel):
    """How a receipt was taken back, and why."""

    reversal_no: str
    reason: str
    actor: str
    posting_id: UUID
    recorded_at: Utc


class UnorderedReceiptView(BaseModel):
    """A receipt without a purchase order."""

    receipt_no: str
    location_id: str
    supplier: str | None
    posting_id: str
    recorded_at: Utc
    lines: list[ReceivedGoodsView]
    reversal: ReversalView | None


class ReceiptView(BaseModel):
    """A receipt."""

    receipt_no: str
    po_no: str
    location_id: str
    posting_id: str
    recorded_at: Utc
    lines: list[ReceivedView]
    reversal: ReversalView | None


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

    What is put into a location of type `quarantine` is quarantined there, what is put into one of type `returns` is to
    be inspected.
    """

    async def ask() -> Outcome:
        async with services.reading() as connection:
            order = await found_order(connection, caller.tenant, po_no)
            receiving = await _receiving(services, connection, caller.tenant, order, said)
        return await _post(services, caller, receiving, said.settle(receiving.faults.found))

    keyed = Keyed[Receipt](ReceiveStock, lambda body: receipt_key(po_no, body.receipt_no))
    outcome = await once(services, caller, said, keyed, lambda: anew("order_amended", _LOOKS, ask))
    answer_posted(response, outcome)
    async with services.reading() as connection:
        kept = await _kept(connection, caller.tenant, po_no, said.settle(), outcome)
        return ReceiptView.model_validate(await _shown(connection, caller.tenant, kept))


@unordered.post("", status_code=201, responses=same_again(UnorderedReceiptView))
async def receive_unordered(
    services: Services,
    caller: Caller,
    response: Response,
    said: Annotated[Said[UnorderedReceipt], Body(examples=[examples.UNORDERED_RECEIPT])],
) -> UnorderedReceiptView:
    """Take stock in that no purchase order names, where the site does: its location says so.

    Lots, and when they expire, are as with any receipt.
    """

    async def ask() -> Outcome:
        async with services.reading() as connection:
            receiving = await _receiving_unordered(services, connection, caller.tenant, said)
        return await _post(services, caller, receiving, said.settle(receiving.faults.found))

    keyed = Keyed[UnorderedReceipt](ReceiveStock, lambda body: receipt_key("", body.receipt_no))
    outcome = await once(services, caller, said, keyed, ask)
    answer_posted(response, outcome)
    async with services.reading() as connection:
        kept = await _kept(connection, caller.tenant, "", said.settle(), outcome)
        return UnorderedReceiptView.model_validate(await _shown(connection, caller.tenant, kept))


@dataclass
class _Receiving:
    """A receipt on its way into the ledger. `order` is None where no purchase order was named."""

    order: InboundOrder | None
    faults: Faults
    products: dict[str, Product]
    location: Location | None
    lines: list[dict[str, Any]]
    came_on: date

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

    @property
    def po_no(self) -> str:
        """The purchase order's number; empty where there is none."""
        return self.order.po_no if self.order else ""

    def attachment(self, tenant: str, body: _Told) -> Attachment:
        """Return what commits with the posting: what was said, and how much of the purchase order has arrived."""

        async def keep(connection: AsyncConnection, outcome: Outcome) -> None:
            if isinstance(body, Receipt):
                await self._count(connection, tenant, allow_over=body.allow_over)
            then = outcome.answer["received"]
            received = [{"lot": line["lot"], **kept} for line, kept in zip(self.lines, then, strict=True)]
            await receipts.add(connection, tenant, _receipt(self.po_no, body, received, outcome))

        return counted_in(tenant, self.products, keep)

    async def _count(self, connection: AsyncConnection, tenant: str, *, allow_over: bool) -> None:
        """Count what has arrived, compared with what is expected under the purchase order's lock."""
        order = await inbound.lock(connection, tenant, self.po_no)
        if order is None or self.order is None or order.revision != self.order.revision:
            raise Conflict(f"{self.po_no} was amended while its goods were received.", code="order_amended")
        if not allow_over and (faults := self.over(order)):
            raise refusal(faults)
        await inbound.add_received(connection, tenant, self.po_no, self.brought())


async def _receiving(
    services: ApiServices, connection: AsyncConnection, tenant: str, order: InboundOrder, said: Said[Receipt]
) -> _Receiving:
    """Check a receipt by the order and the catalog."""
    faults, part = Faults(), said.part
    parts = list(part.parts("lines"))
    products = await catalog.products(connection, tenant, {line.sku for line in order.lines})
    known = await catalog.locations(connection, tenant, named([part], "location_id"))
    location = faults.stock_location(part, "location_id", known, order.site)
    came_on = await _came_on(services, connection, tenant, order.site, said, faults)
    lot_of = _lots_of(services, tenant, said.body, came_on, order.po_no)
    resolved = [
        _received(faults, line, order, products, partial(lot_of, number)) for number, line in enumerate(parts, 1)
    ]
    for line in parts:
        faults.kept_as(line, "stock_status", location)
    return _Receiving(order, faults, products, location, [line for line in resolved if line is not None], came_on)


async def _came_on(
    services: ApiServices, connection: AsyncConnection, tenant: str, site: str, said: Said[Any], faults: Faults
) -> date:
    """Say on which day of their site goods came, and note what can't have happened by then."""
    now, zone = await places.clock_of(connection, tenant, site)
    days = services.ledger.days
    faults.found += await time_faults(connection, said.part, services.window)
    faults.found += _made_too_late(said.part, days.today(zone, now + services.window.ahead))
    told = said.body.occurred_at if said.body else None
    return day_at(told, zone) if told else days.today(zone, now)


def _made_too_late(part: Part, today: date) -> Iterator[Fault]:
    """Say what cannot have been produced yet, by the day of the site."""
    for line in part.parts("lines"):
        told = line.get("produced_on") if line.readable("produced_on") else None
        if told is not None and date.fromisoformat(told) > today:
            detail = f"{told} is later than today, which is {today} at the site"
            yield line.fault("produced_on", "time_in_future", detail)


def _lots_of(
    services: ApiServices, tenant: str, body: _Told | None, came_on: date, po_no: str = ""
) -> Callable[[int, str], str]:
    """Return what numbers the lots of a receipt that have none, by line and sku: the tenant's pattern."""
    pattern = services.lot_patterns.get(tenant, LotPattern())
    receipt_no = body.receipt_no if body else ""
    return lambda number, sku: pattern.lot_of(Arrival(po_no, receipt_no, number, sku, came_on))


def _received(
    faults: Faults, part: Part, order: InboundOrder, products: dict[str, Product], own_lot: _OwnLot
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
    return {"line_no": line_no, **_goods(faults, part, product, factor, own_lot)}


async def _receiving_unordered(
    services: ApiServices, connection: AsyncConnection, tenant: str, said: Said[UnorderedReceipt]
) -> _Receiving:
    """Check a receipt without a purchase order by the site and the catalog."""
    faults, part = Faults(), said.part
    parts = list(part.parts("lines"))
    products = await catalog.products(connection, tenant, named(parts, "sku"))
    known = await catalog.locations(connection, tenant, named([part], "location_id"))
    location = faults.stock_location(part, "location_id", known)
    if location is not None and not await catalog.takes_without_order(connection, tenant, location.site):
        faults.add(part, "location_id", "order_required", f"{location.site} takes nothing in without a purchase order")
    site = location.site if location else ""
    came_on = await _came_on(services, connection, tenant, site, said, faults)
    lot_of = _lots_of(services, tenant, said.body, came_on)
    lines = [
        _goods(faults, line, product, None, partial(lot_of, number))
        for number, line in enumerate(parts, 1)
        if (product := stocked_product(faults, line, products)) is not None
    ]
    for line in parts:
        faults.kept_as(line, "stock_status", location)
    return _Receiving(None, faults, products, location, lines, came_on)


def _goods(faults: Faults, part: Part, product: Product, factor: int | None, own_lot: _OwnLot) -> dict[str, Any]:
    """Check what arrived of a sku. `own_lot` is its lot where the supplier names none, if it is tracked by lots."""
    quantity = faults.base_units(part, product, factor=factor)
    faults.serials(part, product, quantity)
    lot = part.get("lot") or (own_lot(product.sku) if product.tracking == "lot" else None)
    return {"sku": product.sku, "quantity": quantity, "lot": lot, "product": product}


async def _post(services: ApiServices, caller: ApiKey, receiving: _Receiving, body: _Told) -> Outcome:
    """Post a receipt; where it changes when a lot expires, for all sites that the lot has come to."""

    async def receive_by_what_is_known() -> Outcome:
        async with services.reading() as connection:
            named_lots = {(line["sku"], line["lot"]) for line in receiving.lines if line["lot"]}
            known = await lots.find_lots(connection, caller.tenant, named_lots)
        request = _request(caller, receiving, body, known)
        return await services.ledger.post(request, receiving.attachment(caller.tenant, body))

    return await anew("lot_moved", _TRIES, receive_by_what_is_known)


def _request(caller: ApiKey, receiving: _Receiving, body: _Told, known: Mapping[tuple[str, str], Lot]) -> ReceiveStock:
    assert receiving.location is not None
    return ReceiveStock(
        **said_by(caller, body),
        key=receipt_key(receiving.po_no, body.receipt_no),
        occurred_at=body.occurred_at,
        place=receiving.location.place,
        lines=tuple(
            _to_receive(line, told, known.get((line["sku"], line["lot"])), receiving.came_on)
            for line, told in zip(receiving.lines, body.lines, strict=True)
        ),
    )


def _to_receive(line: dict[str, Any], told: ReceivedGoods, known: Lot | None, came_on: date) -> ReceivedLine:
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


def _receipt(po_no: str, body: _Told, received: Iterable[dict[str, Any]], outcome: Posted) -> receipts.Receipt:
    """Return a receipt as it is kept: what was said, in the units and lots in which it was received."""
    return receipts.Receipt(
        po_no=po_no,
        receipt_no=body.receipt_no,
        location_id=body.location_id,
        supplier=body.supplier if isinstance(body, UnorderedReceipt) else None,
        posting_id=posted(outcome),
        recorded_at=outcome.recorded_at,
        lines=[_received_line(told, then) for told, then in zip(body.lines, received, strict=True)],
    )


def _received_line(told: ReceivedGoods, then: dict[str, Any]) -> dict[str, Any]:
    """Show what arrived of a line. An answer of an older build does not say when the lot expires."""
    said = told.model_dump(mode="json", exclude={"uom"}) | {"expiry_computed": False}
    return said | then | {"lot": then["lot"] or None}


# -- what was received before ----------------------------------------------------------------------------------------


async def _kept(connection: AsyncConnection, tenant: str, po_no: str, body: _Told, outcome: Posted) -> receipts.Receipt:
    """Return a receipt as it was kept; one that an older build took in, as the posting's answer has it."""
    kept = await receipts.get(connection, tenant, po_no, body.receipt_no)
    if kept is not None:
        return kept
    return _receipt(po_no, body, await _received_then(connection, tenant, po_no, body, outcome), outcome)


async def _received_then(
    connection: AsyncConnection, tenant: str, po_no: str, body: _Told, outcome: Posted
) -> list[dict[str, Any]]:
    """Return what was received of each line, as the posting's answer has it.

    An older build kept no lots there: one of its own bears the receipt's name.
    """
    lines = []
    for number, (told, received) in enumerate(zip(body.lines, outcome.answer["received"], strict=True), 1):
        lot = received.get("lot", told.lot)
        if "lot" not in received and lot is None:
            own = LotPattern().lot_of(Arrival(po_no, body.receipt_no, number, received["sku"], date.min))
            lot = own if await lots.find_lot(connection, tenant, received["sku"], own) else None
        lines.append({**received, "lot": lot or None})
    return lines


async def _shown(connection: AsyncConnection, tenant: str, receipt: receipts.Receipt) -> dict[str, Any]:
    """Show a receipt, with how it was taken back if it was."""
    reversal = await receipts.reversal_of(connection, tenant, receipt.po_no, receipt.receipt_no)
    shown = {**vars(receipt), "posting_id": str(receipt.posting_id)}
    return {**shown, "reversal": ReversalView.model_validate(reversal, from_attributes=True) if reversal else None}


@router.get("/{po_no}/receipts/{receipt_no}", responses=REFUSALS)
async def get_receipt(
    services: Services, caller: Caller, po_no: Annotated[Key, Path()], receipt_no: Annotated[Key, Path()]
) -> ReceiptView:
    """Return a receipt as it was answered, and how it was taken back if it was."""
    return ReceiptView.model_validate(await _found(services, caller.tenant, po_no, receipt_no))


@unordered.get("/{receipt_no}", responses=REFUSALS)
async def get_unordered_receipt(
    services: Services, caller: Caller, receipt_no: Annotated[Key, Path()]
) -> UnorderedReceiptView:
    """Return a receipt without a purchase order, and how it was taken back if it was."""
    return UnorderedReceiptView.model_validate(await _found(services, caller.tenant, "", receipt_no))


async def _found(services: ApiServices, tenant: str, po_no: str, receipt_no: str) -> dict[str, Any]:
    async with services.reading() as connection:
        receipt = await receipts.get(connection, tenant, po_no, receipt_no)
        if receipt is None:
            raise not_found(f"receipt {receipt_no}")
        return await _shown(connection, tenant, receipt)
