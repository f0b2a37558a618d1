"""The decision of each command: one transaction that posts to the ledger, keeps the records, and answers the inbox row.

A command is decided once. Whoever comes second (a retry, a second worker) finds the row decided and reads its answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from stockbridge.activities import parcels
from stockbridge.activities.bookkeeping import HOLD_STEP, attention_row, erp_lines
from stockbridge.activities.messages import OrderId
from stockbridge.domain.erp import ErpMessageKind
from stockbridge.domain.errors import Conflict, InvariantViolated, Rejected, Unavailable
from stockbridge.domain.orders import OrderLine, status_of
from stockbridge.domain.stock import Evidence, StockStatus
from stockbridge.ledger.balances import order_lines
from stockbridge.ledger.requests import (
    AmendOrder,
    CancelLines,
    ConfirmPick,
    Demand,
    IssueGoods,
    LineQuantity,
    PickedLine,
    PutBack,
    ReturnedLine,
    ReturnGoods,
)
from stockbridge.ledger.writer import LedgerWriter, Outcome, translating
from stockbridge.records import catalog, first_push, inbox, messages, orders, places, shipments
from stockbridge.records.inbox import InboxRow

log = structlog.get_logger(__name__)

Order = dict[str, Any]


class Deciding:
    """Decides commands of orders. Every method may run twice."""

    def __init__(self, engine: AsyncEngine, ledger: LedgerWriter) -> None:
        self._engine = engine
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._ledger = ledger
        self._rules: dict[str, Callable[[InboxRow], Awaitable[None]]] = {
            "submit": self._submit,
            "cancel": self._cancel,
            "confirm_pick": self._confirm_pick,
            "put_back": self._put_back,
            "ship": self._ship,
            "hand_over": self._hand_over,
            "return": self._return,
            "operate": self._operate,
        }

    async def decide(self, row: InboxRow) -> None:
        """Accept or refuse a command. Raises `Unavailable` while PostgreSQL can't be reached; the row then waits."""
        try:
            with translating():
                await self._rules[row.kind](row)
        except inbox.AlreadyDecided:
            return
        except Rejected as refusal:
            await self._refuse(row, refusal)
        except InvariantViolated as bug:
            log.exception("command.invariant_violated", key=row.key)
            await self._refuse(row, Rejected("invariant_violated", str(bug), status=500))

    async def _refuse(self, row: InboxRow, refusal: Rejected) -> None:
        """Keep a refusal. The ERP is told of a revision that an order of its own did not take."""
        try:
            with translating():
                await self._write_refusal(row, refusal)
        except inbox.AlreadyDecided:
            return
        except InvariantViolated as bug:
            # The row must not be lost over our bug: it waits, is tried again, and shows as pending in Temporal.
            log.exception("command.not_decided", key=row.key)
            raise Unavailable(f"{row.key} can't be decided: {bug}") from bug

    async def _write_refusal(self, row: InboxRow, refusal: Rejected) -> None:
        async with self._engine.begin() as connection:
            known = await orders.lock(connection, [(row.tenant, row.order_ref)])
            await inbox.refuse(connection, row.inbox_id, refusal)
            if known and row.kind == "submit":
                lines = erp_lines(await self._lines(connection, row), "ordered")
                payload = {"lines": lines, "reason": refusal.detail, "revision": row.payload["revision"]}
                await messages.append(connection, row.tenant, row.order_ref, "refused", payload)

    # -- the ERP's push ------------------------------------------------------------------------------------------

    async def _submit(self, row: InboxRow) -> None:
        push = row.payload
        former = [] if row.of_new_order else await self._former(row)
        request = AmendOrder(
            tenant=row.tenant,
            key=row.key,
            actor=row.actor,
            order_ref=row.order_ref,
            priority=push["priority"],
            shortage_policy=push["shortage_policy"],
            lines=tuple(Demand(**line) for line in push["resolved"]),
            former=tuple({(line.site, line.sku): None for line in former}),
        )

        async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
            await (self._amend(connection, row) if former else self._begin(connection, row, outcome))

        await self._ledger.post(request, attach)

    async def _begin(self, connection: AsyncConnection, row: InboxRow, outcome: Outcome) -> None:
        """Write a new order, with its status and what the ERP is to hear first."""
        push = row.payload
        lines = sorted((x for x in outcome.lines if x.order_ref == row.order_ref), key=lambda line: line.line_no)
        said = _said([("accepted", lines), ("reserved", lines), ("backordered", lines)])
        new = {name: push.get(name) for name in _OF_A_NEW_ORDER} | {"status": status_of(lines, {}).value}
        answer = {"outcome": "accepted"}
        if not await first_push.write(connection, row.inbox_id, new, _content(push), row.digest, said, answer):
            raise Unavailable(f"{row.order_ref} was accepted meanwhile; what is asked is decided anew.")

    async def _amend(self, connection: AsyncConnection, row: InboxRow) -> None:
        """Bring a known order to a revision: its terms, its live shipments, and what the ERP is to hear."""
        known = (await orders.lock(connection, [(row.tenant, row.order_ref)]))[row.tenant, row.order_ref]
        orders.check_revision(known, row.payload["revision"])
        fields = _order_fields(row.payload)
        await orders.set_fields(connection, row.tenant, row.order_ref, **fields)
        await orders.add_revision(
            connection,
            row.tenant,
            row.order_ref,
            row.payload["revision"],
            row.digest,
            _content(row.payload),
            fields["address_id"],
        )
        lines = await self._lines(connection, row)
        for kind, payload in _said([("amended", [x for x in lines if x.ordered] or lines)]):
            await messages.append(connection, row.tenant, row.order_ref, kind, payload)
        relabel = await self._reads_otherwise(connection, known, fields)
        await parcels.fit(connection, OrderId(tenant=row.tenant, order_ref=row.order_ref), lines, relabel=relabel)
        if known["needs_attention"] and (known["attention"] or {}).get("step") != HOLD_STEP:
            await self._clear_attention(connection, row)
        await inbox.accept(connection, row.inbox_id, {"outcome": "amended"})

    async def _reads_otherwise(self, connection: AsyncConnection, known: Order, fields: dict[str, Any]) -> bool:
        """Say whether what a label says has changed: the address, the carrier or the service."""
        if any(known[name] != fields[name] for name in ("carrier", "service_level")):
            return True
        if known["address_id"] == fields["address_id"]:
            return False
        before = await orders.get_address(connection, known["address_id"])
        after = await orders.get_address(connection, fields["address_id"])
        return before.get("ship_to") != after.get("ship_to")

    async def _former(self, row: InboxRow) -> list[OrderLine]:
        async with self._reading.connect() as connection:
            return await self._lines(connection, row)

    async def _lines(self, connection: AsyncConnection, row: InboxRow) -> list[OrderLine]:
        return (await order_lines(connection, row.tenant, [row.order_ref])).get(row.order_ref, [])

    # -- cancel ---------------------------------------------------------------------------------------------------

    async def _cancel(self, row: InboxRow) -> None:
        async with self._reading.connect() as connection:
            await self._open(connection, row)
            lines = await self._lines(connection, row)
        asked = row.payload.get("resolved") or _all_unshipped(lines)
        request = CancelLines(
            tenant=row.tenant, key=row.key, actor=row.actor, order_ref=row.order_ref, lines=_quantities(asked)
        )
        await self._post_cancel(row, request)

    async def _post_cancel(self, row: InboxRow, request: CancelLines) -> None:
        order = OrderId(tenant=row.tenant, order_ref=row.order_ref)

        async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
            await orders.lock(connection, [(row.tenant, row.order_ref)])
            lines = await self._lines(connection, row)
            about = {line.line_no for line in outcome.lines if line.order_ref == row.order_ref}
            for kind, payload in _said([("cancelled", [x for x in lines if x.line_no in about])]):
                await messages.append(connection, row.tenant, row.order_ref, kind, payload)
            await parcels.fit(connection, order, lines, relabel=False)
            await self._clear_attention(connection, row)
            await inbox.accept(connection, row.inbox_id, {"outcome": "done"})

        await self._ledger.post(request, attach)

    async def _open(self, connection: AsyncConnection, row: InboxRow, *, or_closed: bool = False) -> Order:
        """Return the order, if it is there and open."""
        order = await orders.get(connection, row.tenant, row.order_ref)
        if order is None:
            raise Rejected("unknown_order", f"There is no order {row.order_ref}.", status=404)
        if order["closed_at"] is not None and not or_closed:
            raise Rejected("order_closed", "The order is closed.", status=409)
        return order

    # -- the floor --------------------------------------------------------------------------------------------------

    async def _confirm_pick(self, row: InboxRow) -> None:
        async with self._reading.connect() as connection:
            picked = await self._picked_lines(connection, row)
            inferred = await self._was_inferred(connection, row, picked)
            if not inferred:
                await self._open(connection, row)
            staging = tuple([await places.staging_of(connection, row.tenant, s) for s in {x.site for x in picked}])
        if inferred:
            await self._accept_alone(row, "unchanged")
            return
        request = ConfirmPick(
            tenant=row.tenant,
            key=row.key,
            actor=row.actor,
            evidence=Evidence.SCANNED if row.payload.get("device") else Evidence.CONFIRMED,
            occurred_at=_instant(row),
            order_ref=row.order_ref,
            lines=picked,
            staging=staging,
            short=row.payload.get("short", False),
        )
        await self._ledger.post(request, self._accepting(row))

    async def _picked_lines(self, connection: AsyncConnection, row: InboxRow) -> tuple[PickedLine, ...]:
        return tuple([await self._picked_line(connection, row.tenant, line) for line in row.payload["resolved"]])

    async def _picked_line(self, connection: AsyncConnection, tenant: str, line: dict[str, Any]) -> PickedLine:
        location_id = line.get("location_id")
        place = await places.place_of(connection, tenant, location_id) if location_id else None
        return PickedLine(
            line["line_no"],
            line["sku"],
            line["site"],
            line["quantity"],
            line.get("lot") or "",
            tuple(line.get("serial_numbers") or ()),
            place,
        )

    async def _was_inferred(self, connection: AsyncConnection, row: InboxRow, picked: tuple[PickedLine, ...]) -> bool:
        """Say whether a late pick is of goods that a carrier scan proved to have left."""
        gone = [
            s
            for s in await shipments.of_order(connection, row.tenant, row.order_ref)
            if s["handover_evidence"] == Evidence.INFERRED.value
        ]
        lines = {line.line_no: line for line in await self._lines(connection, row)}
        return bool(gone) and all(
            (line := lines.get(x.line_no)) is not None and line.shipped and (x.quantity or 0) > line.unpicked
            for x in picked
        )

    async def _put_back(self, row: InboxRow) -> None:
        async with self._reading.connect() as connection:
            await self._open(connection, row)
            lines = await self._picked_lines(connection, row)
        request = PutBack(
            tenant=row.tenant,
            key=row.key,
            actor=row.actor,
            occurred_at=_instant(row),
            order_ref=row.order_ref,
            lines=lines,
        )
        await self._ledger.post(request, self._accepting(row))

    def _accepting(self, row: InboxRow) -> Callable[[AsyncConnection, Outcome], Awaitable[None]]:
        async def attach(connection: AsyncConnection, _outcome: Outcome) -> None:
            await inbox.accept(connection, row.inbox_id, {"outcome": "done"})

        return attach

    async def _accept_alone(self, row: InboxRow, outcome: str) -> None:
        async with self._engine.begin() as connection:
            await inbox.accept(connection, row.inbox_id, {"outcome": outcome})

    # -- ship, hand over, return ----------------------------------------------------------------------------------

    async def _ship(self, row: InboxRow) -> None:
        """Make the shipment; its label is the next step. Stock stays held, unless it was handed over already."""
        if not row.payload.get("handed_over"):
            async with self._engine.begin() as connection:
                await self._make_shipment(connection, row)
                await inbox.accept(connection, row.inbox_id, {"outcome": "done"})
            return
        async with self._reading.connect() as connection:
            await self._open(connection, row)
            boxes = await self._boxes(connection, row)
        request = self._issue_request(row, row.payload["shipment_no"], boxes)

        async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
            await self._make_shipment(connection, row, boxes)
            await self._handed_over(connection, row, row.payload["shipment_no"], outcome)

        await self._ledger.post(request, attach)

    async def _boxes(self, connection: AsyncConnection, row: InboxRow) -> list[dict[str, Any]]:
        """Return the parcels that were asked for, or one with all that is picked."""
        lines = await self._lines(connection, row)
        order = OrderId(tenant=row.tenant, order_ref=row.order_ref)
        if row.payload.get("parcels"):
            boxes = [
                {**{k: v for k, v in box.items() if k != "lines"}, "lines": resolved}
                for box, resolved in zip(row.payload["parcels"], row.payload["resolved"], strict=True)
            ]
            await parcels.check_free(connection, order, lines, boxes)
            return boxes
        return [{"lines": await parcels.all_that_is_picked(connection, order, lines)}]

    async def _make_shipment(
        self, connection: AsyncConnection, row: InboxRow, boxes: list[dict[str, Any]] | None = None
    ) -> None:
        shipment_no = row.payload["shipment_no"]
        await orders.lock(connection, [(row.tenant, row.order_ref)])
        order = await self._open(connection, row)
        if await shipments.number_taken(connection, row.tenant, shipment_no):
            raise Rejected("shipment_exists", f"Shipment {shipment_no} exists already.", status=409)
        boxes = boxes or await self._boxes(connection, row)
        site = {content["site"] for box in boxes for content in box["lines"]}
        if len(site) > 1:
            raise Rejected("several_sites", "A shipment leaves from one site; make one shipment for each.")
        skus = {content["sku"] for box in boxes for content in box["lines"]}
        weights = await catalog.weights(connection, row.tenant, skus)
        await shipments.add(
            connection,
            {
                "tenant": row.tenant,
                "order_ref": row.order_ref,
                "shipment_no": shipment_no,
                "site": site.pop(),
                "carrier": order["carrier"],
                "service_level": order["service_level"],
                "tracking_status": "pending",
            },
            [_parcel_row(row, number, box, weights) for number, box in enumerate(boxes, 1)],
        )
        await shipments.intend(connection, row.tenant, row.order_ref, "label", shipment_no, 1)

    async def _hand_over(self, row: InboxRow) -> None:
        shipment_no = row.payload["shipment_no"]
        async with self._reading.connect() as connection:
            known = await shipments.get(connection, row.tenant, row.order_ref, shipment_no)
            await self._open(connection, row, or_closed=known is not None)
            if known is None:
                raise Rejected("unknown_shipment", f"The order has no shipment {shipment_no}.", status=404)
            if known["dissolved_at"]:
                raise Rejected("shipment_cancelled", f"Shipment {shipment_no} was cancelled.", status=409)
            boxes = await shipments.parcels_of(connection, row.tenant, [row.order_ref])
        if known["handed_over_at"]:
            await self._accept_alone(row, "unchanged")
            return
        request = self._issue_request(row, shipment_no, [box for box in boxes if box["shipment_no"] == shipment_no])

        async def attach(connection: AsyncConnection, outcome: Outcome) -> None:
            await self._handed_over(connection, row, shipment_no, outcome)

        try:
            await self._ledger.post(request, attach)
        except Conflict:  # a scan proved meanwhile that it left
            await self._accept_alone(row, "unchanged")

    def _issue_request(self, row: InboxRow, shipment_no: str, boxes: list[dict[str, Any]]) -> IssueGoods:
        return IssueGoods(
            tenant=row.tenant,
            key=f"goods_issue/{row.order_ref}/{shipment_no}",
            actor=row.actor,
            evidence=Evidence.SCANNED if row.payload.get("device") else Evidence.CONFIRMED,
            occurred_at=_instant(row),
            order_ref=row.order_ref,
            shipment_no=shipment_no,
            lines=_quantities([content for box in boxes for content in box["lines"]]),
        )

    async def _handed_over(
        self, connection: AsyncConnection, row: InboxRow, shipment_no: str, outcome: Outcome
    ) -> None:
        order = OrderId(tenant=row.tenant, order_ref=row.order_ref)
        evidence = outcome.request.evidence
        await note_handover(
            connection, order, shipment_no, outcome.request.occurred_at or outcome.recorded_at, evidence
        )
        await inbox.accept(connection, row.inbox_id, {"outcome": "done"})

    async def _return(self, row: InboxRow) -> None:
        async with self._reading.connect() as connection:
            order = await self._open(connection, row, or_closed=True)
            place = await places.place_of(connection, row.tenant, row.payload["location_id"])
            undelivered = await self._returned_to_sender(connection, row)
        request = ReturnGoods(
            tenant=row.tenant,
            key=row.key,
            actor=row.actor,
            occurred_at=_instant(row),
            order_ref=row.order_ref,
            place=place,
            order_site=order["site"],
            shipment_no=undelivered,
            lines=tuple(_returned_line(line) for line in row.payload["resolved"]),
        )

        async def attach(connection: AsyncConnection, _outcome: Outcome) -> None:
            await orders.lock(connection, [(row.tenant, row.order_ref)])
            lines = await self._lines(connection, row)
            about = {line["line_no"]: line["quantity"] for line in row.payload["resolved"]}
            told = erp_lines([x for x in lines if x.line_no in about], "returned")
            payload = {"lines": [{**line, "quantity": about[line["line_no"]]} for line in told]}
            await messages.append(connection, row.tenant, row.order_ref, "returned", payload)
            await inbox.accept(connection, row.inbox_id, {"outcome": "done"})

        await self._ledger.post(request, attach)

    async def _returned_to_sender(self, connection: AsyncConnection, row: InboxRow) -> str | None:
        """Return the shipment that the carrier sends back, where the order has one that never arrived."""
        for shipment in await shipments.of_order(connection, row.tenant, row.order_ref):
            if shipment["tracking_status"] == "return_to_sender" and shipment["delivered_at"] is None:
                return str(shipment["shipment_no"])
        return None

    # -- operators ----------------------------------------------------------------------------------------------------

    async def _operate(self, row: InboxRow) -> None:
        verb = row.payload["verb"]
        if verb in {"accept_short", "release_hold"}:
            await self._give_up(row, only_backordered=verb == "accept_short")
            return
        async with self._engine.begin() as connection:
            await orders.lock(connection, [(row.tenant, row.order_ref)])
            order = await self._open(connection, row)
            target = row.payload.get("target") or (order["attention"] or {}).get("step")
            if verb == "skip_step":
                await self._skip(connection, row, target)
            elif verb == "resend_to_erp":
                await self._resend(connection, row, target)
            await self._clear_attention(connection, row)
            await inbox.accept(connection, row.inbox_id, {"outcome": "done", "verb": verb, "target": target})

    async def _give_up(self, row: InboxRow, *, only_backordered: bool) -> None:
        async with self._reading.connect() as connection:
            await self._open(connection, row)
            lines = await self._lines(connection, row)
        request = CancelLines(
            tenant=row.tenant,
            key=row.key,
            actor=row.actor,
            order_ref=row.order_ref,
            only_backordered=only_backordered,
            lines=tuple(
                LineQuantity(x.line_no, x.sku, x.site, None)
                for x in lines
                if (x.backordered if only_backordered else x.unshipped)
            ),
        )
        await self._post_cancel(row, request)

    async def _skip(self, connection: AsyncConnection, row: InboxRow, target: str | None) -> None:
        """Never do a step: a person has dealt with it outside, and says so."""
        for step in await shipments.steps_of(connection, row.tenant, row.order_ref):
            if step["step_id"] == target:
                await shipments.move_step(connection, row.tenant, row.order_ref, step["step_id"], "skipped")
                return
        for message in await messages.waiting(connection, row.tenant, row.order_ref):
            if target == f"erp/{message['number']}":
                await messages.move(connection, row.tenant, row.order_ref, message["number"], "skipped")
                return
        raise Rejected("unknown_step", f"The order has no step {target!r} that waits.", status=404)

    async def _resend(self, connection: AsyncConnection, row: InboxRow, target: str | None) -> None:
        """Tell the ERP a message again: in its place, or at the end of the feed if it was told before."""
        number = (target or "").removeprefix("erp/")
        if not number.isdigit():
            raise Rejected("unknown_step", "Name the message as target: erp/<number>.", status=404)
        message = await messages.get(connection, row.tenant, row.order_ref, int(number))
        if message is None:
            raise Rejected("unknown_step", f"The feed has no message {number}.", status=404)
        if message["state"] in {"done", "skipped"}:
            await messages.append(connection, row.tenant, row.order_ref, message["kind"], message["payload"])
        else:
            await messages.renew(connection, message)

    async def _clear_attention(self, connection: AsyncConnection, row: InboxRow) -> None:
        await orders.set_fields(connection, row.tenant, row.order_ref, needs_attention=False, attention=None)


async def note_handover(
    connection: AsyncConnection, order: OrderId, shipment_no: str, at: datetime, evidence: Evidence
) -> None:
    """Write down that a shipment left, in the transaction of its goods issue, and tell the ERP."""
    await orders.lock(connection, [(order.tenant, order.order_ref)])
    shipment = await shipments.get(connection, order.tenant, order.order_ref, shipment_no)
    if shipment is None:
        raise InvariantViolated(f"shipment {shipment_no} is not there to be handed over")
    await shipments.set_fields(
        connection, order.tenant, order.order_ref, shipment_no, handed_over_at=at, handover_evidence=evidence.value
    )
    boxes = [
        box
        for box in await shipments.parcels_of(connection, order.tenant, [order.order_ref])
        if box["shipment_no"] == shipment_no
    ]
    payload = {
        "shipment_no": shipment_no,
        "carrier": shipment["carrier"],
        "occurred_at": at.isoformat(),
        "lines": await shipped_lines(connection, order, boxes),
    }
    await messages.append(connection, order.tenant, order.order_ref, "shipped", payload)


async def shipped_lines(
    connection: AsyncConnection, order: OrderId, boxes: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return what parcels hold as an ERP message tells it, by line."""
    lines = (await order_lines(connection, order.tenant, [order.order_ref])).get(order.order_ref, [])
    held: dict[int, int] = {}
    serials: dict[int, list[str]] = {}
    for box in boxes:
        for content in box["lines"]:
            held[content["line_no"]] = held.get(content["line_no"], 0) + content["quantity"]
            serials.setdefault(content["line_no"], []).extend(content.get("serial_numbers") or ())
    told = erp_lines([line for line in lines if line.line_no in held and line.ordered], "shipped")
    return [{**line, "quantity": held[line["line_no"]], "serial_numbers": serials[line["line_no"]]} for line in told]


async def ask_for_a_person(
    connection: AsyncConnection, order: OrderId, reason: str, actions: tuple[str, ...], step: str
) -> None:
    """Flag an order: what is stuck, why, and which named actions unstick it."""
    now = (await connection.execute(func.clock_timestamp().select())).scalar_one()
    attention = attention_row(reason, actions, step, now.isoformat())
    await orders.set_fields(connection, order.tenant, order.order_ref, needs_attention=True, attention=attention)


def _order_fields(push: dict[str, Any]) -> dict[str, Any]:
    requested = push.get("requested_delivery")
    return {
        "revision": push["revision"],
        "priority": push["priority"],
        "shortage_policy": push["shortage_policy"],
        "customer_no": push.get("customer_no"),
        "requested_delivery": datetime.fromisoformat(requested).date() if requested else None,
        "carrier": push["carrier"],
        "service_level": push["service_level"],
        "address_id": UUID(push["address_id"]),
        "ordered_at": datetime.fromisoformat(push["ordered_at"]),
    }


_OF_A_NEW_ORDER: Final = (
    "source",
    "order_no",
    "site",
    "revision",
    "priority",
    "shortage_policy",
    "customer_no",
    "requested_delivery",
    "carrier",
    "service_level",
    "address_id",
    "ordered_at",
)
"""What a push says of the order itself."""


def _content(push: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of a revision: people's data is kept apart."""
    return {name: said for name, said in push.items() if name not in {"ship_to", "note"}}


_TOLD_OF: Final = {"accepted": "ordered", "amended": "reserved"}
"""Which quantity of a line a message tells, where it is not the one that it is named for."""


def _said(about: Iterable[tuple[ErpMessageKind, list[OrderLine]]]) -> list[messages.Said]:
    """Write messages about lines, each about those that it has something to say of; none about nothing."""
    said: list[messages.Said] = []
    for kind, lines in about:
        quantity = _TOLD_OF.get(kind, kind)
        told = [x for x in lines if getattr(x, quantity) or kind == "amended"]
        if told:
            said.append((kind, {"lines": erp_lines(told, quantity)}))
    return said


def _all_unshipped(lines: list[OrderLine]) -> list[dict[str, Any]]:
    asked = [
        {"line_no": line.line_no, "sku": line.sku, "site": line.site, "quantity": None}
        for line in lines
        if line.unshipped
    ]
    if not asked and any(line.shipped for line in lines):
        raise Rejected("already_shipped", "All that was not cancelled has left; nothing can be cancelled.", status=409)
    return asked


def _quantities(lines: list[dict[str, Any]]) -> tuple[LineQuantity, ...]:
    return tuple(
        LineQuantity(
            line["line_no"],
            line["sku"],
            line["site"],
            line["quantity"],
            line.get("lot") or "",
            tuple(line.get("serial_numbers") or ()),
        )
        for line in lines
    )


def _returned_line(line: dict[str, Any]) -> ReturnedLine:
    return ReturnedLine(
        line["line_no"],
        line["sku"],
        line["site"],
        line["quantity"],
        line.get("lot") or "",
        tuple(line.get("serial_numbers") or ()),
        StockStatus(line.get("condition") or StockStatus.INSPECTION),
    )


_SOME_WEIGHT_G: Final = 1000
"""What a parcel is said to weigh where neither the packer nor the catalog knows."""


def _weight(contents: list[dict[str, Any]], weights: Mapping[str, int]) -> int:
    known = [weights.get(content["sku"]) for content in contents]
    if None in known:
        return _SOME_WEIGHT_G
    return sum(each * content["quantity"] for each, content in zip(known, contents, strict=True) if each)


def _parcel_row(row: InboxRow, number: int, box: dict[str, Any], weights: Mapping[str, int]) -> dict[str, Any]:
    return {
        "tenant": row.tenant,
        "order_ref": row.order_ref,
        "shipment_no": row.payload["shipment_no"],
        "parcel_no": number,
        "weight_g": box.get("weight_g") or _weight(box["lines"], weights),
        "length_mm": box.get("length_mm"),
        "width_mm": box.get("width_mm"),
        "height_mm": box.get("height_mm"),
        "lines": box["lines"],
        "tracking_status": "pending",
    }


def _instant(row: InboxRow) -> datetime | None:
    told = row.payload.get("occurred_at")
    return datetime.fromisoformat(told) if told else None
