"""A tenant's way through the door: a client with its key, a warehouse to work in, and what PostgreSQL has of it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from api.door import examples
from api.door.services import ApiServices
from commands.decide import Decisions
from commands.shipping.carrier_events import CarrierEvents
from domain.carriers import TrackingEvent
from domain.errors import Unavailable
from domain.messages import CommandAnswer, OrderId
from ledger.writing.writer import LedgerWriter
from records.access.sealing import SealingKeys
from records.orders import inbox
from records.orders.inbox import InboxRow
from records.shipping import carrier_events
from records.tables import parcel
from runtime.processes.live_connections import LiveConnections

ADDRESS = examples.ADDRESS
KEYS = SealingKeys.parse("test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")


class DirectGateway:
    """Decides commands at once, in place of Temporal. `down` leaves them where they are; `labels` buys labels."""

    def __init__(self, engine: AsyncEngine, ledger: LedgerWriter) -> None:
        self._engine = engine
        self._deciding = Decisions(engine, ledger)
        self._tracking = CarrierEvents(engine, ledger)
        self.down = False
        self.labels = True

    async def deliver(self, row: InboxRow, timeout_s: float) -> CommandAnswer | None:
        if self.down:
            raise Unavailable(f"Temporal is down; {timeout_s} s are of no use.")
        await self.decide_all(row.tenant, row.order_ref)
        async with self._engine.connect() as connection:
            decided = await inbox.get(connection, row.inbox_id)
        accepted, answer = decided.state == "accepted", decided.answer or {}
        return CommandAnswer(accepted=accepted, outcome=answer.get("outcome", ""), problem=None if accepted else answer)

    async def decide_all(self, tenant: str, order_ref: str) -> None:
        async with self._engine.connect() as connection:
            waiting = await inbox.undecided(connection, OrderId(tenant=tenant, order_ref=order_ref))
        for row in waiting:
            await self._deciding.decide(row)
        if self.labels:
            await self._label(tenant, order_ref)

    async def hear(self, tenant: str, order_ref: str, event: TrackingEvent) -> None:
        """Apply what the carrier says of an order's parcel."""
        async with self._engine.begin() as connection:
            await carrier_events.store(connection, carrier_events.Heard(tenant, "sandbox", "callback"), event)
        await self._tracking.apply_all(OrderId(tenant=tenant, order_ref=order_ref))

    async def _label(self, tenant: str, order_ref: str) -> None:
        bought = {
            "tracking_number": "TN-" + parcel.c.shipment_no,
            "label": b"%PDF a label",
            "label_media_type": "application/pdf",
        }
        async with self._engine.begin() as connection:
            unlabeled = (parcel.c.tenant == tenant) & (parcel.c.order_ref == order_ref) & parcel.c.label.is_(None)
            await connection.execute(update(parcel).where(unlabeled).values(**bought))


@dataclass
class Door:
    """The API as one tenant's ERP uses it."""

    http: httpx.AsyncClient
    engine: AsyncEngine
    gateway: DirectGateway
    tenant: str
    key: str
    services: ApiServices
    live: LiveConnections

    def headers(self, key: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {key or self.key}"}

    async def get(self, path: str, key: str | None = None, **params: Any) -> httpx.Response:
        return await self.http.get(path, headers=self.headers(key), params=params)

    async def post(self, path: str, body: Any, key: str | None = None) -> httpx.Response:
        return await self.http.post(path, headers=self.headers(key), json=body)

    async def put(self, path: str, body: Any) -> httpx.Response:
        return await self.http.put(path, headers=self.headers(), json=body)

    async def made(self, path: str, body: Any) -> Any:
        """Post something that must work."""
        answer = await self.post(path, body)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()

    async def open(self) -> None:
        """Make a site with a bin or two, and mugs to put there."""
        await self.made("/api/locations", examples.SITE)
        for location_id, kind in (
            ("HAM-A", "zone"),
            ("HAM-A-1", "bin"),
            ("HAM-A-2", "bin"),
            ("HAM-STAGE", "staging"),
            ("HAM-RET", "returns"),
        ):
            parent = "HAM-A" if kind == "bin" else None
            await self.made("/api/locations", place(location_id, kind, parent=parent))
        await self.made("/api/products", examples.PRODUCT)
        await self.made("/api/products", product("WINE", tracking="lot"))
        await self.made("/api/products", product("PHONE", tracking="serial"))

    async def stock(self, sku: str = "MUG-WHITE", quantity: int = 100, po_no: str = "PO-1", **line: Any) -> Any:
        """Receive stock into a bin."""
        lines = [{"line_no": 1, "sku": sku, "quantity": quantity}]
        await self.made("/api/orders/inbound", {"po_no": po_no, "site": "HAM", "supplier": "ACME", "lines": lines})
        receipt = {
            "receipt_no": f"{po_no}-R",
            "location_id": "HAM-A-1",
            "lines": [{"line_no": 1, "quantity": quantity}],
        }
        receipt["lines"][0].update(line)
        return await self.made(f"/api/orders/inbound/{po_no}/receipts", receipt)

    async def count(self, table: str) -> int:
        """Count the tenant's rows in a table."""
        async with self.engine.connect() as connection:
            query = text(f"select count(*) from {table} where tenant = :tenant")
            return int((await connection.execute(query, {"tenant": self.tenant})).scalar_one())

    async def counts(self) -> list[int]:
        """Count everything that a refusal must not write."""
        tables = ("records.inbox", "records.address", "records.orders", "ledger.posting", "ledger.entry")
        return [await self.count(table) for table in tables]


def place(location_id: str, kind: str = "bin", site: str = "HAM", parent: str | None = None) -> dict[str, Any]:
    return {"location_id": location_id, "site": site, "type": kind, "parent": parent}


def product(sku: str, tracking: str = "none", **fields: Any) -> dict[str, Any]:
    return {"sku": sku, "description": sku, "base_uom": "EA", "packagings": [], "tracking": tracking, **fields}


def push(
    order_no: str = "SO-1", revision: int = 1, lines: Sequence[dict[str, Any]] = (), **fields: Any
) -> dict[str, Any]:
    body = copy.deepcopy(examples.PUSH)
    body |= {"order_no": order_no, "revision": revision, **fields}
    if lines:
        body["lines"] = list(lines)
    return body


def line(line_no: int = 1, sku: str = "MUG-WHITE", quantity: Any = 2, uom: str | None = "CASE", **fields: Any) -> Any:
    return {"line_no": line_no, "sku": sku, "quantity": quantity, "uom": uom, **fields}


def faults_of(answer: httpx.Response) -> list[tuple[str, str]]:
    """Return where a problem says that something is wrong, and what."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]]


def code_of(answer: httpx.Response) -> str:
    """Return a problem's code."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return str(answer.json()["type"]).removeprefix("/problems/").replace("-", "_")
