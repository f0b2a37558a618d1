"""What must agree once an order has settled: the ledger, the view, what the ERP was told, the labels at the carrier."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from .partners import Partners
from .shop import Body, Order

HELD: Final = """
select line_no, sum(reserved_delta)::int as held,
       coalesce(sum(on_hand_delta) filter (where kind = 'customer' and on_hand_delta > 0), 0)::int as delivered,
       coalesce(-sum(on_hand_delta) filter (where kind = 'customer' and on_hand_delta < 0), 0)::int as returned
from ledger.entry e join ledger.stream s using (stream_id)
where e.tenant = :tenant and e.order_ref = :order_ref group by line_no
"""
LABELS: Final = """
select s.carrier, p.tracking_number
from records.shipment s join records.parcel p using (tenant, order_ref, shipment_no)
where s.tenant = :tenant and s.order_ref = :order_ref and s.dissolved_at is null and p.tracking_number is not null
  and not exists (  -- it left under a label that was voided
    select from records.label l join records.carrier_step c using (tenant, order_ref, shipment_no, version)
    where (l.tenant, l.order_ref, l.tracking_number) = (p.tenant, p.order_ref, p.tracking_number)
      and c.kind = 'label' and c.state = 'undone')
"""


async def disagreements(order: Order, view: Body, partners: Partners) -> list[str]:
    """Say where two that should know the same of an order do not."""
    return [
        *_of_the_lines(view),
        *[word async for word in _with_the_ledger(order, view)],
        *_with_the_erp(view, await partners.documents(order.shop.hub.tenant, order.order_no)),
        *[word async for word in _with_the_carrier(order, partners)],
    ]


def _of_the_lines(view: Body) -> Iterator[str]:
    for line in view["lines"]:
        if line["ordered"] != line["reserved"] + line["backordered"] + line["shipped"] + line["cancelled"]:
            yield f"line {line['line_no']} is not the sum of its parts: {line}"
        if not line["returned"] <= line["delivered"] <= line["shipped"] or line["picked"] > line["reserved"]:
            yield f"line {line['line_no']} has more of a part than of the whole: {line}"


async def _with_the_ledger(order: Order, view: Body) -> Any:
    entries = {row["line_no"]: row for row in await order.shop.hub.rows(HELD, order_ref=order.order_no)}
    shown: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for line in view["lines"]:
        shown[line["line_no"]]["held"] += line["reserved"] + line["to_put_back"]
        shown[line["line_no"]]["delivered"] += line["delivered"]
        shown[line["line_no"]]["returned"] += line["returned"]
    for line_no, line in shown.items():
        for name, quantity in line.items():
            posted = entries[line_no][name] if line_no in entries else 0
            if posted != quantity:
                yield f"line {line_no}: the view has {quantity} {name}, the ledger's entries {posted}"


def _with_the_erp(view: Body, documents: list[Body]) -> Iterator[str]:
    """Compare what an ERP knows that adds up what it was told with what is."""
    told: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for document in documents:
        quantities: dict[int, int] = defaultdict(int)  # a line may come as several rows, one a lot
        for line in document["payload"].get("lines", ()):
            told[int(line["line_no"])]["ordered"] = int(line["ordered"])
            quantities[int(line["line_no"])] += int(line["quantity"])
        for line_no, quantity in quantities.items():
            _add_up(told[line_no], document, quantity)
    for line in view["lines"]:
        known = told[line["line_no"]]
        for name in ("shipped", "delivered", "returned", "cancelled"):
            if line["ordered"] and known[name] != line[name]:
                yield f"line {line['line_no']}: {line[name]} {name}, but the ERP was told {known[name]}"
        if line["ordered"] and known["ordered"] != line["ordered"]:
            yield f"line {line['line_no']}: {line['ordered']} ordered, but the ERP was told {known['ordered']}"


def _add_up(known: dict[str, int], document: Body, quantity: int) -> None:
    """Add a document to what an ERP knows of a line. A cancellation with a reason is of what had left."""
    kind, reason = document["kind"], document["payload"].get("reason")
    if kind == "returned" and known["delivered"] - known["returned"] < quantity:
        known["shipped"] -= quantity  # what never arrived came back
    elif kind in {"shipped", "delivered", "returned"}:
        known[kind] += quantity
    elif kind == "cancelled" and reason:
        known["shipped"] += quantity if reason == "found" else -quantity
    elif kind == "cancelled":
        known["cancelled"] = quantity


async def _with_the_carrier(order: Order, partners: Partners) -> Any:
    rows = await order.shop.hub.rows(LABELS, order_ref=order.order_no)
    wanted = sorted((row["carrier"], row["tracking_number"]) for row in rows)
    bookings = await partners.bookings(order.shop.hub.tenant, order.order_no)
    bought = sorted(
        (booking["carrier"], box["tracking_number"])
        for booking in bookings
        if booking["status"] == "booked"
        for box in booking["parcels"]
    )
    if wanted != bought:
        yield f"labels {wanted} are on parcels, but {bought} are bought and not voided"
