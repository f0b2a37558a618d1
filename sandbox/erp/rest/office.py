"""This ERP's back office, for tests and the demo: its clerks keep records and change orders, and tell nobody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from sqlite3 import Connection
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from sandbox.erp.rest import store
from sandbox.erp.rest.desk import Desk, known, pieces_in, state_of
from sandbox.erp.rest.forms import Key, Text
from sandbox.erp.rest.sessions import Sessions
from sandbox.erp.rest.store import Record, RecordKind
from sandbox.erp.rest.words import Amount, LocalClock, OrderState, RefusedError, Unit, amount, number

_FIRST_ORDER_NO = 100_001
_FIRST_POSITION_ID = 700_001
_MOST_AT_ONCE = 20_000

Quantity = Annotated[Amount, AfterValidator(lambda text: amount(number(text)))]
"""An amount in the three decimals of this house, however a clerk types it."""

Day = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\d$")]


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Packaging(_Kept):
    """A unit that an item comes in, and how many pieces it holds."""

    unit: Unit
    contains: Quantity
    ean: str | None = None


class Item(_Kept):
    """An item's master record, under a number of the ERP's own."""

    no: Key
    text: Text = ""
    unit: Literal["ST"] = "ST"
    ean: str | None = None
    packagings: list[Packaging] = []
    tracking: Literal["KEINE", "CHARGE", "SERIE"] = "KEINE"
    shelf_life_days: int | None = None
    weight_kg: Quantity | None = None


class Customer(_Kept):
    """A customer with the address that orders go to. `country` is as on a car."""

    no: Key
    name: str
    name2: str = ""
    street: str
    zip: str
    city: str
    country: str = "D"
    email: str = ""


class Position(_Kept):
    """A position of an order. Without an id it is a new one, and gets one."""

    id: Key | None = None
    item: Key
    quantity: Quantity
    unit: Unit = "ST"
    price: Amount = "0,00"
    currency: str = "EUR"
    delivered: Quantity = "0,000"
    cancelled: Quantity = "0,000"


class Order(_Kept):
    """An order. Without a number it is a new one. `ordered` and `changed` are local times, and now where not given."""

    no: Key | None = None
    customer: Key
    state: OrderState = "FREIGEGEBEN"
    ordered: str | None = None
    wanted: Day | None = None
    shipping: str = "PAKET"
    text: Text = ""
    positions: list[Position] = Field(min_length=1, max_length=2000)
    changed: str | None = None


class Change(_Kept):
    """What a clerk changes of an order. `quantities` are by position id; `drop` takes positions out."""

    state: OrderState | None = None
    customer: Key | None = None
    wanted: Day | None = None
    shipping: str | None = None
    text: Text | None = None
    quantities: dict[str, Quantity] = {}
    add: list[Position] = []
    drop: list[Key] = []


def office_routes(desk: Desk, sessions: Sessions) -> APIRouter:
    """Make the routes of the back office."""
    router = APIRouter(prefix="/rest/admin")
    for routes in (_masters(desk), _orders(desk), _single_orders(desk), _inspection(desk, sessions)):
        router.include_router(routes)
    return router


def _masters(desk: Desk) -> APIRouter:
    router = APIRouter()

    async def keep(kind: RecordKind, rows: Sequence[Item | Customer]) -> None:
        def load(connection: Connection) -> None:
            for row in rows:
                store.put(connection, kind, Record(row.no, desk.clock.now(), row.model_dump(exclude={"no"})))

        await desk.database.run(load)

    @router.post("/items")
    async def load_items(items: Annotated[list[Item], Field(max_length=_MOST_AT_ONCE)]) -> dict[str, int]:
        await keep("item", items)
        return {"items": len(items)}

    @router.post("/customers")
    async def load_customers(customers: Annotated[list[Customer], Field(max_length=_MOST_AT_ONCE)]) -> dict[str, int]:
        await keep("customer", customers)
        return {"customers": len(customers)}

    return router


def _orders(desk: Desk) -> APIRouter:
    router = APIRouter()

    @router.post("/orders")
    async def load_orders(orders: Annotated[list[Order], Field(max_length=_MOST_AT_ONCE)]) -> dict[str, list[Any]]:
        def load(connection: Connection) -> list[Record]:
            return [_enter(connection, desk.clock, order) for order in orders]

        return {"orders": await _clerk(desk, load)}

    @router.get("/orders")
    async def list_orders() -> list[dict[str, Any]]:
        rows, _ = await desk.listed("order", store.Search(rows=1_000_000))
        return rows

    return router


def _single_orders(desk: Desk) -> APIRouter:
    router = APIRouter()

    @router.patch("/orders/{no}")
    async def change_order(no: str, change: Change) -> dict[str, Any]:
        (order,) = await _clerk(desk, lambda connection: [_change(connection, desk.clock, no, change)])
        return order

    @router.post("/orders/{no}/cancel")
    async def cancel_order(no: str) -> dict[str, Any]:
        (order,) = await _clerk(desk, lambda connection: [_cancel(connection, desk.clock, no)])
        return order

    @router.delete("/orders/{no}", status_code=204)
    async def delete_order(no: str) -> None:
        if not await desk.database.run(lambda connection: store.remove(connection, "order", no)):
            raise HTTPException(404, no)

    return router


def _inspection(desk: Desk, sessions: Sessions) -> APIRouter:
    router = APIRouter()

    @router.get("/documents")
    async def list_documents(our_ref: str | None = None, order: str | None = None) -> list[dict[str, Any]]:
        return await desk.documents(our_ref=our_ref, order_no=order)

    @router.post("/sessions/lapse")
    async def lapse_sessions() -> dict[str, int]:
        return {"lapsed": sessions.lapse()}

    return router


async def _clerk(desk: Desk, work: Callable[[Connection], list[Record]]) -> list[dict[str, Any]]:
    """Do a clerk's work in one transaction; what the ERP would not let a clerk do is 422."""
    try:
        return [desk.told(record) for record in await desk.database.run(work)]
    except RefusedError as error:
        raise HTTPException(error.status, str(error)) from error


def _enter(connection: Connection, clock: LocalClock, order: Order) -> Record:
    known(connection, "customer", order.customer)
    now = clock.now()
    no = order.no or f"A-{store.next_number(connection, 'order', _FIRST_ORDER_NO)}"
    body = order.model_dump(exclude={"no", "changed"}) | {
        "ordered": order.ordered or clock.text(now),
        "positions": [_position(connection, position) for position in order.positions],
    }
    record = Record(no, now if order.changed is None else clock.second(order.changed), body)
    store.put(connection, "order", record)
    return record


def _position(connection: Connection, position: Position) -> dict[str, Any]:
    id_ = position.id or str(store.next_number(connection, "position", _FIRST_POSITION_ID))
    return _measured(connection, position.model_dump() | {"id": id_})


def _measured(connection: Connection, position: dict[str, Any]) -> dict[str, Any]:
    """Give a position with its quantity in pieces, too."""
    item = known(connection, "item", position["item"])
    pieces = pieces_in(item, position["quantity"], position["unit"])
    return position | {"base_quantity": amount(pieces), "base_unit": item.body["unit"]}


def _change(connection: Connection, clock: LocalClock, no: str, change: Change) -> Record:
    order = known(connection, "order", no)
    if strange := (change.quantities.keys() | set(change.drop)) - {each["id"] for each in order.body["positions"]}:
        raise RefusedError("POSITION", f"Auftrag {no} hat keine Position {min(strange)}.")
    kept = [
        _measured(connection, each | {"quantity": change.quantities.get(each["id"], each["quantity"])})
        for each in order.body["positions"]
        if each["id"] not in change.drop
    ]
    added = [_position(connection, position) for position in change.add]
    fields = change.model_dump(exclude={"quantities", "add", "drop"}, exclude_none=True)
    return _keep(connection, clock, no, order.body | fields | {"positions": kept + added})


def _cancel(connection: Connection, clock: LocalClock, no: str) -> Record:
    """Cancel what is still to come."""
    order = known(connection, "order", no)
    positions = [
        each | {"cancelled": amount(max(number(each["base_quantity"]) - number(each["delivered"]), number("0")))}
        for each in order.body["positions"]
    ]
    body = order.body | {"positions": positions}
    return _keep(connection, clock, no, body | {"state": state_of(body)})


def _keep(connection: Connection, clock: LocalClock, no: str, body: dict[str, Any]) -> Record:
    record = Record(no, clock.now(), body)
    store.put(connection, "order", record)
    return record
