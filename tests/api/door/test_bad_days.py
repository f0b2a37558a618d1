"""Whatever is sent: the answer is no 5xx, and what is refused is a problem document."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from api.door import examples
from tests.api.doorway import Door, line, push

ODD = (
    *(None, True, False, 0, -1, 2**31, 2**63, 10**400, 0.5, -0.0, 1e308, [], {}, [[]], [{}], {"": {}}, [None]),
    *("", " ", "0", "-1", "1e9", "NaN", "Infinity", "0x10", "\u0661", "1_000", "9" * 400, "é", "\x00", "\ud800", "\n"),
    *("\u2028", "../..", "customer/SO-1", "a" * 3000, "2026-02-30", "9999-12-31T23:59:59Z", "2026-11-20T24:00:00Z"),
)

CALLS = (
    ("POST", "/api/products", examples.PRODUCT),
    ("POST", "/api/locations", examples.SITE),
    ("POST", "/api/locations", examples.BIN | {"parent": "HAM-A"}),
    ("POST", "/api/orders/inbound", examples.INBOUND),
    ("POST", "/api/orders/inbound/PO-1/receipts", examples.RECEIPT | {"location_id": "HAM-A-1"}),
    ("POST", "/api/orders/outbound", push("SO-2", lines=[line(), line(2, "WINE", 1, None)])),
    ("POST", "/api/orders/SO-1/picks", examples.PICK),
    ("POST", "/api/orders/SO-1/put-backs", examples.PUT_BACK),
    ("POST", "/api/orders/SO-1/shipments", examples.SHIP),
    ("POST", "/api/orders/SO-1/cancel", {**examples.CANCEL, "lines": [{"line_no": 1, "quantity": 1}]}),
    ("POST", "/api/orders/SO-1/returns", examples.RETURN),
    ("POST", "/api/orders/SO-1/operator-acts", examples.OPERATOR_ACT),
    ("POST", "/api/inventory/move", examples.MOVE),
    ("POST", "/api/inventory/adjustments", examples.ADJUSTMENT | {"location_id": "HAM-A-1"}),
)


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Name every place in a body, the body itself first."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inside:
        yield from paths_of(item, (*path, name))


def spoiled(body: Any, path: tuple[Any, ...], odd: Any) -> Any:
    """Return a body with something odd at a place, or under a name that it has not."""
    if not path:
        return odd
    body = copy.deepcopy(body)
    place = body
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = odd
    return body


@pytest.mark.parametrize("call", range(len(CALLS)), ids=[f"{path}-{n}" for n, (_, path, _) in enumerate(CALLS)])
async def test_nothing_that_is_sent_makes_the_door_stumble(shop: Door, call: int) -> None:
    await shop.stock()
    await shop.made("/api/orders/outbound", push(lines=[line()]))
    shop.gateway.labels = True
    draw = random.Random(call)
    method, path, body = CALLS[call]
    places = list(paths_of(body))
    for _ in range(60):
        sent = spoiled(body, draw.choice(places), draw.choice(ODD))
        content = json.dumps(sent).encode()
        headers = {**shop.headers(), "Content-Type": "application/json"}
        answer = await shop.http.request(method, path, content=content, headers=headers)
        assert answer.status_code < 500, (content, answer.text)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/inventory",
        "/api/locations/HAM/inventory",
        "/api/orders",
        "/api/orders/SO-1",
        "/api/orders/SO-1/timeline",
        "/api/products",
        "/api/locations",
        "/api/orders/inbound",
        "/api/reports/stock-levels",
        "/api/ledger/streams/0/entries",
    ],
)
async def test_nothing_that_is_asked_makes_the_door_stumble(shop: Door, path: str) -> None:
    await shop.stock()
    names = ("sku", "site", "location", "lot", "stock_status", "uom", "as_of", "as_of_basis", "cursor", "limit")
    names += ("status", "needs_attention", "updated_since", "after_seq", "source")
    draw = random.Random(path)
    odds = [str(odd) for odd in ODD if odd != "\ud800"]
    for name in names:
        for odd in draw.sample(odds, 8):
            answer = await shop.get(path, **{name: odd})
            assert answer.status_code < 500, (name, odd, answer.text)
