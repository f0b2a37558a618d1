"""The ERP's back office, for tests and the demo: see what it booked, load its items, have it push an order."""

from __future__ import annotations

from dataclasses import asdict
from sqlite3 import Connection
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from sandbox.database import Database
from sandbox.erp import store
from sandbox.erp.outbound import OutboundJob, Push


class Packaging(BaseModel):
    """How many base units a unit of measure holds."""

    model_config = ConfigDict(extra="forbid")

    uom: str
    factor: int = Field(ge=1)
    gtin: str | None = None


class Item(BaseModel):
    """An item's master record, in the shape of the hub's products. `on_hand` left out keeps the stock as it is."""

    model_config = ConfigDict(extra="forbid")

    sku: str = Field(min_length=1, max_length=64)
    description: str = ""
    base_uom: str = "EA"
    packagings: list[Packaging] = []
    tracking: Literal["none", "lot", "serial"] = "none"
    shelf_life_days: int | None = None
    weight_g: int | None = None
    length_mm: int | None = None
    width_mm: int | None = None
    height_mm: int | None = None
    on_hand: int | None = None


def office_routes(database: Database, job: OutboundJob) -> APIRouter:
    """Make the routes of the back office."""
    router = APIRouter(prefix="/admin")

    @router.get("/documents")
    async def list_documents(order_no: str | None = None, reference: str | None = None) -> list[dict[str, Any]]:
        found = await database.run(
            lambda connection: store.documents(connection, reference=reference, order_no=order_no)
        )
        return [asdict(document) for document in found]

    @router.get("/orders")
    async def list_orders() -> list[dict[str, Any]]:
        return await database.run(store.orders)

    @router.get("/stock")
    async def list_stock() -> list[dict[str, Any]]:
        return await database.run(store.stock)

    @router.post("/items")
    async def load_items(items: list[Item]) -> dict[str, int]:
        def load(connection: Connection) -> None:
            for item in items:
                store.put_item(connection, item.model_dump(exclude={"on_hand"}), item.on_hand)

        await database.run(load)
        return {"items": len(items)}

    @router.post("/push")
    async def push(wanted: Push) -> dict[str, list[dict[str, Any]]]:
        return {"answers": await job.push(wanted)}

    return router
