"""What a browser or a proxy may do with an answer."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import update

from records.tables import parcel
from tests.api.doorway import Door, line, push

LABEL = "/api/orders/SO-1/shipments/SH-1/parcels/1/label"


@pytest.fixture
async def labeled(shop: Door) -> Door:
    await shop.stock()
    await shop.made("/api/orders/outbound", push(lines=[line(quantity=5, uom=None)]))
    picked = {"line_no": 1, "quantity": 5, "location_id": "HAM-A-1"}
    await shop.made("/api/orders/SO-1/picks", {"pick_no": "P-1", "lines": [picked]})
    await shop.made("/api/orders/SO-1/shipments", {"shipment_no": "SH-1"})
    return shop


async def test_no_answer_is_guessed_at_and_none_of_the_api_is_stored_on_its_way(labeled: Door) -> None:
    paths = ("/api/orders/SO-1", LABEL, "/api/orders/NONE", "/api/orders?limit=0", "/healthz", "/docs", "/nothing")
    for path in paths:
        answer = await labeled.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert (answer.headers.get("cache-control") == "no-store") is path.startswith("/api/"), path
    refused = await labeled.http.delete("/api/orders")
    assert (refused.headers["x-content-type-options"], refused.headers["cache-control"]) == ("nosniff", "no-store")


@pytest.mark.parametrize(
    ("told", "answered", "disposition"),
    [
        ("application/pdf", "application/pdf", 'inline; filename="label.pdf"'),
        ("IMAGE/PNG; q=1", "image/png", 'inline; filename="label.png"'),
        ("application/zpl", "application/zpl", 'attachment; filename="label.zpl"'),
        ("text/html", "application/octet-stream", 'attachment; filename="label.bin"'),
        ("image/svg+xml", "application/octet-stream", 'attachment; filename="label.bin"'),
        ("application/pdf\r\nX-Evil: 1", "application/octet-stream", 'attachment; filename="label.bin"'),
        (None, "application/octet-stream", 'attachment; filename="label.bin"'),
    ],
)
async def test_a_label_runs_in_no_browser_whatever_the_carrier_says_that_it_is(
    labeled: Door, told: str | None, answered: str, disposition: str
) -> None:
    async with labeled.engine.begin() as connection:
        its = parcel.c.tenant == labeled.tenant
        await connection.execute(update(parcel).where(its).values(label=b"<script>", label_media_type=told))
    answer = await labeled.get(LABEL)
    assert (answer.status_code, answer.content) == (200, b"<script>")
    assert (answer.headers["content-type"], answer.headers["content-disposition"]) == (answered, disposition)


async def test_the_reference_is_served_from_here_and_nowhere_else(door: Door) -> None:
    page = await door.http.get("/docs")
    assert page.headers["content-security-policy"].startswith("default-src 'self'; ")
    parts = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert len(parts) == 4
    for part in parts:
        answer = await door.http.get(part)
        assert (answer.status_code, bool(answer.content)) == (200, True), part
    assert "<script>" not in page.text
    assert "style=" not in page.text
    start = (await door.http.get("/docs/start.js")).text
    assert 'url: "/openapi.json"' in start
    assert "http" not in start
    assert (await door.http.get("/docs/redoc.standalone.js")).status_code == 404
