"""The carrier put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError

from sandbox.admin import admin_routes
from sandbox.background import in_background
from sandbox.carrier import callback_store, store
from sandbox.carrier.callbacks import CallbackSender
from sandbox.carrier.counter import OPERATIONS, counter_routes
from sandbox.carrier.depot import depot_routes
from sandbox.carrier.errors import CarrierError, render_carrier_error, render_malformed
from sandbox.carrier.network import Network
from sandbox.carrier.words import STATUSES
from sandbox.database import Database, open_database
from sandbox.faults import CALLBACK_KINDS, REQUEST_KINDS, FaultBoard
from sandbox.settings import SandboxSettings

_CALLBACK_TIMEOUT_S = 5  # carriers do not wait long


@asynccontextmanager
async def carrier(settings: SandboxSettings) -> AsyncIterator[FastAPI]:
    """Open the carrier's database, start its clock and its callbacks, and give its application."""
    path = None if settings.data_dir is None else settings.data_dir / "carrier.sqlite3"
    faults = FaultBoard(dict.fromkeys(REQUEST_KINDS, OPERATIONS) | dict.fromkeys(CALLBACK_KINDS, STATUSES))
    async with (
        open_database(path, store.SCHEMA + callback_store.SCHEMA) as database,
        httpx.AsyncClient(base_url=settings.hub_url, timeout=_CALLBACK_TIMEOUT_S, trust_env=False) as hub,
    ):
        sender = CallbackSender(
            database,
            hub,
            path=f"/api/callbacks/carriers/sandbox/{settings.carrier_connection}",
            secret=settings.carrier_secret,
            backoff_s=settings.callback_backoff_s,
        )
        await database.run(callback_store.release_held)  # the faults that held them ended with the last process
        network = Network(database, sender, faults, settings.scan_interval_s)
        async with in_background(sender.run(), network.run()):
            yield _application(settings, database, network, faults)


def _application(settings: SandboxSettings, database: Database, network: Network, faults: FaultBoard) -> FastAPI:
    app = FastAPI(title="Sandbox carrier", docs_url=None, redoc_url=None)
    app.add_exception_handler(CarrierError, render_carrier_error)
    app.add_exception_handler(RequestValidationError, render_malformed)
    app.include_router(counter_routes(settings, database, network, faults))
    app.include_router(depot_routes(database, network))
    app.include_router(admin_routes(faults, on_clear=network.behave))
    return app
