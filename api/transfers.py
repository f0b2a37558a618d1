"""Stock on its way from one site to another: sent in one posting, and received in as many as it takes."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Path, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api import examples
from api.auth import BEARER, Caller, Door
from api.bodies import Transfer, TransferReceipt
from api.created import answer_posted
from api.described import REFUSALS, same_again
from api.paging import Utc
from api.posting import Keyed, counted_in, once, posted, said_by
from api.problems import not_found
from api.resolving import Faults, named, stocked_product
from api.said import Part, Said
from api.services import ApiServices, Services
from api.times import time_faults
from domain.commands import Key
from domain.errors import Fault
from domain.stock import StockStatus
from ledger.requests import ArrivedLine, ReceiveTransfer, SendTransfer, SentLine
from ledger.transfers import SentTransfer, find_transfer, transfer_key
from ledger.writer import Outcome
from records import catalog
from records.catalog import Location, Product
from records.keys import ApiKey

router = APIRouter(prefix="/api/inventory/transfers", tags=["stock"], route_class=Door, dependencies=[BEARER])


class SentLineView(BaseModel):
    """What was sent of a sku, in base units."""

    sku: str
    quantity: int
    lot: str | None


class OnTheWayView(BaseModel):
    """What is on the way, in base units."""

    sku: str
    lot: str | None
    serial_number: str | None
    stock_status: StockStatus
    quantity: int


class TransferView(BaseModel):
    """A transfer: what was sent, and what of it has not arrived."""

    transfer_no: str
    site: str
    to_site: str
    status: Literal["in_transit", "received"]
    sent_at: Utc
    lines: list[SentLineView]
    in_transit: list[OnTheWayView]


class ArrivedView(BaseModel):
    """What arrived of a sku, in base units, and what it became where it was put."""

    sku: str
    lot: str | None
    stock_status: StockStatus
    quantity: int


class MissingView(BaseModel):
    """What was sent and never came, in base units."""

    sku: str
    lot: str | None
    serial_number: str | None
    quantity: int


class TransferReceiptView(BaseModel):
    """A receipt of a transfer: what is `missing` if it was the last one, and how the transfer stands now."""

    receipt_no: str
    posting_id: UUID
    location_id: str
    arrived: list[ArrivedView]
    missing: list[MissingView]
    recorded_at: Utc
    transfer: TransferView


@router.post("", status_code=201, responses=same_again(TransferView))
async def send(
    services: Services,
    caller: Caller,
    response: Response,
    said: Annotated[Said[Transfer], Body(examples=[examples.TRANSFER])],
) -> TransferView:
    """Say that stock left for another site. Only what nobody was promised may go: the rest is to be given up first."""
    outcome = await once(services, caller, said, _SENDING, lambda: _send(services, caller, said))
    answer_posted(response, outcome)
    async with services.reading() as connection:
        return _view(await _found(connection, caller.tenant, said.settle().transfer_no))


_SENDING: Final = Keyed[Transfer](SendTransfer, lambda body: transfer_key(body.transfer_no))


async def _send(services: ApiServices, caller: ApiKey, said: Said[Transfer]) -> Outcome:
    async with services.reading() as connection:
        products = await catalog.products(connection, caller.tenant, named(said.part.parts("lines"), "sku"))
        faults, places, quantities = await _resolve_sending(connection, caller.tenant, said.part, products)
        faults += await time_faults(connection, said.part, services.window)
    body = said.settle(faults)
    request = SendTransfer(
        **said_by(caller, body),
        key=_SENDING.key(body),
        occurred_at=body.occurred_at,
        transfer_no=body.transfer_no,
        site=places[0].site,
        to_site=body.to_site,
        lines=tuple(
            SentLine(line.sku, place.place, quantity, line.lot or "", line.serial_numbers, line.stock_status)
            for line, place, quantity in zip(body.lines, places, quantities, strict=True)
        ),
    )
    return await services.ledger.post(request, counted_in(caller.tenant, products))


async def _resolve_sending(
    connection: AsyncConnection, tenant: str, part: Part, products: dict[str, Product]
) -> tuple[list[Fault], list[Location], list[int]]:
    """Return what is wrong with a transfer by the catalog, and where each line leaves with how much."""
    faults = Faults()
    lines = list(part.parts("lines"))
    known = await catalog.locations(connection, tenant, named(lines, "location_id"))
    sites = await catalog.sites_with_staging(connection, tenant, named([part], "to_site"))
    places = [faults.stock_location(line, "location_id", known) for line in lines]
    quantities = [_quantity(faults, line, products, lot_needed=True) for line in lines]
    _check_sites(faults, part, lines, [place.site if place else None for place in places], sites)
    return (
        faults.found,
        [place for place in places if place is not None],
        [quantity for quantity in quantities if quantity is not None],
    )


def _quantity(faults: Faults, line: Part, products: dict[str, Product], *, lot_needed: bool) -> int | None:
    product = stocked_product(faults, line, products)
    if product is None:
        return None
    quantity = faults.base_units(line, product)
    faults.serials(line, product, quantity)
    if lot_needed:
        faults.lot(line, product)
    return quantity


def _check_sites(
    faults: Faults, part: Part, lines: list[Part], leaving: list[str | None], sites: dict[str, bool]
) -> None:
    to_site = part.get("to_site")
    if to_site is not None and to_site not in sites:
        faults.add(part, "to_site", "unknown_site", f"There is no site {to_site}")
    first = next((site for site in leaving if site is not None), None)
    for line, site in zip(lines, leaving, strict=True):
        if site is not None and site != first:
            faults.add(line, "location_id", "two_sites", f"is in {site}, and the first line leaves {first}")
    if first is not None and first == to_site:
        faults.add(part, "to_site", "same_site", f"The stock is in {to_site} already: that is a move")


@router.get("/{transfer_no}", responses=REFUSALS)
async def get_transfer(services: Services, caller: Caller, transfer_no: Annotated[Key, Path()]) -> TransferView:
    """Return a transfer, and what of it is still on the way."""
    async with services.reading() as connection:
        return _view(await _found(connection, caller.tenant, transfer_no))


async def _found(connection: AsyncConnection, tenant: str, transfer_no: str) -> SentTransfer:
    found = await find_transfer(connection, tenant, transfer_no)
    if found is None:
        raise not_found(f"transfer {transfer_no}")
    return found


def _view(transfer: SentTransfer) -> TransferView:
    return TransferView(
        transfer_no=transfer.transfer_no,
        site=transfer.site,
        to_site=transfer.to_site,
        status="in_transit" if transfer.on_the_way else "received",
        sent_at=transfer.sent_at,
        lines=[SentLineView(**{**line, "lot": line["lot"] or None}) for line in transfer.lines],
        in_transit=[
            OnTheWayView(
                sku=key.sku,
                lot=key.lot or None,
                serial_number=key.serial_number or None,
                stock_status=key.stock_status,
                quantity=quantity,
            )
            for key, quantity in transfer.on_the_way
        ],
    )


@router.post("/{transfer_no}/receipts", status_code=201, responses=same_again(TransferReceiptView))
async def receive(
    services: Services,
    caller: Caller,
    response: Response,
    transfer_no: Annotated[Key, Path()],
    said: Annotated[Said[TransferReceipt], Body(examples=[examples.TRANSFER_RECEIPT])],
) -> TransferReceiptView:
    """Say what arrived of a transfer, and where it was put. What is blocked by a recall is quarantined there.

    So is what is put into a location of type `quarantine`; what is put into one of type `returns` is to be inspected.
    """
    async with services.reading() as connection:
        transfer = await _found(connection, caller.tenant, transfer_no)
    keyed = Keyed[TransferReceipt](
        ReceiveTransfer, lambda body: f"{transfer_key(transfer_no)}/receipt/{body.receipt_no}"
    )
    outcome = await once(services, caller, said, keyed, lambda: _receive(services, caller, transfer, said, keyed))
    body = said.settle()
    answer_posted(response, outcome)
    async with services.reading() as connection:
        now = await _found(connection, caller.tenant, transfer_no)
    return TransferReceiptView(
        receipt_no=body.receipt_no,
        posting_id=posted(outcome),
        location_id=body.location_id,
        arrived=[ArrivedView(**{**goods, "lot": goods["lot"] or None}) for goods in outcome.answer.get("arrived", ())],
        missing=[
            MissingView(
                sku=lost["sku"],
                lot=lost["lot"] or None,
                serial_number=lost["serial_number"] or None,
                quantity=lost["quantity"],
            )
            for lost in outcome.answer["missing"]
        ],
        recorded_at=outcome.recorded_at,
        transfer=_view(now),
    )


async def _receive(
    services: ApiServices,
    caller: ApiKey,
    transfer: SentTransfer,
    said: Said[TransferReceipt],
    keyed: Keyed[TransferReceipt],
) -> Outcome:
    async with services.reading() as connection:
        products = await catalog.products(connection, caller.tenant, named(said.part.parts("lines"), "sku"))
        faults, place, quantities = await _resolve_receipt(connection, caller.tenant, transfer, said.part, products)
        faults += await time_faults(connection, said.part, services.window)
    body = said.settle(faults)
    assert place is not None
    request = ReceiveTransfer(
        **said_by(caller, body),
        key=keyed.key(body),
        occurred_at=body.occurred_at,
        transfer_no=transfer.transfer_no,
        site=transfer.site,
        sent=tuple(sorted({line["sku"] for line in transfer.lines})),
        place=place.place,
        lines=tuple(
            ArrivedLine(line.sku, quantity, line.lot or "", line.serial_numbers, line.stock_status)
            for line, quantity in zip(body.lines, quantities, strict=True)
        ),
        complete=body.complete,
    )
    return await services.ledger.post(request, counted_in(caller.tenant, products))


async def _resolve_receipt(
    connection: AsyncConnection, tenant: str, transfer: SentTransfer, part: Part, products: dict[str, Product]
) -> tuple[list[Fault], Location | None, list[int]]:
    """Return what is wrong with a receipt by the transfer and the catalog, where the goods are, and how many."""
    faults = Faults()
    lines = list(part.parts("lines"))
    sent = {line["sku"] for line in transfer.lines}
    known = await catalog.locations(connection, tenant, named([part], "location_id"))
    place = faults.stock_location(part, "location_id", known, transfer.to_site)
    quantities = [_quantity(faults, line, products, lot_needed=False) for line in lines]
    for line in lines:
        faults.kept_as(line, "stock_status", place)
        sku = line.get("sku")
        if sku in products and sku not in sent:
            faults.add(line, "sku", "not_sent", f"{sku} was not sent with {transfer.transfer_no}")
    return faults.found, place, [quantity for quantity in quantities if quantity is not None]
