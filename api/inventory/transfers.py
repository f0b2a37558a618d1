"""Stock on its way from one site to another: sent in one posting, and received in as many as it takes."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Body, Path, Response
from pydantic import BaseModel, BeforeValidator
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door import examples
from api.door.auth import Caller, behind_the_door
from api.door.created import answer_posted
from api.door.openapi import REFUSALS, same_again
from api.door.paging import Utc
from api.door.request_body import Said
from api.door.services import Services
from commands.inventory.receive_transfer import receive_transfer
from commands.inventory.transfer import transfer_stock
from commands.posting import posted
from domain.commands import Key
from domain.refusals import not_found
from domain.shapes import Transfer, TransferReceipt
from domain.stock import StockStatus
from ledger.reads.transfers import SentTransfer, find_transfer

router = behind_the_door("/api/inventory/transfers", "stock")


Named = Annotated[str | None, BeforeValidator(lambda name: name or None)]
"""The ledger calls a lot or a serial number empty where there is none."""


class SentLineView(BaseModel):
    """What was sent of a sku, in base units."""

    sku: str
    quantity: int
    lot: Named


class OnTheWayView(BaseModel):
    """What is on the way, in base units."""

    sku: str
    lot: Named
    serial_number: Named
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
    lot: Named
    stock_status: StockStatus
    quantity: int


class MissingView(BaseModel):
    """What was sent and never came, in base units."""

    sku: str
    lot: Named
    serial_number: Named
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
    outcome = await transfer_stock(services, caller, said)
    answer_posted(response, outcome)
    async with services.reading() as connection:
        return _view(await _found(connection, caller.tenant, said.settle().transfer_no))


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
        lines=[SentLineView(**vars(line)) for line in transfer.lines],
        in_transit=[
            OnTheWayView(
                sku=key.sku,
                lot=key.lot,
                serial_number=key.serial_number,
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
    outcome = await receive_transfer(services, caller, transfer, said)
    body = said.settle()
    answer_posted(response, outcome)
    async with services.reading() as connection:
        now = await _found(connection, caller.tenant, transfer_no)
    return TransferReceiptView(
        receipt_no=body.receipt_no,
        posting_id=posted(outcome),
        location_id=body.location_id,
        arrived=[ArrivedView(**goods) for goods in outcome.answer.get("arrived", ())],
        missing=[MissingView(**lost) for lost in outcome.answer["missing"]],
        recorded_at=outcome.recorded_at,
        transfer=_view(now),
    )
