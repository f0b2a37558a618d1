"""The REST service: a login, lists to poll, records by number, and documents to make of an order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.responses import HTMLResponse, JSONResponse, Response

from sandbox.erp.rest.desk import Desk
from sandbox.erp.rest.forms import KINDS
from sandbox.erp.rest.sessions import NotLoggedInError, Sessions
from sandbox.erp.rest.store import RecordKind, Search
from sandbox.erp.rest.words import RefusedError
from sandbox.faults import REST_KINDS, Fault, FaultBoard, Refusals, served

OPERATIONS = frozenset({"login", "orders", "order", "items", "item", "customer", "documents"}) | KINDS.keys()
"""What faults call the requests: what each asks for, or makes."""

_MOST_ROWS = 500
_LARGEST_BODY = 4 * 1024 * 1024
_LOGIN_PAGE = (
    "<!DOCTYPE html><html><head><title>Anmeldung</title></head><body><h1>Bitte melden Sie sich an</h1>"
    '<form method="post" action="/login"><input name="user"><input name="password" type="password"></form>'
    "</body></html>"
)

Content = dict[str, Any]
M = TypeVar("M", bound=BaseModel)


class Login(BaseModel):
    """Who wants in."""

    model_config = ConfigDict(extra="forbid", strict=True)

    user: str
    password: str


@dataclass(frozen=True)
class Counter:
    """Where requests come in: lets callers through who are logged in, and misbehaves as it is told."""

    faults: FaultBoard
    sessions: Sessions

    async def answer(
        self, operation: str, request: Request, work: Callable[[], Awaitable[Content]], *, status: int = 200
    ) -> Response:
        """Do a logged-in caller's work, and answer with what comes of it."""
        fault = self.faults.take(REST_KINDS, operation)
        if fault is not None and (instead := _instead(fault)) is not None:
            return instead

        async def respond() -> Response:
            try:
                if operation != "login":
                    self.sessions.use(request.headers.get("X-Session"))
                content = await work()
            except NotLoggedInError as error:
                return HTMLResponse(_LOGIN_PAGE, 200 if error.lapsed else 401)
            except RefusedError as error:
                return _refusal(error)
            return JSONResponse(content if fault is None else _spoiled(content, fault), status)

        return await served(self.faults, operation, respond, _REFUSALS)


def rest_routes(desk: Desk, counter: Counter) -> APIRouter:
    """Make the routes of the REST service."""
    router = APIRouter(prefix="/rest")
    for routes in (_login(counter), _lists(desk, counter), _records(desk, counter), _documents(desk, counter)):
        router.include_router(routes)
    return router


def _login(counter: Counter) -> APIRouter:
    router = APIRouter()

    @router.post("/login")
    async def login(request: Request) -> Response:
        async def work() -> Content:
            wanted = await _body_of(request, Login)
            return {"session": counter.sessions.open(wanted.user, wanted.password)}

        return await counter.answer("login", request, work)

    return router


def _lists(desk: Desk, counter: Counter) -> APIRouter:
    router = APIRouter()

    async def listed(request: Request, name: str, kind: RecordKind) -> Response:
        async def work() -> Content:
            wanted = _search(desk, request)
            return _page(request, wanted, name, *await desk.listed(kind, wanted))

        return await counter.answer(name, request, work)

    @router.get("/orders")
    async def orders(request: Request) -> Response:
        return await listed(request, "orders", "order")

    @router.get("/items")
    async def items(request: Request) -> Response:
        return await listed(request, "items", "item")

    return router


def _records(desk: Desk, counter: Counter) -> APIRouter:
    router = APIRouter()

    @router.get("/orders/{no}")
    async def order(request: Request, no: str) -> Response:
        return await counter.answer("order", request, lambda: desk.one("order", no))

    @router.get("/items/{no}")
    async def item(request: Request, no: str) -> Response:
        return await counter.answer("item", request, lambda: desk.one("item", no))

    @router.get("/customers/{no}")
    async def customer(request: Request, no: str) -> Response:
        return await counter.answer("customer", request, lambda: desk.one("customer", no))

    return router


def _documents(desk: Desk, counter: Counter) -> APIRouter:
    router = APIRouter()

    @router.get("/documents")
    async def find(request: Request, our_ref: str | None = None, order: str | None = None) -> Response:
        async def work() -> Content:
            if our_ref is None and order is None:
                raise RefusedError("FILTER", "Belege nur zu einer Referenz oder einem Auftrag.")
            found = await desk.documents(our_ref=our_ref, order_no=order)
            return {"documents": found, "rows": len(found)}

        return await counter.answer("documents", request, work)

    @router.post("/orders/{no}/{collection}")
    async def book(request: Request, no: str, collection: str) -> Response:
        async def work() -> Content:
            if collection not in KINDS:
                raise RefusedError("UNBEKANNT", f"Belegart {collection} gibt es nicht.", status=404)
            return await desk.book(no, collection, await _body_of(request, KINDS[collection].form))

        return await counter.answer(collection, request, work, status=201)

    return router


async def _body_of(request: Request, model: type[M]) -> M:
    """Read a body, but no more of it than an honest caller would send."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BODY:
            raise RefusedError("FORMAT", f"Mehr als {_LARGEST_BODY} Bytes.", status=413)
    try:
        return model.model_validate_json(bytes(body))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "Nachricht"
        raise RefusedError("FORMAT", f"{place}: {first['msg']}") from error


def _search(desk: Desk, request: Request) -> Search:
    query = request.query_params
    page, rows = (_whole(query.get(name, default), name) for name, default in (("page", "1"), ("rows", "100")))
    if not 1 <= rows <= _MOST_ROWS or page < 1:
        raise RefusedError("SEITE", f"1 bis {_MOST_ROWS} Zeilen je Seite, ab Seite 1.")
    since = query.get("changed_since")
    states = tuple(state for state in query.get("state", "").split(",") if state)
    return Search(0 if since is None else desk.clock.second(since), states, page, rows)


def _whole(text: str, name: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise RefusedError("SEITE", f"{name} ist keine Zahl: {text}")
    return int(text)


def _page(request: Request, wanted: Search, name: str, rows: list[Content], total: int) -> Content:
    more = wanted.page * wanted.rows < total
    following = str(request.url.include_query_params(page=wanted.page + 1)) if more else None
    return {name: rows, "page": wanted.page, "rows": len(rows), "total": total, "next": following}


def _instead(fault: Fault) -> Response | None:
    """Give what is answered without any work, where the fault is of that sort."""
    if fault.kind == "too_many":
        after = {"Retry-After": str(round(1 if fault.seconds is None else fault.seconds))}
        return JSONResponse({"fehler": {"code": "ZU_VIELE", "text": "Zu viele Aufrufe."}}, 429, after)
    return HTMLResponse(_LOGIN_PAGE) if fault.kind == "login_page" else None


def _spoiled(content: Content, fault: Fault) -> Content:
    """Give an answer that is not what it says that it is."""
    lists = {name: content[name] for name in ("documents", "orders", "items") if name in content}
    if fault.kind == "fewer_rows":
        return content | {name: rows[:-1] for name, rows in lists.items()}
    return _of_another(content) | {name: [_of_another(row) for row in rows] for name, rows in lists.items()}


def _of_another(row: Content) -> Content:
    strange = {"no": "XX-999999", "our_ref": "somebody-elses"}
    return row | {key: strange[key] for key in strange if key in row}


def _refusal(error: RefusedError) -> Response:
    return JSONResponse({"fehler": {"code": error.code, "text": error.text}}, error.status)


def _on_demand(fault: Fault) -> Response:
    status = {"result": 422, "fault_200": 200, "fault_500": 500}[fault.form]
    return _refusal(RefusedError(fault.code, fault.message, status=status))


_REFUSALS = Refusals(
    busy=lambda: _refusal(RefusedError("AUSGELASTET", "Bitte spaeter erneut versuchen.", status=503)),
    fault=_on_demand,
)
