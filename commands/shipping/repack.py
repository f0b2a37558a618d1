"""What an order's live shipments must change when the order does: a label is voided, and bought again if need be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import Fault, Rejected
from domain.messages import OrderId
from domain.orders import OrderLine
from domain.packing import LineKey, Row, line_key, pack, quantities, unnamed
from ledger.outcomes import Unpicked
from ledger.reads.balances import order_lines
from queries.packing import faults_of_names, live_parcels, read_held
from records import catalog, restorations
from records.orders import orders
from records.shipping import labels, shipments
from records.shipping.shipments import Parcel


async def check_free(connection: AsyncConnection, order: OrderId, lines: Sequence[OrderLine], wanted: Any) -> None:
    """Raise `Rejected` where parcels name more than the order holds and has not in another live shipment.

    Or other goods than it holds, or such as are in another parcel.
    """
    used = await _in_live_shipments(connection, order)
    held = {line.line_no: line.reserved for line in lines if line.ordered}
    faults = []
    asked: dict[int, int] = defaultdict(int)
    for index, box in enumerate(wanted):
        for place, content in enumerate(box["lines"]):
            line_no = content["line_no"]
            asked[line_no] += content["quantity"]
            possible = held.get(line_no, 0) - used[line_no]
            if asked[line_no] > possible:
                detail = f"Line {line_no}: {asked[line_no]} in parcels, but only {max(0, possible)} are held for it."
                faults.append(Fault(f"/parcels/{index}/lines/{place}/quantity", "more_than_held", detail))
    faults += await faults_of_names(connection, order, lines, wanted)
    if faults:
        raise Rejected(faults[0].code, faults[0].detail, faults)


async def _in_live_shipments(connection: AsyncConnection, order: OrderId) -> dict[int, int]:
    used: dict[int, int] = defaultdict(int)
    for box in await live_parcels(connection, order):
        for content in box.lines:
            used[content["line_no"]] += content["quantity"]
    return used


async def check_complete(
    connection: AsyncConnection, order: OrderId, lines: Sequence[OrderLine], boxes: Sequence[dict[str, Any]]
) -> None:
    """Raise `Rejected` where something of an order that ships as a whole would be left behind.

    What another site is to send goes in a shipment of its own: there, it must only not wait for stock.
    """
    packed = await _in_live_shipments(connection, order)
    contents = [content for box in boxes for content in box["lines"]]
    for content in contents:
        packed[content["line_no"]] += content["quantity"]
    here = {content["site"] for content in contents} or {line.site for line in lines}
    left = [
        (line, line.backordered, max(0, line.reserved - packed[line.line_no]) if line.site in here else 0)
        for line in lines
        if line.ordered
    ]
    missing = [_left_behind(*each) for each in left if any(each[1:])]
    if missing:
        ways = ["accept_short"] if any(waiting for _, waiting, _ in left) else []
        ways += ["pack the rest, too"] if any(unpacked for _, _, unpacked in left) else []
        detail = f"{'; '.join(missing)}, and the order ships as a whole: {', '.join(ways)}, or amend ship_complete."
        faults = [Fault("/parcels", "not_complete", words) for words in missing]
        raise Rejected("not_complete", detail, faults, status=409)


def _left_behind(line: OrderLine, waiting: int, unpacked: int) -> str:
    """Say what of a line would not be shipped."""
    parts = [f"{waiting} of {line.ordered} wait for stock"] if waiting else []
    parts += [f"{unpacked} of {line.ordered} are in no parcel"] if unpacked else []
    return f"Line {line.line_no}: {' and '.join(parts)}"


@dataclass
class _Wanted:
    """What live shipments may hold of each line, what was added to it just now, and which lines want other goods.

    `unpicked` is what is to be put back of each line, by lot, though the line wants as much.
    """

    held: dict[LineKey, int]
    added: dict[LineKey, int]
    unpicked: dict[LineKey, dict[str, int]]
    other_goods: set[LineKey]
    weights: Mapping[str, int]

    @classmethod
    async def of(
        cls,
        connection: AsyncConnection,
        order: OrderId,
        former: Iterable[OrderLine],
        lines: Sequence[OrderLine],
        unpicked: Iterable[Unpicked],
    ) -> Self:
        before = {_key(line): line for line in former if line.ordered}
        now = {_key(line): line for line in lines if line.ordered}
        out: dict[LineKey, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for part in unpicked:
            out[part.line_no, part.sku, part.site][part.lot] += part.quantity
        both = [(key, before[key], line) for key, line in now.items() if key in before]
        return cls(
            held={key: line.reserved for key, line in now.items()},
            unpicked=out,
            added={key: line.reserved - old.reserved for key, old, line in both if line.reserved > old.reserved},
            other_goods={key for key, old, line in both if _wants_other_goods(old, line)},
            weights=await catalog.weights(connection, order.tenant, {line.sku for line in lines}),
        )

    def fill(self, rows: Sequence[Row]) -> list[Row]:
        """Return what a parcel is to hold now: what is added to a line joins what it has of it.

        Where it holds less of a line, which of its units stay is for who packs it to say.
        """
        filled: list[Row] = []
        for key in quantities(rows):
            of_line = [row for row in rows if line_key(row) == key]
            kept = [left for row in of_line if (left := self._without_put_back(key, row))]
            had = sum(row["quantity"] for row in kept)
            quantity = min(had, self.held.get(key, 0)) + self.added.pop(key, 0)
            self.held[key] = self.held.get(key, 0) - quantity
            if quantity >= had:
                filled += kept
            if rest := quantity - had if quantity >= had else quantity:
                filled.append(unnamed(of_line[0], rest))
        return filled

    def _without_put_back(self, key: LineKey, row: Row) -> Row | None:
        """Take what is to be put back out of a row of a parcel, of the lot that it names; None where that is all."""
        left = row["quantity"]
        lots = self.unpicked.get(key, {})
        for lot in lots:
            if row.get("lot") in {None, "", lot}:
                part = min(lots[lot], left)
                lots[lot] -= part
                left -= part
        if left == row["quantity"]:
            return row
        return unnamed(row, left) | {"lot": row.get("lot") or ""} if left else None

    def weigh(self, box: Parcel, rows: Sequence[Row]) -> int:
        """Return what a parcel weighs now."""
        before, now = quantities(box.lines), quantities(rows)
        more = sum((now.get(key, 0) - before.get(key, 0)) * self.weights.get(key[1], 0) for key in {**before, **now})
        return max(1, int(box.weight_g) + more)

    def differs(self, box: Parcel, rows: Sequence[Row]) -> bool:
        """Say whether a parcel must be packed anew."""
        before = quantities(box.lines)
        return before != quantities(rows) or not self.other_goods.isdisjoint(before)


def _wants_other_goods(old: OrderLine, line: OrderLine) -> bool:
    """Say whether a line is to be of another lot, or some that it had picked does not keep long enough for it now."""
    keeps = (old.least_expiry, old.allow_expired) == (line.least_expiry, line.allow_expired)
    return old.lot != line.lot or (not keeps and line.to_put_back > old.to_put_back)


def _key(line: OrderLine) -> LineKey:
    return line.line_no, line.sku, line.site


async def fit(
    connection: AsyncConnection,
    order: OrderId,
    former: Iterable[OrderLine],
    lines: Sequence[OrderLine],
    *,
    relabel: bool = False,
    unpicked: Iterable[Unpicked] = (),
) -> None:
    """Bring live shipments to what the order wants and holds now; `relabel` where address, carrier or service changed.

    What is no longer wanted leaves its parcel, and so does what is to be put back (`unpicked`). What an amendment adds
    to a line joins the parcel that has the line, if it could be reserved. A parcel that changes gets another label; one
    of which only more or less is known does not. The caller holds the order's lock.
    """
    boxes = await live_parcels(connection, order)
    if not boxes:
        return
    wanted = await _Wanted.of(connection, order, former, lines, unpicked)
    filled = pack([wanted.fill(box.lines) for box in boxes], await read_held(connection, order, lines))
    by_shipment: dict[str, list[tuple[Parcel, list[Row]]]] = defaultdict(list)
    for box, rows in zip(boxes, filled, strict=True):
        by_shipment[box.shipment_no].append((box, rows))
    for shipment_no, its in by_shipment.items():
        await _fit_shipment(connection, order, shipment_no, its, wanted, relabel=relabel)


async def name_again(connection: AsyncConnection, order: OrderId, unpicked: Iterable[Unpicked] = ()) -> None:
    """Bring live shipments to what the order holds now, wanting what it wanted; `unpicked` is to be put back of it."""
    if await live_parcels(connection, order):
        lines = (await order_lines(connection, order.tenant, [order.order_ref])).get(order.order_ref, [])
        await fit(connection, order, lines, lines, unpicked=unpicked)


async def _fit_shipment(
    connection: AsyncConnection,
    order: OrderId,
    shipment_no: str,
    filled: Sequence[tuple[Parcel, list[Row]]],
    wanted: _Wanted,
    *,
    relabel: bool,
) -> None:
    anew = [wanted.differs(box, rows) for box, rows in filled]
    if relabel or any(anew):
        await _put_away(connection, order, shipment_no, [box for box, _ in filled])
    for (box, rows), again in zip(filled, anew, strict=True):
        if again or rows != box.lines:
            weight_g = wanted.weigh(box, rows)
            await _set_box(connection, order, box, lines=rows, weight_g=weight_g, packing=box.packing + again)
    if not any(rows for _, rows in filled):
        await _withdraw_label(connection, order, shipment_no)
        await shipments.dissolve(connection, order.tenant, order.order_ref, shipment_no)
    elif relabel or any(anew):
        await _buy_another(connection, order, shipment_no, [box for box, _ in filled])


async def buy_again(connection: AsyncConnection, order: OrderId, shipment_no: str) -> None:
    """Void a shipment's label and buy another one, unless it has left. The caller holds the order's lock."""
    row = await shipments.get(connection, order.tenant, order.order_ref, shipment_no)
    if row is not None and row.is_here:
        boxes = await _boxes(connection, order, shipment_no)
        await _put_away(connection, order, shipment_no, boxes)
        await _buy_another(connection, order, shipment_no, boxes)


async def _buy_another(connection: AsyncConnection, order: OrderId, shipment_no: str, boxes: list[Parcel]) -> None:
    """Void a shipment's label where it was bought, and buy another of the carrier that the order has now."""
    version = await _withdraw_label(connection, order, shipment_no)
    now = (await orders.lock(connection, [(order.tenant, order.order_ref)]))[order.tenant, order.order_ref]
    shipment = shipments.ShipmentName(order.tenant, order.order_ref, shipment_no)
    await shipments.intend(connection, shipment, "label", version + 1, now.carrier)
    for box in boxes:
        await _set_box(connection, order, box, tracking_number=None, tracking_status="pending")
    await shipments.set_fields(
        connection,
        order.tenant,
        order.order_ref,
        shipment_no,
        tracking_status="pending",
        carrier=now.carrier,
        service_level=now.service_level,
    )


async def _boxes(connection: AsyncConnection, order: OrderId, shipment_no: str) -> list[Parcel]:
    boxes = await shipments.parcels_of(connection, order.tenant, [order.order_ref])
    return [box for box in boxes if box.shipment_no == shipment_no]


async def _set_box(connection: AsyncConnection, order: OrderId, box: Parcel, **fields: Any) -> None:
    await shipments.set_parcel(connection, order.tenant, order.order_ref, box.shipment_no, box.parcel_no, **fields)


async def _put_away(connection: AsyncConnection, order: OrderId, shipment_no: str, boxes: list[Parcel]) -> None:
    """Keep the labels that parcels go by until now, as they were bought: one of them may be the one that leaves."""
    bought = await _labels(connection, order, shipment_no)
    await labels.put_away(connection, boxes, bought[-1].version if bought else 1)


async def _labels(connection: AsyncConnection, order: OrderId, shipment_no: str) -> list[shipments.Step]:
    """Return the steps by which a shipment's labels are bought, the latest at the end."""
    steps = await shipments.steps_of(connection, order.tenant, order.order_ref)
    return sorted(
        (s for s in steps if s.kind == "label" and s.shipment_no == shipment_no), key=lambda s: int(s.version)
    )


async def _withdraw_label(connection: AsyncConnection, order: OrderId, shipment_no: str) -> int:
    """Withdraw the shipment's latest label. Returns its version."""
    bought = await _labels(connection, order, shipment_no)
    if not bought:
        return 0
    await _withdraw(connection, order, bought[-1])
    return int(bought[-1].version)


async def _withdraw(connection: AsyncConnection, order: OrderId, label: shipments.Step) -> None:
    """Skip a label if it was surely not asked for, else intend its void."""
    locked = await shipments.get_step(connection, order.tenant, order.order_ref, label.step_id, locked=True)
    asks_first = (await restorations.memory(connection)).asks_first(locked.created_at)
    if locked.state == "intended" and not locked.attempts and not asks_first:
        await shipments.move_step(connection, order.tenant, order.order_ref, label.step_id, "skipped")
    elif locked.state not in {"undone", "skipped"}:
        await shipments.intend(connection, label, "void", label.version, label.carrier)


async def go_by(connection: AsyncConnection, order: OrderId, shipment: shipments.Shipment, version: int) -> None:
    """Let a shipment go by a label that was replaced: it left under that.

    What was bought in its place is withdrawn, and its own void is not sent any more. The caller holds the order's lock.
    """
    boxes = await _boxes(connection, order, shipment.shipment_no)
    known = await labels.of_shipment(connection, shipment, boxes)
    bought = await _labels(connection, order, shipment.shipment_no)
    await labels.put_away(connection, boxes, known.in_use or bought[-1].version)
    scanned = {label.version for label in known.bought if label.scanned}
    voids = {s.version for s in await _voids(connection, order, shipment.shipment_no)}
    for label in bought:
        if label.version not in {version, *scanned, *voids}:
            await _withdraw(connection, order, label)
    if version in voids:
        await _keep_label(connection, order, shipment.shipment_no, version)
    await labels.go_by(connection, shipment, version)


async def _voids(connection: AsyncConnection, order: OrderId, shipment_no: str) -> list[shipments.Step]:
    steps = await shipments.steps_of(connection, order.tenant, order.order_ref)
    return [s for s in steps if s.kind == "void" and s.shipment_no == shipment_no]


async def _keep_label(connection: AsyncConnection, order: OrderId, shipment_no: str, version: int) -> None:
    """Send the void of a label no more, if it was not answered."""
    step_id = f"void/{shipment_no}/{version}"
    void = await shipments.get_step(connection, order.tenant, order.order_ref, step_id, locked=True)
    if void.state in shipments.OPEN:
        await shipments.move_step(connection, order.tenant, order.order_ref, step_id, "skipped")
