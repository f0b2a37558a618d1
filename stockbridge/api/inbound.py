"""Stock in: what is expected, and what arrived of it."""

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
from stockbridge.api.bodies import Inbound, Receipt
from stockbridge.api.described import REFUSALS, same_again
from stockbridge.api.paging import Cursor, Limit, Page, Utc, cut, position
from stockbridge.api.posting import Keyed, Posted, anew, counted_in, once, posted, said_by
from stockbridge.api.problems import not_found, refusal
from stockbridge.api.resolving import Faults, named, stocked_product
from stockbridge.api.said import Part, Said, asked, digest
from stockbridge.api.services import ApiServices, Services
from stockbridge.api.times import time_faults
from stockbridge.domain.commands import Key
from stockbridge.domain.days import day_at
from stockbridge.domain.errors import Fault
from stockbridge.domain.stock import StockStatus, lot_of_receipt
from stockbridge.ledger import lots
from stockbridge.ledger.lots import Lot
from stockbridge.ledger.requests import ReceivedLine, ReceiveStock
from stockbridge.ledger.writer import Attachment, Outcome
from stockbridge.records import catalog, inbound, places
from stockbridge.records.catalog import Location, Product
from stockbridge.records.inbound import InboundLine, InboundOrder
from stockbridge.records.keys import ApiKey

router = APIRouter(prefix="/api/orders/inbound", tags=["stock in"], route_class=Door, dependencies=[BEARER])

_TRIES: Final = 5
"""How often a receipt is tried that changes when a lot expires, while the lot comes to other sites."""


class InboundLineView(BaseModel):
    """What is expected of a sku, and what of it has arrived, in base units."""

    line_no: int
    sku: str
    uom: str
    factor: int
    expected: int
    received: int


class InboundView(BaseModel):
    """An inbound order: `expected`, `partly_received` or `received`."""

    po_no: str
    site: str
    supplier: str
    status: str
    lines: list[InboundLineView]
    created_at: Utc


@router.post("", status_code=201, responses=same_again(InboundView))
async def add_inbound(
    services: Services,
    caller: Caller,
    response: Response,
    said: Annotated[Said[Inbound], Body(examples=[examples.INBOUND])],
) -> InboundView:
    """Announce what a supplier is going to send."""
    async with services.engine.begin() as connection:
        response.status_code = 200
        if said.body is None or not await _came_before(connection, caller.tenant, said.body):
            faults, lines = await _resolve(connection, caller.tenant, said.part)
            if await _add(connection, caller.tenant, said.settle(faults), lines):
                response.status_code = 201
        order = await _found(connection, caller.tenant, said.settle().po_no)
    return _view(order)


async def _came_before(connection: AsyncConnection, tenant: str, body: Inbound) -> bool:
    """Say whether the same came before. Raises `Conflict` where it had other content."""
    known = await inbound.digest_of(connection, tenant, body.po_no)
    if known is not None:
        inbound.check_same(body.po_no, known, digest(asked(body)))
    return known is not None


async def _add(connection: AsyncConnection, tenant: str, body: Inbound, lines: list[dict[str, Any]]) -> bool:
    return await inbound.add(
        connection,
        tenant=tenant,
        po_no=body.po_no,
        site=body.site,
        supplier=body.supplier,
        digest=digest(asked(body)),
        lines=lines,
    )


async def _resolve(connection: AsyncConnection, tenant: str, part: Part) -> tuple[list[Fault], list[dict[str, Any]]]:
    """Return what is wrong with an announcement by the catalog, and its lines in base units."""
    faults = Faults()
    lines = list(part.parts("lines"))
    products = await catalog.products(connection, tenant, named(lines, "sku"))
    site = part.get("site")
    if site is not None and site not in await catalog.sites_with_staging(connection, tenant, [site]):
        faults.add(part, "site", "unknown_site", f"There is no site {site}")
    faults.duplicate_lines(lines)
    resolved = [_expected(faults, line, products) for line in lines]
    return faults.found, [line for line in resolved if line is not None]


def _expected(faults: Faults, part: Part, products: dict[str, Product]) -> dict[str, Any] | None:
    product = stocked_product(faults, part, products)
    factor = faults.factor(part, product) if product else None
    if product is None or factor is None:
        return None
    return {
        "line_no": part.get("line_no"),
        "sku": product.sku,
        "uom": part.get("uom") or product.units.base_uom,
        "factor": factor,
        "expected": faults.base_units(part, product, factor=factor),
    }


@router.get("", responses=REFUSALS)
async def list_inbound(
    services: Services, caller: Caller, limit: Limit = 100, cursor: Cursor = None
) -> Page[InboundView]:
    """List inbound orders by number."""
    after = position(cursor, 1) or [""]
    async with services.reading() as connection:
        rows = await inbound.list_orders(connection, caller.tenant, after[0], limit + 1)
    items, following = cut(rows, limit, lambda order: [order.po_no])
    return Page(items=[_view(order) for order in items], next=following)


@router.get("/{po_no}", responses=REFUSALS)
async def get_inbound(services: Services, caller: Caller, po_no: Annotated[Key, Path()]) -> InboundView:
    """Return an inbound order."""
    async with services.reading() as connection:
        return _view(await _found(connection, caller.tenant, po_no))


async def _found(connection: AsyncConnection, tenant: str, po_no: str) -> InboundOrder:
    order = await inbound.get(connection, tenant, po_no)
    if order is None:
        raise not_found(f"inbound order {po_no}")
    return order


def _view(order: InboundOrder) -> InboundView:
    lines = [InboundLineView.model_validate(line, from_attributes=True) for line in order.lines]
    if all(line.received >= line.expected for line in lines):
        status = "received"
    else:
        status = "partly_received" if any(line.received for line in lines) else "expected"
    return InboundView(
        po_no=order.po_no,
        site=order.site,
        supplier=order.supplier,
        status=status,
        lines=lines,
        created_at=order.created_at,
    )


# -- receipts --------------------------------------------------------------------------------------------------------


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
    async with services.reading() as connection:
        order = await _found(connection, caller.tenant, po_no)
    keyed = Keyed[Receipt](ReceiveStock, lambda body: f"receipt/{po_no}/{body.receipt_no}")
    outcome = await once(services, caller, said, keyed, lambda: _receive(services, caller, order, said, keyed))
    response.status_code = 200 if outcome.replayed else 201
    async with services.reading() as connection:
        return await _receipt(connection, caller.tenant, po_no, said.settle(), outcome)


async def _receive(
    services: ApiServices, caller: ApiKey, order: InboundOrder, said: Said[Receipt], keyed: Keyed[Receipt]
) -> Outcome:
    async with services.reading() as connection:
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

    def over(self, expected: dict[int, tuple[int, int]]) -> list[Fault]:
        """Say which lines bring more than is still expected."""
        brought: dict[int, int] = defaultdict(int)
        faults = []
        for index, line in enumerate(self.lines):
            brought[line["line_no"]] += line["quantity"]
            wanted, received = expected[line["line_no"]]
            if received + brought[line["line_no"]] > wanted:
                missing, sku = max(0, wanted - received), line["sku"]
                detail = f"{missing} of {sku} are still expected, not {brought[line['line_no']]}"
                faults.append(Fault(f"/lines/{index}/quantity", "over_receipt", detail))
        return faults

    def attachment(self, tenant: str, *, allow_over: bool) -> Attachment:
        """Return what commits with the posting: how much has arrived, compared under the lines' locks."""

        async def count(connection: AsyncConnection, _outcome: Outcome) -> None:
            expected = await inbound.lock_received(connection, tenant, self.order.po_no)
            if not allow_over and (faults := self.over(expected)):
                raise refusal(faults)
            for line in self.lines:
                await inbound.add_received(connection, tenant, self.order.po_no, line["line_no"], line["quantity"])

        return counted_in(tenant, self.products, count)


async def _receiving(connection: AsyncConnection, tenant: str, order: InboundOrder, part: Part) -> _Receiving:
    """Check a receipt by the order and the catalog."""
    faults = Faults()
    parts = list(part.parts("lines"))
    lines = {line.line_no: line for line in order.lines}
    products = await catalog.products(connection, tenant, {line.sku for line in order.lines})
    known = await catalog.locations(connection, tenant, named([part], "location_id"))
    location = faults.stock_location(part, "location_id", known, order.site)
    lots = [lot_of_receipt(order.po_no, str(part.get("receipt_no")), number) for number in range(1, len(parts) + 1)]
    resolved = [_received(faults, line, lines, products, lot) for line, lot in zip(parts, lots, strict=True)]
    return _Receiving(order, faults, products, location, [line for line in resolved if line is not None])


def _received(
    faults: Faults, part: Part, lines: dict[int, InboundLine], products: dict[str, Product], own_lot: str
) -> dict[str, Any] | None:
    """Check a line. `own_lot` is its lot where the supplier names none of a sku that is tracked by lots."""
    line_no = part.get("line_no")
    if line_no is None:
        return None
    line = lines.get(line_no)
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
