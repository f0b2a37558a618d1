"""The switches that both servers have: faults on demand, and a sign of life."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, HTTPException

from sandbox.faults import Fault, FaultBoard, UnsupportedFaultError


def admin_routes(faults: FaultBoard, *, on_clear: Callable[[], Awaitable[None]]) -> APIRouter:
    """Make the routes. `on_clear` clears the board, and does what else there is to do then."""
    router = APIRouter()

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.post("/admin/faults", status_code=201)
    async def add_fault(fault: Fault) -> dict[str, Any]:
        try:
            faults.add(fault)
        except UnsupportedFaultError as error:
            raise HTTPException(422, str(error)) from error
        return fault.model_dump()

    @router.get("/admin/faults")
    async def list_faults() -> list[dict[str, Any]]:
        return [fault.model_dump() for fault in faults.in_force()]

    @router.delete("/admin/faults", status_code=204)
    async def clear_faults() -> None:
        await on_clear()

    return router
