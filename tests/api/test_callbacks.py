"""What carriers tell us."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.carriers.signatures import timestamped_digest
from commands.connections.add import add
from commands.connections.context import By
from domain.connections import ConnectionKind, NewConnection
from records.access import connections
from records.access.connections import Named

from .doorway import KEYS, Door, code_of, line, push

SECRET = "sandbox-carrier-secret"


def scan(event_id: str = "E-1", status: str = "in_transit", **fields: Any) -> dict[str, Any]:
    told = {"event_id": event_id, "tracking_number": "TN-SH-1", "status": status, "location": "Hamburg"}
    return {**told, "occurred_at": "2026-11-21T08:00:00+01:00", "signed_by": None, **fields}


async def tell(
    door: Door, body: Any, *, secret: str = SECRET, age_s: int = 0, carrier: str = "sandbox", name: str | None = None
) -> httpx.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    timestamp = str(int(time.time()) - age_s)
    signature = f"t={timestamp},v1={timestamped_digest(secret, timestamp, raw)}"
    path = f"/api/callbacks/carriers/{carrier}/{name or door.tenant}"
    return await door.http.post(path, content=raw, headers={"X-Sandbox-Signature": signature})


@pytest.fixture
async def labeled(shop: Door) -> Door:
    await shop.stock()
    await shop.made("/api/orders/outbound", push(lines=[line()]))
    picked = {"line_no": 1, "quantity": 24, "location_id": "HAM-A-1"}
    await shop.made("/api/orders/SO-1/picks", {"pick_no": "P-1", "lines": [picked]})
    await shop.made("/api/orders/SO-1/shipments", {"shipment_no": "SH-1"})
    return shop


async def test_a_scan_is_stored_once_and_its_order_hears_of_it(labeled: Door) -> None:
    first, again = await tell(labeled, scan()), await tell(labeled, scan())
    assert (first.status_code, first.json()) == (again.status_code, again.json()) == (202, {"received": True})
    assert await labeled.count("records.carrier_event") == 1
    assert await labeled.count("records.outbox") == 1
    story = (await labeled.get("/api/orders/SO-1/timeline")).json()["items"]
    (event,) = [item for item in story if item["kind"] == "carrier_event"]
    assert event["summary"] == "sandbox says in transit of TN-SH-1 in Hamburg"
    assert (event["occurred_at"], event["data"]["shipment_no"]) == ("2026-11-21T07:00:00Z", "SH-1")


async def test_a_scan_of_an_unknown_parcel_is_kept_and_the_answer_is_the_same(shop: Door) -> None:
    answer = await tell(shop, scan(tracking_number="TN-UNKNOWN"))
    assert (answer.status_code, answer.json()) == (202, {"received": True})
    assert await shop.count("records.carrier_event") == 1
    assert await shop.count("records.outbox") == 0


async def test_a_wrong_or_stale_signature_is_turned_away(labeled: Door) -> None:
    wrong = await tell(labeled, scan(), secret="another")
    assert (wrong.status_code, code_of(wrong)) == (401, "invalid_signature")
    stale = await tell(labeled, scan(), age_s=600)
    assert (stale.status_code, code_of(stale)) == (401, "stale_signature")
    unsigned = await labeled.http.post(f"/api/callbacks/carriers/sandbox/{labeled.tenant}", json=scan())
    assert (unsigned.status_code, code_of(unsigned)) == (401, "invalid_signature")
    assert await labeled.count("records.carrier_event") == 0


async def test_an_unknown_connection_is_not_there(labeled: Door) -> None:
    for where in ({"name": "unguessed"}, {"carrier": "pigeon"}):
        answer = await tell(labeled, scan(), **where)
        assert (answer.status_code, code_of(answer)) == (404, "not_found")


@pytest.mark.parametrize("body", [b"{", b"<scan/>", b"[]", json.dumps({"status": "delivered"}).encode()])
async def test_a_callback_that_cannot_be_read_is_malformed(labeled: Door, body: bytes) -> None:
    answer = await tell(labeled, body)
    assert (answer.status_code, code_of(answer)) == (400, "malformed")
    assert await labeled.count("records.carrier_event") == 0


async def test_a_callback_over_the_limit_is_not_read(labeled: Door) -> None:
    answer = await tell(labeled, b" " * 70_000)
    assert (answer.status_code, code_of(answer)) == (413, "too_large")


async def test_a_scan_belongs_to_the_tenant_whose_public_id_it_came_by(labeled: Door, engine: AsyncEngine) -> None:
    """Another tenant's carrier has the same name, tracking number and event id, and its own secret."""
    tenant, secret = f"{labeled.tenant}-2", "the-other-secret"
    account = NewConnection(
        kind=ConnectionKind.CARRIER,
        name="sandbox",
        adapter="sandbox",
        settings={"base_url": "http://127.0.0.1:9"},
        secrets={"token": SecretStr("token"), "secret": SecretStr(secret)},
    )
    async with engine.begin() as connection:
        await add(connection, KEYS, tenant, account, By("test"), public_id=tenant)
    early = await tell(labeled, scan(), secret=secret, name=tenant)
    assert (early.status_code, code_of(early)) == (503, "unavailable"), "this process has not taken it up yet"
    await labeled.live.look()

    assert code_of(await tell(labeled, scan(), name=tenant)) == "invalid_signature", "of the first tenant's carrier"
    assert code_of(await tell(labeled, scan(), secret=secret)) == "invalid_signature"
    assert (await tell(labeled, scan(), secret=secret, name=tenant)).status_code == 202
    assert await labeled.count("records.carrier_event") == 0
    assert await labeled.count("records.outbox") == 0
    assert (await tell(labeled, scan())).status_code == 202
    assert await labeled.count("records.carrier_event") == 1
    async with engine.begin() as connection:
        rows = await connection.execute(
            text("select count(*) from records.carrier_event where tenant = :t"), {"t": tenant}
        )
        assert rows.scalar_one() == 1
        await connections.remove(connection, Named(tenant, ConnectionKind.CARRIER, "sandbox"))


async def test_a_carriers_scan_finds_no_parcel_of_another_carrier(labeled: Door, engine: AsyncEngine) -> None:
    secrets = {"token": SecretStr("token"), "secret": SecretStr(SECRET)}
    account = NewConnection(
        kind=ConnectionKind.CARRIER,
        name="pigeon",
        adapter="sandbox",
        settings={"base_url": "http://x"},
        secrets=secrets,
    )
    async with engine.begin() as connection:
        await add(connection, KEYS, labeled.tenant, account, By("test"), public_id=f"{labeled.tenant}-pigeon")
    await labeled.live.look()
    answer = await tell(labeled, scan(), carrier="pigeon", name=f"{labeled.tenant}-pigeon")
    assert answer.status_code == 202
    assert (await tell(labeled, scan())).status_code == 202, "the same event id, of another connection"
    async with engine.connect() as connection:
        query = "select carrier, order_ref from records.carrier_event where tenant = :t order by 1"
        rows = (await connection.execute(text(query), {"t": labeled.tenant})).all()
    assert [tuple(row) for row in rows] == [("pigeon", None), ("sandbox", "SO-1")]
