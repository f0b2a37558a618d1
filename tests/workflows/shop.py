"""The hub by its HTTP door, as the ERP, the floor, the office and a carrier speak to it; and orders to speak about.

Each order has skus of its own, so that many can live side by side: MUG, of which there are 10 in bin A, 5 in B and 20
at another site; CUP, tracked by lots, with 5 of each of two; JAR, of which there are 10.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from datetime import date
from itertools import count
from typing import Any, Final

import httpx
from sqlalchemy import insert, text

from adapters.carriers.signatures import timestamped_digest
from domain.stock import Place
from ledger.requests import ReceivedLine, ReceiveStock
from records.tables import product

from .hub import ADDRESS, Hub

Body = dict[str, Any]

A, B, ABROAD = Place("HAM-A", "HAM"), Place("HAM-B", "HAM"), Place("CPH-A", "CPH")
LOTS: Final = (("L-1", date(2097, 1, 31)), ("L-2", date(2097, 6, 30)))
OPEN_STEPS: Final = """
select
  (select count(*) from records.inbox i where i.order_ref = o.order_ref and i.tenant = o.tenant and i.state = 'queued')
  + (select count(*) from records.outbox b
     where b.order_ref = o.order_ref and b.tenant = o.tenant and b.delivered_at is null)
  + (select count(*) from records.carrier_event e
     where e.order_ref = o.order_ref and e.tenant = o.tenant and e.applied_at is null) as unheard,
  (select count(*) from records.erp_message m
   where m.order_ref = o.order_ref and m.tenant = o.tenant and m.state not in ('done', 'skipped'))
  + (select count(*) from records.carrier_step s
     where s.order_ref = o.order_ref and s.tenant = o.tenant and s.state in ('intended', 'sent', 'unknown')) as untold
from records.orders o where o.tenant = :tenant and o.order_ref = :order_ref
"""
HOLDS: Final = """
select line_no, string_agg(held || ' in ' || place, ', ' order by place) as places
from (
  select e.line_no, location_id || case when lot = '' then '' else ' of ' || lot end as place,
         sum(reserved_delta)::int as held
  from ledger.entry e join ledger.stream s using (stream_id)
  where e.tenant = :tenant and e.order_ref = :order_ref group by 1, 2 having sum(reserved_delta) <> 0
) held group by line_no
"""
LABELS: Final = """
select case state when 'done' then 'bought' when 'undone' then 'voided' else state end as state, count(*)
from records.carrier_step where tenant = :tenant and order_ref = :order_ref and kind = 'label' group by 1 order by 1
"""

FORGET: Final = text(
    "update records.parcel set last_heard_at = 'infinity' where tenant = :tenant and order_ref = :order_ref"
)


@dataclass
class Shop:
    """A tenant with two sites, by its API."""

    hub: Hub
    http: httpx.AsyncClient
    connection: str
    secret: str
    numbers: count[int] = field(default_factory=lambda: count(1))

    async def open(self) -> None:
        """Make the places. The second site has what it needs to ship."""
        for site in ("HAM", "CPH"):
            home = {"location_id": site, "type": "site", "time_zone": "Europe/Berlin", "address": ADDRESS}
            await self.made("locations", home)
            for name, kind in (("A", "bin"), ("B", "bin"), ("STAGE", "staging"), ("RET", "returns")):
                await self.made("locations", {"location_id": f"{site}-{name}", "site": site, "type": kind})

    async def say(self, path: str, body: Body) -> httpx.Response:
        """Post something."""
        return await self.http.post(f"/api/{path}", json=body)

    async def made(self, path: str, body: Body) -> Any:
        """Post something that must work."""
        answer = await self.say(path, body)
        assert answer.status_code in {200, 201, 202}, answer.text
        return answer.json()

    async def counts(self) -> list[Body]:
        """List what somebody is to count."""
        answer = await self.http.get("/api/inventory/counts", params={"state": "open", "limit": 1000})
        return list(answer.json()["items"])

    async def order(self, *, mugs: bool = True) -> Order:
        """Make skus for an order that is to come, with stock of them; `mugs` says whether there are any at home."""
        number = next(self.numbers)
        order = Order(self, f"SO-{number}")
        rows = [
            {"tenant": self.hub.tenant, "sku": order.sku(name), "description": name, "base_uom": "EA", "packagings": []}
            | {"tracking": "lot" if name == "CUP" else "none", "weight_g": 300}
            for name in ("MUG", "CUP", "JAR")
        ]
        async with self.hub.engine.begin() as connection:
            await connection.execute(insert(product), rows)
        mug, cup, jar = order.sku("MUG"), order.sku("CUP"), order.sku("JAR")
        at_home = [ReceivedLine(mug, 10)] if mugs else []
        cups = [ReceivedLine(cup, 5, lot=lot, expires_on=day) for lot, day in LOTS]
        await asyncio.gather(
            self._receive(order, A, [*at_home, *cups, ReceivedLine(jar, 10)]),
            *([self._receive(order, B, [ReceivedLine(mug, 5)])] if mugs else []),
            self._receive(order, ABROAD, [ReceivedLine(mug, 20)]),
        )
        return order

    async def receive_serials(self, order: Order, name: str, *serials: str) -> None:
        """Bring units with serial numbers into bin A."""
        await self._receive(order, A, [ReceivedLine(order.sku(name), len(serials), serial_numbers=serials)], "serials/")

    async def _receive(self, order: Order, place: Place, lines: list[ReceivedLine], which: str = "") -> None:
        key = f"receipt/{which}{order.order_no}/{place.location_id}"
        await self.hub.ledger.post(
            ReceiveStock(tenant=self.hub.tenant, key=key, actor="dock", place=place, lines=tuple(lines))
        )


@dataclass
class Order:
    """An order, and what can be said to it."""

    shop: Shop
    order_no: str
    revision: int = 0
    tracking_number: str | None = None
    former_number: str | None = None

    def sku(self, name: str) -> str:
        """Name one of the order's own skus."""
        return f"{name}-{self.order_no}"

    def line(self, line_no: int, name: str, quantity: int, **fields: Any) -> Body:
        """Write an order line."""
        return {"line_no": line_no, "sku": self.sku(name), "quantity": quantity, **fields}

    def lines(self) -> list[Body]:
        """Write the lines that the order is first pushed with."""
        return [self.line(1, "MUG", 4), self.line(2, "CUP", 2)]

    async def push(self, lines: list[Body] | None = None, **fields: Any) -> httpx.Response:
        """Push the next revision."""
        self.revision += 1
        body = {
            "order_no": self.order_no,
            "revision": self.revision,
            "site": "HAM",
            "ordered_at": "2026-11-20T14:03:00+01:00",
            "shortage_policy": "backorder",
            "carrier": "sandbox",
            "service_level": "ground",
            "ship_to": ADDRESS,
            "lines": self.lines() if lines is None else lines,
        }
        return await self.shop.say("orders/outbound", body | fields)

    async def say(self, path: str, body: Body) -> httpx.Response:
        """Say something to the order."""
        return await self.shop.say(f"orders/{self.order_no}/{path}", body)

    async def pick(self, *lines: Body, pick_no: str = "P-1", short: bool = False, **fields: Any) -> httpx.Response:
        """Confirm a pick."""
        return await self.say("picks", {"pick_no": pick_no, "lines": list(lines), "short": short, **fields})

    async def ship(self) -> httpx.Response:
        """Ship what is picked."""
        answer = await self.say("shipments", {"shipment_no": f"{self.order_no}-1"})
        if answer.status_code == httpx.codes.CREATED:
            self.tracking_number = answer.json()["parcels"][0]["tracking_number"]
        return answer

    async def hand_over(self, **fields: Any) -> httpx.Response:
        """Give the parcels away."""
        return await self.say(f"shipments/{self.order_no}-1/handover", {"handover_no": "H-1", **fields})

    async def authorize_return(self, *lines: Body) -> httpx.Response:
        """Let goods come back by authorization RMA-1."""
        body = {"authorization_no": "RMA-1", "by": "Ida", "reason": "wrong size", "lines": list(lines)}
        return await self.say("return-authorizations", body)

    async def take_back(self, *lines: Body, return_no: str = "R-1", **fields: Any) -> httpx.Response:
        """Receive goods that come back."""
        name = f"{return_no}-{self.order_no}"
        body = {"return_no": name, "location_id": "HAM-RET", "lines": list(lines), **fields}
        return await self.say("returns", body)

    async def lose(self, loss_no: str = "L-1", **fields: Any) -> httpx.Response:
        """Say that the order's parcels are lost."""
        body = {"loss_no": loss_no, "reason": "lost", **fields}
        return await self.say(f"shipments/{self.order_no}-1/losses", body)

    async def intercept(self, intercept_no: str = "I-1", **fields: Any) -> httpx.Response:
        """Have the carrier send the order's parcels back."""
        body = {"intercept_no": intercept_no, "by": "Ida", "reason": "the customer cancelled", **fields}
        return await self.say(f"shipments/{self.order_no}-1/intercept", body)

    async def scan(self, status: str, tracking_number: str | None = None, **fields: Any) -> httpx.Response:
        """Hear of a parcel of the order from the carrier; of one that nobody knows, before it has a label."""
        number = tracking_number or self.tracking_number or f"NONE-{self.order_no}"
        told = {"event_id": f"{number}/{status}", "tracking_number": number, "status": status, "location": None}
        told |= {"occurred_at": "2026-11-21T08:00:00+01:00", "signed_by": None, **fields}
        raw = json.dumps(told).encode()
        at = str(int(time.time()))
        signed = {"X-Sandbox-Signature": f"t={at},v1={timestamped_digest(self.shop.secret, at, raw)}"}
        path = f"/api/callbacks/carriers/sandbox/{self.shop.connection}"
        return await self.shop.http.post(path, content=raw, headers=signed)

    async def view(self) -> Body:
        """Read the order's view."""
        answer = await self.shop.http.get(f"/api/orders/{self.order_no}")
        assert answer.status_code == httpx.codes.OK, answer.text
        return dict(answer.json())

    async def settle(self) -> Body:
        """Wait until the ERP and the carrier have been told everything, and return the view then."""
        hub = self.shop.hub

        async def settled() -> bool:
            (row,) = await hub.rows(OPEN_STEPS, order_ref=self.order_no)
            return not row["unheard"] and not row["untold"]

        await hub.until(f"{self.order_no} settles", settled)
        return await self.view()

    async def holds(self) -> dict[int, str]:
        """Say where each line's goods are held, and of which lot."""
        rows = await self.shop.hub.rows(HOLDS, order_ref=self.order_no)
        return {row["line_no"]: row["places"] for row in rows}

    async def labels(self) -> str:
        """Count what was bought of the carrier for the order, and voided."""
        rows = await self.shop.hub.rows(LABELS, order_ref=self.order_no)
        return ", ".join(f"{row['count']} {row['state']}" for row in rows)

    async def forget(self) -> None:
        """Let nobody ask the carrier about the order's parcels any more: the story is over."""
        async with self.shop.hub.engine.begin() as connection:
            await connection.execute(FORGET, {"tenant": self.shop.hub.tenant, "order_ref": self.order_no})

    async def until_closed(self) -> None:
        """Wait until the order is closed."""
        await self.shop.hub.until_closed(self.order_no)
