"""The hub without its HTTP door: commands go into the inbox and to their workflow as the API sends them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from stockbridge.domain.errors import Unavailable
from stockbridge.domain.orders import OrderLine
from stockbridge.domain.stock import Place
from stockbridge.ledger.balances import order_lines
from stockbridge.ledger.requests import ReceivedLine, ReceiveStock
from stockbridge.ledger.writer import LedgerWriter
from stockbridge.records import inbox, orders
from stockbridge.records.tables import address, carrier_connection, location
from stockbridge.workflows.dispatch import OrderGateway

ADDRESS = {"name": "Ida Holm", "street": ["Kehrwieder 2"], "postal_code": "20457", "city": "Hamburg", "country": "DE"}


@dataclass
class Hub:
    """A tenant of its own on the hub: a site, and commands to its orders."""

    engine: AsyncEngine
    ledger: LedgerWriter
    gateway: OrderGateway
    tenant: str

    async def open_site(self) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(
                insert(location),
                [
                    self._location("HAM", "site", time_zone="Europe/Berlin", address=ADDRESS),
                    self._location("HAM-A-01", "bin", parent="HAM"),
                    self._location("HAM-STAGE", "staging", parent="HAM"),
                    self._location("HAM-RET", "returns", parent="HAM"),
                ],
            )
            await connection.execute(
                insert(carrier_connection).values(connection=self.tenant, carrier="sandbox", tenant=self.tenant)
            )

    def _location(self, location_id: str, kind: str, **fields: Any) -> dict[str, Any]:
        empty = {"parent": None, "time_zone": None, "address": None}
        return {
            "tenant": self.tenant,
            "location_id": location_id,
            "site": "HAM",
            "type": kind,
            "capacity": None,
            **empty,
            **fields,
        }

    async def receive(self, sku: str, quantity: int, receipt_no: str = "GR-1") -> None:
        await self.ledger.post(
            ReceiveStock(
                tenant=self.tenant,
                key=f"receipt/{receipt_no}/{sku}",
                actor="dock",
                place=Place("HAM-A-01", "HAM"),
                lines=(ReceivedLine(sku, quantity),),
            )
        )

    async def push(
        self, order_no: str, lines: dict[int, tuple[str, int]], revision: int = 1, **fields: Any
    ) -> inbox.InboxRow:
        address_id = uuid4()
        async with self.engine.begin() as connection:
            await connection.execute(
                insert(address).values(address_id=address_id, tenant=self.tenant, data={"ship_to": ADDRESS})
            )
        resolved = [
            {"line_no": n, "sku": sku, "site": "HAM", "ordered": q, "uom": "EA", "factor": 1, "lot": ""}
            for n, (sku, q) in lines.items()
        ]
        payload = {
            "order_no": order_no,
            "source": "erp",
            "revision": revision,
            "site": "HAM",
            "ordered_at": "2026-11-20T14:03:00+01:00",
            "priority": 0,
            "shortage_policy": "backorder",
            "customer_no": None,
            "requested_delivery": None,
            "carrier": "sandbox",
            "service_level": "ground",
            "address_id": str(address_id),
            "resolved": resolved,
            **fields,
        }
        return await self.say(order_no, "submit", f"push/{order_no}/{revision}", payload)

    async def pick(self, order_no: str, lines: dict[int, tuple[str, int]], pick_no: str = "P-1") -> inbox.InboxRow:
        resolved = [
            {"line_no": n, "sku": sku, "site": "HAM", "quantity": q, "location_id": "HAM-A-01"}
            for n, (sku, q) in lines.items()
        ]
        payload = {"pick_no": pick_no, "resolved": resolved}
        return await self.say(order_no, "confirm_pick", f"pick/{order_no}/{pick_no}", payload)

    async def ship(self, order_no: str, shipment_no: str | None = None) -> inbox.InboxRow:
        number = shipment_no or f"{order_no}-1"
        payload = {"shipment_no": number, "handed_over": False, "parcels": None, "resolved": None}
        return await self.say(order_no, "ship", f"ship/{order_no}/{number}", payload)

    async def hand_over(self, order_no: str, shipment_no: str | None = None) -> inbox.InboxRow:
        number = shipment_no or f"{order_no}-1"
        payload = {"handover_no": "H-1", "shipment_no": number}
        return await self.say(order_no, "hand_over", f"hand_over/{order_no}/{number}/H-1", payload)

    async def cancel(self, order_no: str, cancel_no: str = "X-1") -> inbox.InboxRow:
        payload = {"cancel_no": cancel_no, "reason": "customer", "lines": None, "resolved": None}
        return await self.say(order_no, "cancel", f"cancel/{order_no}/{cancel_no}", payload)

    async def operate(self, order_no: str, verb: str, target: str | None = None, act_no: str = "O-1") -> inbox.InboxRow:
        payload = {"act_no": act_no, "verb": verb, "by": "ida", "reason": "test", "target": target}
        return await self.say(order_no, "operate", f"operate/{order_no}/{act_no}", payload)

    async def say(self, order_no: str, kind: str, key: str, payload: dict[str, Any]) -> inbox.InboxRow:
        """Store a command and deliver it until it is decided, as API and relay do together."""
        content = {k: v for k, v in payload.items() if k != "address_id"}
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()
        async with self.engine.begin() as connection:
            row, _ = await inbox.put(
                connection,
                tenant=self.tenant,
                order_ref=order_no,
                kind=kind,
                key=key,
                digest=digest,
                payload=payload,
                actor="test",
            )
        async with asyncio.timeout(120):
            while row.state == "queued":
                try:
                    await self.gateway.deliver(row, 5)
                except (Unavailable, TimeoutError):
                    await asyncio.sleep(0.1)
                row = await self._row(row.inbox_id)
        return row

    async def _row(self, inbox_id: int) -> inbox.InboxRow:
        async with self.engine.connect() as connection:
            return await inbox.get(connection, inbox_id)

    async def order(self, order_no: str) -> dict[str, Any] | None:
        async with self.engine.connect() as connection:
            return await orders.get(connection, self.tenant, order_no)

    async def lines(self, order_no: str) -> list[OrderLine]:
        async with self.engine.connect() as connection:
            return (await order_lines(connection, self.tenant, [order_no])).get(order_no, [])

    async def tracking_numbers(self, order_no: str) -> list[str]:
        rows = await self.rows(
            "select tracking_number from records.parcel where tenant = :tenant and order_ref = :order_ref "
            "and tracking_number is not null order by shipment_no, parcel_no",
            order_ref=order_no,
        )
        return [row["tracking_number"] for row in rows]

    async def messages(self, order_no: str) -> list[dict[str, Any]]:
        return await self.rows(
            "select number, kind, state, document_no, last_error from records.erp_message "
            "where tenant = :tenant and order_ref = :order_ref order by number",
            order_ref=order_no,
        )

    async def rows(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        async with self.engine.connect() as connection:
            found = await connection.execute(text(query), {"tenant": self.tenant, **parameters})
            return [dict(row) for row in found.mappings()]

    async def until(self, what: str, holds: Callable[[], Awaitable[bool]], limit_s: float = 60) -> None:
        """Wait until something holds, by looking again and again; fail in words when it does not in time."""
        try:
            async with asyncio.timeout(limit_s):
                while not await holds():  # noqa: ASYNC110 - what is waited for happens in other processes
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"in {limit_s} s it never came about that {what}") from None

    async def until_labeled(self, order_no: str) -> list[str]:
        async def labeled() -> bool:
            return bool(await self.tracking_numbers(order_no))

        await self.until(f"{order_no} is labeled", labeled, 120)
        return await self.tracking_numbers(order_no)

    async def until_closed(self, order_no: str, limit_s: float = 60) -> None:
        async def closed() -> bool:
            row = await self.order(order_no)
            return row is not None and row["closed_at"] is not None

        await self.until(f"{order_no} is closed", closed, limit_s)
