"""The ERP put together, and beside it, under `/rest`, another one of another make."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import APIRouter, FastAPI

from sandbox.admin import admin_routes
from sandbox.database import Database, open_database
from sandbox.erp import contract, store
from sandbox.erp.desk import OrderDesk
from sandbox.erp.endpoint import WSDL, soap_routes
from sandbox.erp.office import office_routes
from sandbox.erp.outbound import OutboundJob
from sandbox.erp.rest.app import rest_erp
from sandbox.faults import REQUEST_KINDS, FaultBoard
from sandbox.settings import SandboxSettings


@asynccontextmanager
async def erp(settings: SandboxSettings) -> AsyncIterator[FastAPI]:
    """Open the databases of both ERPs and give the application that serves them."""
    path = None if settings.data_dir is None else settings.data_dir / "erp.sqlite3"
    headers = {"Authorization": f"Bearer {settings.api_key}"}
    async with (
        open_database(path, store.SCHEMA) as database,
        httpx.AsyncClient(base_url=settings.hub_url, headers=headers, timeout=15, trust_env=False) as hub,
        rest_erp(settings) as other,
    ):
        yield _application(settings, database, hub, other)


def _application(settings: SandboxSettings, database: Database, hub: httpx.AsyncClient, other: APIRouter) -> FastAPI:
    faults = FaultBoard(dict.fromkeys(REQUEST_KINDS, contract.operations() | {WSDL}))
    desk = OrderDesk(database, refuses_unknown_orders=settings.erp_unknown_orders == "refuse")
    job = OutboundJob(database, hub, most_tries=settings.push_tries)

    async def clear() -> None:
        faults.clear()

    app = FastAPI(title="Sandbox ERP", docs_url=None, redoc_url=None)
    app.include_router(soap_routes(settings, desk, faults))
    app.include_router(office_routes(database, job))
    app.include_router(admin_routes(faults, on_clear=clear))
    app.include_router(other)
    return app
