"""The hub at a Tryton: its ERP port by the mapping that comes with it, and messages about a clerk's sales."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from adapters.erp.engine.adapter import MappedErp
from adapters.erp.engine.connected import ConnectedErp
from adapters.erp.files import FILE, folder
from domain.erp import ErpContent, ErpLine, ErpMessage, ErpMessageKind, ErpParcel, ErpReceipt
from domain.errors import OutcomeUnknown, Unavailable
from tests.adapters.erp.connected import connected
from tests.tryton.driving import Sale, Shipment
from tests.tryton.server import TrytonServer
from tests.tryton.template import HUB_KEY

LIMIT_S: Final = 40.0
NAME: Final = "tryton"


@cache
def _connected(address: str, database: str, key: str) -> ConnectedErp:
    settings = {
        "address": address,
        "database": database,
        "company": "1",
        "zone": "UTC",
        "site": "site-1",
        "carrier": "sandbox",
        "service_level": "ground",
    }
    return replace(connected((folder(NAME) / FILE).read_text(), folder(NAME), settings, {"key": key}), timeout_s=60)


@dataclass(frozen=True)
class Hub:
    """A hub, of which every attempt is a process of its own: it remembers nothing of the one before."""

    database: str
    address: str
    key: str = HUB_KEY

    @classmethod
    def at(cls, server: TrytonServer, address: str | None = None, key: str = HUB_KEY) -> Hub:
        """Connect it to a server, or through another address to it."""
        return cls(server.database, address or server.url, key)

    async def tell(self, message: ErpMessage) -> ErpReceipt:
        """Tell a message once."""
        return await asyncio.to_thread(self._tell, message)

    async def tell_until_it_ends(self, message: ErpMessage) -> ErpReceipt:
        """Tell a message, again and again where it isn't known what came of it."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            try:
                return await self.tell(message)
            except (OutcomeUnknown, Unavailable):
                if time.monotonic() > deadline:
                    raise

    async def find(self, reference: str) -> ErpReceipt | None:
        """Ask Tryton by our reference."""

        def found() -> ErpReceipt | None:
            with closing(MappedErp(_connected(self.address, self.database, self.key))) as erp:
                return erp.find(reference)

        return await asyncio.to_thread(found)

    def _tell(self, message: ErpMessage) -> ErpReceipt:
        with closing(MappedErp(_connected(self.address, self.database, self.key))) as erp:
            return erp.tell(message)


@dataclass(frozen=True)
class Told:
    """Goods of a sale's line, by its sku: `quantity` in base units, out of `ordered`."""

    sku: str
    quantity: int
    ordered: int = 0
    lot: str | None = None
    serial_numbers: tuple[str, ...] = ()


def message(kind: ErpMessageKind, sale: Sale, told: Sequence[Told], reference: str, **more: Any) -> ErpMessage:
    """Write a message about a sale."""
    ids = _ids(sale)
    lines = tuple(
        ErpLine(ids[x.sku], x.sku, x.quantity, x.ordered or x.quantity, "EA", x.lot, x.serial_numbers) for x in told
    )
    assert sale.number is not None
    return ErpMessage(
        reference=reference,
        order_no=sale.number,
        number=1,
        kind=kind,
        revision=1,
        occurred_at="2026-01-05T12:00:00Z",
        lines=lines,
        **more,
    )


def parcel(sale: Sale, parcel_no: int, *told: Told) -> ErpParcel:
    """Pack a parcel; `told` is what is in it."""
    ids = _ids(sale)
    inside = tuple(ErpContent(ids[x.sku], x.quantity, x.lot, x.serial_numbers) for x in told)
    return ErpParcel(parcel_no, f"TRACK-{parcel_no}", inside)


def told_of(sale: Sale, stem: str) -> Sale:
    """Return a sale as any other one would look that was told the same: without ids, numbers and stems."""

    def plain(shipment: Shipment) -> Shipment:
        return replace(shipment, id=0, number=None, reference=(shipment.reference or "").replace(stem, ""))

    return replace(
        sale,
        id=0,
        number=None,
        lines=tuple(replace(line, id=0) for line in sale.lines),
        shipments=tuple(map(plain, sale.shipments)),
        returns=tuple(map(plain, sale.returns)),
    )


def _ids(sale: Sale) -> dict[str, int]:
    return {line.sku: line.id for line in sale.lines}
