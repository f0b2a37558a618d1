"""This ERP put together, as routes under `/rest` of the sandbox's ERP server; its records are its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter

from sandbox.admin import admin_routes
from sandbox.database import open_database
from sandbox.erp.rest import store
from sandbox.erp.rest.desk import Desk
from sandbox.erp.rest.endpoint import OPERATIONS, Counter, rest_routes
from sandbox.erp.rest.office import office_routes
from sandbox.erp.rest.sessions import Sessions
from sandbox.erp.rest.words import LocalClock
from sandbox.faults import REQUEST_KINDS, REST_KINDS, FaultBoard
from sandbox.settings import SandboxSettings


@asynccontextmanager
async def rest_erp(settings: SandboxSettings) -> AsyncIterator[APIRouter]:
    """Open its database and give its routes. Its back office and its faults are under `/rest/admin`."""
    path = None if settings.data_dir is None else settings.data_dir / "erp_rest.sqlite3"
    async with open_database(path, store.SCHEMA) as database:
        faults = FaultBoard(dict.fromkeys(REQUEST_KINDS | REST_KINDS, OPERATIONS))
        sessions = Sessions(settings.erp_rest_user, settings.erp_rest_password, settings.erp_rest_session_calls)
        desk = Desk(database, LocalClock(settings.erp_rest_zone))

        async def clear() -> None:
            faults.clear()

        router = APIRouter()
        router.include_router(office_routes(desk, sessions))
        router.include_router(admin_routes(faults, on_clear=clear), prefix="/rest")
        router.include_router(rest_routes(desk, Counter(faults, sessions)))
        yield router
