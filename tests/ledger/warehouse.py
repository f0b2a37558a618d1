"""Words for tests of the ledger: a warehouse of one tenant, and what may be asked of it in one line."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.orders import OrderLine
from domain.stock import Place, PlaceKind, StockStatus, StreamKey
from ledger.outcomes import Outcome
from ledger.reads.balances import order_lines
from ledger.requests import (
    AdjustStock,
    AmendOrder,
    CancelLines,
    ChangeStockStatus,
    ConfirmPick,
    CountMissing,
    DeliverLostParcel,
    DeliverParcel,
    Demand,
    IssueGoods,
    LineQuantity,
    LoseParcel,
    MoveStock,
    PickedLine,
    PutBack,
    ReceivedLine,
    ReceiveStock,
    Request,
    ReturnedLine,
    ReturnGoods,
    ReverseReceipt,
)
from ledger.writing.writer import LedgerWriter

SITE = "HAM"
BIN = Place("A-01", SITE)
OTHER_BIN = Place("A-02", SITE)
STAGING = Place("STAGE", SITE, PlaceKind.STAGING)
RETURNS = Place("RET", SITE)


@dataclass
class Warehouse:
    """Makes requests of one tenant with keys of their own, and posts them."""

    writer: LedgerWriter
    engine: AsyncEngine
    tenant: str
    number: int = 0
    former: dict[str, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))
    lots: dict[str, str] = field(default_factory=dict)
    """The lots that are meant of skus where none is named."""

    def key(self) -> str:
        """Return a key that was not used before."""
        self.number += 1
        return f"k{self.number}"

    def _common(self, key: str | None, **more: Any) -> dict[str, Any]:
        return {"tenant": self.tenant, "key": key or self.key(), "actor": "test", **more}

    async def post(self, request: Request) -> Outcome:
        """Post a request as it is."""
        return await self.writer.post(request)

    # -- requests ---------------------------------------------------------------------------------------------------

    def receipt(
        self,
        sku: str,
        quantity: int,
        place: Place = BIN,
        *,
        lot: str = "",
        expires_on: date | None = None,
        serials: tuple[str, ...] = (),
        stock_status: StockStatus = StockStatus.AVAILABLE,
        key: str | None = None,
        occurred_at: datetime | None = None,
    ) -> ReceiveStock:
        """Make the receipt of one line."""
        line = ReceivedLine(sku, quantity, lot or self.lots.get(sku, ""), expires_on, serials, stock_status)
        return ReceiveStock(**self._common(key, occurred_at=occurred_at), place=place, lines=(line,))

    def take_back(self, received: ReceiveStock) -> ReverseReceipt:
        """Make the reversal of a receipt."""
        goods = tuple(
            (StreamKey(self.tenant, line.sku, received.place, line.lot, serial, line.stock_status), each)
            for line in received.lines
            for serial, each in ([(serial, 1) for serial in line.serial_numbers] or [("", line.quantity)])
        )
        return ReverseReceipt(**self._common(None), goods=goods)

    def order(
        self,
        order_ref: str,
        *lines: tuple[int, str, int] | tuple[int, str, int, str],
        policy: str = "backorder",
        priority: int = 0,
        key: str | None = None,
        site: str = SITE,
    ) -> AmendOrder:
        """Make an order, or the next revision of it: lines are (line_no, sku, quantity, lot)."""
        demands = tuple(Demand(line_no, sku, site, ordered, "EA", 1, *lot) for line_no, sku, ordered, *lot in lines)
        former = tuple(sorted(self.former[order_ref]))
        self.former[order_ref] |= {(demand.site, demand.sku) for demand in demands}
        return AmendOrder(
            **self._common(key),
            order_ref=order_ref,
            priority=priority,
            shortage_policy=policy,
            lines=demands,
            former=former,
        )

    def pick(
        self,
        order_ref: str,
        line_no: int,
        sku: str,
        quantity: int | None,
        *,
        place: Place | None = None,
        lot: str = "",
        serials: tuple[str, ...] = (),
        short: bool = False,
        key: str | None = None,
    ) -> ConfirmPick:
        """Make the pick of one line."""
        line = PickedLine(line_no, sku, SITE, quantity, lot, serials, place)
        return ConfirmPick(**self._common(key), order_ref=order_ref, lines=(line,), staging=(STAGING,), short=short)

    def put_back(
        self,
        order_ref: str,
        line_no: int,
        sku: str,
        quantity: int | None,
        place: Place = BIN,
        *,
        lot: str = "",
        serials: tuple[str, ...] = (),
    ) -> PutBack:
        """Make the put-back of one line."""
        line = PickedLine(line_no, sku, SITE, quantity, lot, serials, place)
        return PutBack(**self._common(None), order_ref=order_ref, lines=(line,))

    def cancel(
        self, order_ref: str, *lines: tuple[int, str, int | None], only_backordered: bool = False
    ) -> CancelLines:
        """Make the cancellation of lines."""
        return CancelLines(
            **self._common(None),
            order_ref=order_ref,
            lines=tuple(LineQuantity(line_no, sku, SITE, quantity) for line_no, sku, quantity in lines),
            only_backordered=only_backordered,
        )

    def issue(
        self,
        order_ref: str,
        shipment_no: str,
        *lines: tuple[int, str, int],
        lot: str = "",
        serials: tuple[str, ...] = (),
        kept: tuple[LineQuantity, ...] = (),
    ) -> IssueGoods:
        """Make the goods issue of a shipment."""
        return IssueGoods(
            **self._common(None),
            order_ref=order_ref,
            shipment_no=shipment_no,
            lines=_of(lines, lot, serials),
            kept=kept,
        )

    def deliver(
        self,
        order_ref: str,
        shipment_no: str,
        *lines: tuple[int, str, int],
        lot: str = "",
        serials: tuple[str, ...] = (),
    ) -> DeliverParcel:
        """Make the delivery of a parcel."""
        return DeliverParcel(
            **self._common(None),
            order_ref=order_ref,
            shipment_no=shipment_no,
            order_site=SITE,
            lines=_of(lines, lot, serials),
        )

    def lose(
        self,
        order_ref: str,
        shipment_no: str,
        *lines: tuple[int, str, int],
        cause: str = "lost",
        resend: bool = False,
        lot: str = "",
        serials: tuple[str, ...] = (),
    ) -> LoseParcel:
        """Make the loss of a parcel."""
        return LoseParcel(
            **self._common(None),
            order_ref=order_ref,
            shipment_no=shipment_no,
            cause=cause,
            resend=resend,
            lines=_of(lines, lot, serials),
        )

    def find(
        self,
        order_ref: str,
        shipment_no: str,
        *lines: tuple[int, str, int],
        lot: str = "",
        serials: tuple[str, ...] = (),
        sent_again: bool = False,
    ) -> DeliverLostParcel:
        """Make the delivery of a parcel that was lost."""
        return DeliverLostParcel(
            **self._common(None),
            order_ref=order_ref,
            shipment_no=shipment_no,
            order_site=SITE,
            sent_again=sent_again,
            lines=_of(lines, lot, serials),
        )

    def give_back(
        self,
        order_ref: str,
        line_no: int,
        sku: str,
        quantity: int,
        *,
        shipment_no: str | None = None,
        condition: StockStatus = StockStatus.INSPECTION,
        place: Place = RETURNS,
        resend: bool = False,
        lot: str = "",
        serials: tuple[str, ...] = (),
    ) -> ReturnGoods:
        """Make the return of one line."""
        line = ReturnedLine(line_no, sku, SITE, quantity, lot, serials, condition)
        return ReturnGoods(
            **self._common(None),
            order_ref=order_ref,
            lines=(line,),
            place=place,
            order_site=SITE,
            shipment_no=shipment_no,
            resend=resend,
        )

    def move(self, sku: str, quantity: int, place: Place, to: Place, lot: str = "") -> MoveStock:
        """Make a move inside the site."""
        return MoveStock(**self._common(None), stream=self.stream(sku, place, lot), to=to, quantity=quantity)

    def restate(
        self,
        sku: str,
        quantity: int,
        to: StockStatus,
        place: Place = BIN,
        was: StockStatus = StockStatus.AVAILABLE,
        *,
        lot: str = "",
    ) -> ChangeStockStatus:
        """Make a change of status."""
        stream = self.stream(sku, place, lot, stock_status=was)
        return ChangeStockStatus(**self._common(None), stream=stream, to=to, quantity=quantity)

    def adjust(self, sku: str, delta: int, place: Place = BIN, serial: str = "") -> AdjustStock:
        """Make the correction after a count."""
        stream = self.stream(sku, place, serial=serial)
        return AdjustStock(**self._common(None), stream=stream, delta=delta, cause="cycle_count")

    def count_missing(self, sku: str, missing: int, found: int, place: Place = BIN) -> CountMissing:
        """Make the count of what a picker missed."""
        stream = self.stream(sku, place, stock_status=StockStatus.INSPECTION)
        return CountMissing(**self._common(None), stream=stream, missing=missing, found=found)

    def stream(
        self,
        sku: str,
        place: Place = BIN,
        lot: str = "",
        serial: str = "",
        stock_status: StockStatus = StockStatus.AVAILABLE,
    ) -> StreamKey:
        """Name a stream."""
        return StreamKey(self.tenant, sku, place, lot or self.lots.get(sku, ""), serial, stock_status)

    # -- looking ------------------------------------------------------------------------------------------------------

    async def line(self, order_ref: str, line_no: int = 1, sku: str | None = None) -> OrderLine:
        """Return a line of an order, as the ledger has it."""
        async with self.engine.connect() as connection:
            lines = (await order_lines(connection, self.tenant, [order_ref]))[order_ref]
        return next(line for line in lines if line.line_no == line_no and sku in {None, line.sku})

    async def state(self, sku: str) -> dict[str, tuple[int, int]]:
        """Return on_hand and reserved of each stream of a sku that holds something, by a short name."""
        query = text(
            """
            select concat_ws('/', s.location_id, nullif(s.lot, ''), nullif(s.serial_number, ''),
                             nullif(s.stock_status, 'available')), t.on_hand, t.reserved
            from ledger.stream s cross join lateral (
              select on_hand, reserved from ledger.entry e where e.stream_id = s.stream_id order by seq desc limit 1
            ) t
            where s.tenant = :tenant and s.sku = :sku and (t.on_hand <> 0 or t.reserved <> 0)
            """
        )
        async with self.engine.connect() as connection:
            rows = await connection.execute(query, {"tenant": self.tenant, "sku": sku})
            return {name: (on_hand, reserved) for name, on_hand, reserved in rows}

    async def count(self, table: str) -> int:
        """Return how many rows of a table of the ledger are this tenant's."""
        async with self.engine.connect() as connection:
            query = text(f"select count(*) from ledger.{table} where tenant = :tenant")
            return int((await connection.execute(query, {"tenant": self.tenant})).scalar_one())


def _of(lines: tuple[tuple[int, str, int], ...], lot: str, serials: tuple[str, ...]) -> tuple[LineQuantity, ...]:
    return tuple(LineQuantity(line_no, sku, SITE, quantity, lot, serials) for line_no, sku, quantity in lines)
