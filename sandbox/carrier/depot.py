"""The carrier's depot, for tests and the demo: hand parcels over, scan them by hand, see what was told to whom."""

from __future__ import annotations

from sqlite3 import Connection
from typing import Any

from fastapi import APIRouter

from sandbox.carrier import callback_store, store
from sandbox.carrier.network import Network
from sandbox.carrier.words import Scan
from sandbox.database import Database


def depot_routes(database: Database, network: Network) -> APIRouter:
    """Make the routes of the depot."""
    router = APIRouter(prefix="/admin")

    @router.get("/shipments")
    async def list_shipments() -> list[dict[str, Any]]:
        return await database.run(_shipments_with_events)

    @router.get("/callbacks")
    async def list_callbacks() -> list[dict[str, Any]]:
        return await database.run(callback_store.callbacks)

    @router.post("/parcels/{tracking_number}/collect")
    async def collect(tracking_number: str) -> dict[str, Any]:
        return {"tracking_number": tracking_number, "collected": await network.collect(tracking_number)}

    @router.post("/collect-all")
    async def collect_all() -> dict[str, list[str]]:
        return {"collected": await network.collect_all()}

    @router.post("/parcels/{tracking_number}/scan", status_code=201)
    async def scan(tracking_number: str, scan: Scan) -> dict[str, Any]:
        return await network.scan(tracking_number, scan)

    return router


def _shipments_with_events(connection: Connection) -> list[dict[str, Any]]:
    shipments = store.shipments(connection)
    for shipment in shipments:
        for parcel in shipment["parcels"]:
            del parcel["label_base64"], parcel["label_media_type"]
            parcel["events"] = store.events(connection, parcel["tracking_number"])
    return shipments
