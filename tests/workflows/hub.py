"""The hub without its HTTP door: commands go into the inbox and to their workflow as the API sends them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from domain.carriers import LabeledParcel, TrackingEvent, TrackingStatus
from domain.errors import Unavailable
from domain.messages import OrderId
from domain.orders import OrderLine
from domain.stock import Place
from ledger.reads.balances import order_lines
from ledger.requests import ReceivedLine, ReceiveStock
from ledger.writing.writer import LedgerWriter
from records.orders import inbox, orders
from records.shipping import carrier_events, labels, shipments
from records.shipping.carrier_events import Heard
from records.tables import address, carrier_step, location, parcel, product
from relay.order_gateway import OrderGateway
from workflows import names

from .partners import Partners

ADDRESS = {"name": "Ida Holm", "street": ["Kehrwieder 2"], "postal_code": "20457", "city": "Hamburg", "country": "DE"}


def _on_the_shelf(lines: dict[int, tuple[str, int]]) -> list[dict[str, Any]]:
    return [
        {"line_no": n, "sku": sku, "site": "HAM", "quantity": q, "location_id": "HAM-A-01"}
        for n, (sku, q) in lines.items()
    ]


@dataclass
class Hub:
    """A tenant of its own on the hub: a site, and commands to its orders."""

    engine: AsyncEngine
    ledger: LedgerWriter
    gateway: OrderGateway
    client: Client
    tenant: str

    def named(self, order_no: str) -> OrderId:
        return OrderId(tenant=self.tenant, order_ref=order_no)

    async def open_site(self, partners: Partners) -> None:
        await partners.connect(self.engine, self.tenant)
        await self.make_places()

    async def make_places(self) -> None:
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

    async def weigh(self, sku: str, weight_g: int) -> None:
        """Put a product into the catalog, which only weights need here."""
        async with self.engine.begin() as connection:
            await connection.execute(
                insert(product).values(
                    tenant=self.tenant,
                    sku=sku,
                    description=sku,
                    base_uom="EA",
                    packagings=[],
                    tracking="none",
                    weight_g=weight_g,
                )
            )

    async def push(
        self,
        order_no: str,
        lines: dict[int, tuple[str, int]],
        revision: int = 1,
        ship_to: dict[str, Any] | None = None,
        **fields: Any,
    ) -> inbox.InboxRow:
        """Push an order as the API does: what it says, resolved, and people's data apart."""
        address_id = await self.keep_address(ship_to)
        return await self.say(order_no, *self.pushing(order_no, lines, address_id, revision, **fields))

    async def keep_address(self, ship_to: dict[str, Any] | None = None) -> UUID:
        address_id = uuid4()
        async with self.engine.begin() as connection:
            await connection.execute(
                insert(address).values(address_id=address_id, tenant=self.tenant, data={"ship_to": ship_to or ADDRESS})
            )
        return address_id

    def pushing(
        self, order_no: str, lines: dict[int, tuple[str, int]], address_id: UUID, revision: int = 1, **fields: Any
    ) -> tuple[str, str, dict[str, Any]]:
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
        return "submit", f"push/{order_no}/{revision}", payload

    async def pick(
        self, order_no: str, lines: dict[int, tuple[str, int]], pick_no: str = "P-1", *, short: bool = False
    ) -> inbox.InboxRow:
        return await self.say(order_no, *self.picking(order_no, lines, pick_no, short=short))

    def picking(
        self, order_no: str, lines: dict[int, tuple[str, int]], pick_no: str = "P-1", *, short: bool = False
    ) -> tuple[str, str, dict[str, Any]]:
        payload = {"pick_no": pick_no, "resolved": _on_the_shelf(lines), "short": short}
        return "confirm_pick", f"pick/{order_no}/{pick_no}", payload

    async def put_back(self, order_no: str, lines: dict[int, tuple[str, int]], no: str = "B-1") -> inbox.InboxRow:
        return await self.say(order_no, *self.putting_back(order_no, lines, no))

    def putting_back(
        self, order_no: str, lines: dict[int, tuple[str, int]], no: str = "B-1"
    ) -> tuple[str, str, dict[str, Any]]:
        payload = {"put_back_no": no, "resolved": _on_the_shelf(lines)}
        return "put_back", f"put_back/{order_no}/{no}", payload

    async def ship(self, order_no: str, shipment_no: str | None = None, **fields: Any) -> inbox.InboxRow:
        return await self.say(order_no, *self.shipping(order_no, shipment_no, **fields))

    def shipping(
        self,
        order_no: str,
        shipment_no: str | None = None,
        *,
        handed_over: bool = False,
        parcels: list[dict[int, tuple[str, int]]] | None = None,
    ) -> tuple[str, str, dict[str, Any]]:
        number = shipment_no or f"{order_no}-1"
        payload: dict[str, Any] = {"shipment_no": number, "handed_over": handed_over, "parcels": None}
        if parcels is not None:
            payload["parcels"] = [{"weight_g": 500, "lines": []} for _ in parcels]
            payload["resolved"] = [_on_the_shelf(box) for box in parcels]
        return "ship", f"ship/{order_no}/{number}", payload

    async def hand_over(self, order_no: str, shipment_no: str | None = None) -> inbox.InboxRow:
        number = shipment_no or f"{order_no}-1"
        payload = {"handover_no": "H-1", "shipment_no": number}
        return await self.say(order_no, "hand_over", f"hand_over/{order_no}/{number}/H-1", payload)

    async def take_back(
        self, order_no: str, lines: dict[int, tuple[str, int]], return_no: str = "R-1"
    ) -> inbox.InboxRow:
        resolved = [{**line, "condition": "inspection"} for line in _on_the_shelf(lines)]
        payload = {"return_no": f"{return_no}-{order_no}", "location_id": "HAM-RET", "resolved": resolved}
        return await self.say(order_no, "return", f"return/{order_no}/{return_no}", payload)

    async def cancel(self, order_no: str, cancel_no: str = "X-1") -> inbox.InboxRow:
        payload = {"cancel_no": cancel_no, "reason": "customer", "lines": None, "resolved": None}
        return await self.say(order_no, "cancel", f"cancel/{order_no}/{cancel_no}", payload)

    async def operate(self, order_no: str, verb: str, target: str | None = None, act_no: str = "O-1") -> inbox.InboxRow:
        payload = {"act_no": act_no, "verb": verb, "by": "ida", "reason": "test", "target": target}
        return await self.say(order_no, "operate", f"operate/{order_no}/{act_no}", payload)

    async def say(self, order_no: str, kind: str, key: str, payload: dict[str, Any]) -> inbox.InboxRow:
        """Store a command and deliver it until it is decided, as API and relay do together."""
        return await self.deliver(await self.keep(order_no, kind, key, payload))

    async def deliver(self, row: inbox.InboxRow) -> inbox.InboxRow:
        """Deliver a stored command until it is decided."""
        async with asyncio.timeout(120):
            while row.state == "queued":
                try:
                    await self.gateway.deliver(row, 5)
                except (Unavailable, TimeoutError):
                    await asyncio.sleep(0.1)
                row = await self.row(row.inbox_id)
        return row

    async def keep(self, order_no: str, kind: str, key: str, payload: dict[str, Any]) -> inbox.InboxRow:
        """Store a command, and leave it."""
        content = {k: v for k, v in payload.items() if k != "address_id"}
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()
        async with self.engine.begin() as connection:
            row, _ = await inbox.put(
                connection,
                self.named(order_no),
                kind=kind,
                key=key,
                digest=digest,
                payload=payload,
                actor="test",
            )
        return row

    async def row(self, inbox_id: int) -> inbox.InboxRow:
        async with self.engine.connect() as connection:
            return await inbox.get(connection, inbox_id)

    async def order(self, order_no: str) -> dict[str, Any] | None:
        async with self.engine.connect() as connection:
            row = await orders.get(connection, self.named(order_no))
        if row is None:
            return None
        return {**asdict(row), "attention": row.attention.as_row() if row.attention else None}

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

    async def quantities(self, order_no: str) -> dict[int, dict[str, int]]:
        """What each line that is still wanted comes to, without the zeros."""
        return {
            line.line_no: {name: quantity for name, quantity in line.quantities().items() if quantity}
            for line in await self.lines(order_no)
            if any(line.quantities().values())
        }

    async def postings(self, order_no: str) -> list[str]:
        """Why each posting with entries of the order exists, in order, with the evidence for it."""
        rows = await self.rows(
            "select distinct p.recorded_at, p.reason || ' ' || p.evidence as what from ledger.posting p"
            " join ledger.entry e using (posting_id)"
            " where e.tenant = :tenant and e.order_ref = :order_ref order by 1",
            order_ref=order_no,
        )
        return [row["what"] for row in rows]

    async def until_decided(self, row: inbox.InboxRow) -> None:
        async def decided() -> bool:
            return (await self.row(row.inbox_id)).state != "queued"

        await self.until(f"{row.key} is decided", decided)

    async def until_told(self, order_no: str, *kinds: str) -> None:
        """Wait until the ERP has been told these, and nothing waits."""

        async def told() -> bool:
            messages = await self.messages(order_no)
            return [m["kind"] for m in messages if m["state"] == "done"] == list(kinds) and all(
                m["state"] in {"done", "skipped"} for m in messages
            )

        await self.until(f"the ERP was told {kinds} of {order_no}", told)

    async def until_told_all(self, order_no: str, limit_s: float = 60) -> None:
        """Wait until nothing waits for the ERP."""

        async def told() -> bool:
            return all(m["state"] in {"done", "skipped"} for m in await self.messages(order_no))

        await self.until(f"the ERP was told all of {order_no}", told, limit_s)

    async def until_attention(self, order_no: str) -> dict[str, Any]:
        """Wait until the order asks for a person; return what it says."""

        async def flagged() -> bool:
            return bool((await self.must_have(order_no))["needs_attention"])

        await self.until(f"{order_no} needs attention", flagged)
        return dict((await self.must_have(order_no))["attention"])

    async def until_status(self, order_no: str, status: str) -> None:
        async def reached() -> bool:
            return bool((await self.must_have(order_no))["status"] == status)

        await self.until(f"{order_no} is {status}", reached)

    async def must_have(self, order_no: str) -> dict[str, Any]:
        row = await self.order(order_no)
        assert row is not None, f"there is no order {order_no}"
        return row

    async def hear(
        self, tracking_number: str, status: str, event_id: str | None = None, occurred_at: datetime | None = None
    ) -> None:
        """Take a carrier's callback as the API does: store it; the relay tells the order's workflow."""
        event = TrackingEvent(
            event_id=event_id or f"{tracking_number}/{status}",
            tracking_number=tracking_number,
            status=TrackingStatus(status),
            vendor_status=status,
            occurred_at=occurred_at or datetime.now(UTC),
            signed_by="I. Holm" if status == "delivered" else None,
        )
        async with self.engine.begin() as connection:
            await carrier_events.store(connection, Heard(self.tenant, "sandbox", "callback"), event)

    async def label(self, connection: AsyncConnection, order_no: str, tracking_number: str) -> None:
        """Give the order's only parcel a label, as if a carrier had been asked for it."""
        steps = await shipments.steps_of(connection, self.named(order_no))
        latest = max((step for step in steps if step.kind == "label"), key=lambda step: step.version)
        assert latest.carrier is not None
        await labels.asked_for(connection, latest, latest.carrier)
        await labels.came(connection, latest, [LabeledParcel(1, tracking_number, b"", "")], in_use=True)
        for table, values in ((parcel, {"tracking_number": tracking_number}), (carrier_step, {"state": "skipped"})):
            its = (table.c.tenant == self.tenant) & (table.c.order_ref == order_no)
            await connection.execute(update(table).where(its).values(**values))

    def workflow(self, order_no: str) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(names.order_workflow(self.named(order_no)))

    async def has_accepted_update(self, order_no: str, update_id: str) -> bool:
        """Whether the order's workflow runs an update by now, as its history tells."""
        history = self.workflow(order_no).fetch_history_events()
        accepted = [event.workflow_execution_update_accepted_event_attributes async for event in history]
        return update_id in {update.protocol_instance_id for update in accepted}

    async def has_workflow(self, order_no: str) -> bool:
        try:
            await self.workflow(order_no).describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return False
        return True

    async def until_listed(self, order_no: str, query: str) -> None:
        """Wait until Temporal lists the order's workflow for a filter, as in its UI."""
        asked = f"WorkflowId = '{names.order_workflow(self.named(order_no))}' and {query}"

        async def listed() -> bool:
            return bool((await self.client.count_workflows(asked)).count)

        await self.until(f"{order_no} is listed for {query}", listed)

    async def details(self, order_no: str) -> str:
        """What Temporal shows of the order's workflow."""
        metadata = await self.workflow(order_no).query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        return str(metadata.current_details)

    async def is_done(self, order_no: str, step_id: str) -> bool:
        """Whether a carrier has done what was asked of it."""
        async with self.engine.connect() as connection:
            return (await shipments.get_step(connection, self.named(order_no), step_id)).state == "done"

    async def until_labeled(self, order_no: str, but: str = "") -> list[str]:
        """Wait for a label (other than a former one), and return the tracking numbers."""

        async def labeled() -> bool:
            numbers = await self.tracking_numbers(order_no)
            return bool(numbers) and but not in numbers

        await self.until(f"{order_no} is labeled", labeled, 120)
        return await self.tracking_numbers(order_no)

    async def until_closed(self, order_no: str, limit_s: float = 60) -> None:
        async def closed() -> bool:
            row = await self.order(order_no)
            return row is not None and row["closed_at"] is not None

        await self.until(f"{order_no} is closed", closed, limit_s)
