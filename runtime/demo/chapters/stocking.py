"""The warehouse opens: master data, and stock that is received against purchase orders."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from runtime.demo.hub import Answer, side_by_side
from runtime.demo.tale import Tale
from runtime.demo.world import BINS, LOCATIONS, SITE, Json, Stock

_ARRIVED_AT: Final = "2026-11-20T09:12:00+01:00"
_TWICE: Final = 2


async def the_warehouse_opens(tale: Tale) -> None:
    """Make the catalog and the warehouse known, and receive stock. What is reported twice is counted once."""
    await _make_places(tale)
    await _make_products(tale)
    receipts = await _receive(tale)
    await _check_stock(tale, receipts)
    await _report_under_another_number(tale)
    await _check_lots(tale)


async def _make_places(tale: Tale) -> None:
    for location in LOCATIONS:
        (await tale.hub.post("/api/locations", location)).accepted  # noqa: B018 - raises what was refused
    bins = [{"location_id": name, "site": SITE, "parent": SITE, "type": "bin"} for name in BINS]
    await side_by_side(tale.hub.post("/api/locations", place) for place in bins)
    known = await tale.hub.every("/api/locations", site=SITE)
    tale.checks.that(
        len(known) == len(LOCATIONS) + len(BINS),
        f"Site {SITE} has receiving, staging, returns and {len(BINS)} bins",
        f"{len(known)} locations",
    )


async def _make_products(tale: Tale) -> None:
    products = [item.as_product() for item in tale.world.items]
    await tale.erp.load(products)
    await side_by_side(tale.hub.post("/api/products", product) for product in products)
    known = await tale.hub.every("/api/products")
    traced = sum(product["tracking"] == "lot" for product in known)
    tale.checks.that(
        len(known) == len(products),
        f"{len(products)} products with their packagings are known, {traced} of them traced by lot",
        f"{len(known)} products",
    )


async def _receive(tale: Tale) -> list[Answer]:
    """Announce and receive a delivery for each bin; two people report each, at the same time."""
    deliveries: dict[str, list[Stock]] = defaultdict(list)
    for stock in tale.world.stocks:
        deliveries[stock.bin_id].append(stock)
    await side_by_side(tale.hub.post("/api/orders/inbound", _announced(*item)) for item in deliveries.items())
    reports = [item for item in deliveries.items() for _ in range(_TWICE)]
    return await side_by_side(
        tale.hub.post(f"/api/orders/inbound/{_po_no(bin_id)}/receipts", _received(bin_id, stocks))
        for bin_id, stocks in reports
    )


def _po_no(bin_id: str) -> str:
    return f"PO-{bin_id}"


def _announced(bin_id: str, stocks: list[Stock]) -> Json:
    lines = [
        {"line_no": line_no, "sku": stock.item.sku, "quantity": stock.quantity, "uom": stock.uom}
        for line_no, stock in enumerate(stocks, 1)
    ]
    return {"po_no": _po_no(bin_id), "site": SITE, "supplier": "ACME", "lines": lines}


def _received(bin_id: str, stocks: list[Stock], receipt_no: str | None = None) -> Json:
    lines = [
        {
            "line_no": line_no,
            "quantity": stock.quantity,
            "uom": stock.uom,
            "lot": stock.lot,
            "expires_on": stock.expires_on,
        }
        for line_no, stock in enumerate(stocks, 1)
    ]
    receipt_no = receipt_no or f"GR-{bin_id}"
    return {"receipt_no": receipt_no, "location_id": bin_id, "occurred_at": _ARRIVED_AT, "lines": lines}


async def _check_stock(tale: Tale, receipts: list[Answer]) -> None:
    expected = sum(stock.pieces for stock in tale.world.stocks)
    levels = await tale.hub.every("/api/reports/stock-levels", site=SITE)
    on_hand = sum(level["on_hand"] for level in levels)
    tale.checks.that(
        on_hand == expected and all(receipt.accepted for receipt in receipts),
        f"{len(BINS)} deliveries were each reported by two people at once, and counted once: {expected} pieces",
        f"{on_hand} pieces",
    )


async def _report_under_another_number(tale: Tale) -> None:
    bin_id = BINS[0]
    stocks = [stock for stock in tale.world.stocks if stock.bin_id == bin_id]
    again = _received(bin_id, stocks, f"GR-{bin_id}-again")
    answer = await tale.hub.post(f"/api/orders/inbound/{_po_no(bin_id)}/receipts", again)
    tale.checks.that(
        "over_receipt" in {answer.code, *answer.codes},
        "The same delivery under another receipt number is refused: over_receipt",
        answer,
    )


async def _check_lots(tale: Tale) -> None:
    traced = next(stock.item for stock in tale.world.stocks if stock.lot)
    lots = {row["lot"] for row in await tale.hub.every("/api/inventory", sku=traced.sku)}
    expected = {stock.lot for stock in tale.world.stocks if stock.item is traced}
    tale.checks.that(lots == expected, f"{traced.sku} lies in its lots {', '.join(sorted(map(str, lots)))}", lots)
