"""The carrier's counter: the API that its clients book and track by."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from sqlite3 import Connection
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.routing import APIRoute

from sandbox.carrier import store
from sandbox.carrier.errors import CarrierError
from sandbox.carrier.network import Network
from sandbox.carrier.rate import RateLimit
from sandbox.carrier.rules import check_shipment
from sandbox.carrier.words import InterceptOrder, ShipmentOrder
from sandbox.database import Database
from sandbox.faults import Fault, FaultBoard, Refusals, served
from sandbox.settings import SandboxSettings

OPERATIONS = frozenset({"book", "find_shipments", "void", "track", "intercept", "find_intercepts"})
"""What faults call the things that the API does."""

_MOST_NUMBERS = 50


def counter_routes(settings: SandboxSettings, database: Database, network: Network, faults: FaultBoard) -> APIRouter:
    """Make the routes of the API. A route's name is its operation, by which faults name it."""
    key = Depends(_key_check(settings.carrier_token))
    router = APIRouter(prefix="/v1", route_class=_faulty_route(faults), dependencies=[key])
    tracking_rate = RateLimit(settings.tracking_rate_per_s)

    @router.post("/shipments", status_code=201, name="book")
    async def book(order: ShipmentOrder) -> dict[str, Any]:
        check_shipment(order)
        collect_at = time.time() + settings.auto_collect_after_s if settings.auto_collect else None

        def work(connection: Connection) -> dict[str, Any]:
            return store.book(connection, order, seed=settings.seed, collect_at=collect_at)

        booked = await database.run(work)
        network.alarm.ring()
        return booked

    @router.get("/shipments", name="find_shipments")
    async def find_shipments(reference: str) -> list[dict[str, Any]]:
        return await database.run(lambda connection: store.shipments(connection, reference))

    @router.post("/shipments/{shipment_id}/void", name="void")
    async def void(shipment_id: str) -> dict[str, Any]:
        return await database.run(lambda connection: store.void(connection, shipment_id))

    @router.get("/tracking", name="track")
    async def track(numbers: str) -> dict[str, Any]:
        tracking_rate.count()
        wanted = [number.strip() for number in numbers.split(",") if number.strip()]
        if not 1 <= len(wanted) <= _MOST_NUMBERS:
            raise CarrierError(400, "too_many_numbers", f"Ask for 1 to {_MOST_NUMBERS} numbers.", field="numbers")

        def look_up(connection: Connection) -> list[dict[str, Any]]:
            return [{"tracking_number": number, "events": store.events(connection, number)} for number in wanted]

        return {"parcels": await database.run(look_up)}

    _add_intercepts(router, database, network)
    return router


def _add_intercepts(router: APIRouter, database: Database, network: Network) -> None:
    @router.post("/parcels/{tracking_number}/intercept", name="intercept")
    async def intercept(tracking_number: str, order: InterceptOrder) -> dict[str, Any]:
        def work(connection: Connection) -> dict[str, Any]:
            return store.intercept(connection, tracking_number, order.reference)

        promised = await database.run(work)
        network.alarm.ring()
        return promised

    @router.get("/intercepts", name="find_intercepts")
    async def find_intercepts(reference: str) -> list[dict[str, Any]]:
        return await database.run(lambda connection: store.intercepts(connection, reference))


def _key_check(token: str) -> Callable[[str], None]:
    wanted = f"Bearer {token}".encode()

    def check(authorization: Annotated[str, Header()] = "") -> None:
        if not secrets.compare_digest(authorization.encode(), wanted):
            raise CarrierError(401, "unauthorized", "The token is missing or wrong.")

    return check


def _faulty_route(faults: FaultBoard) -> type[APIRoute]:
    """Make a kind of route that answers as the faults in force would have it."""

    class FaultyRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
            handle = super().get_route_handler()

            async def handle_or_not(request: Request) -> Response:
                return await served(faults, self.name, lambda: handle(request), _REFUSALS)

            return handle_or_not

    return FaultyRoute


def _refuse(fault: Fault) -> Response:
    return CarrierError(422, fault.code, fault.message).response()


_REFUSALS = Refusals(
    busy=CarrierError(503, "busy", "Nothing was done; try again.", retry_after_s=1).response, fault=_refuse
)
