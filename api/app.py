"""The door, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from prometheus_client import CollectorRegistry

from api import callbacks, health
from api.access import keys
from api.catalog import locations, products
from api.connections import connections
from api.door import problems, reference
from api.door.auth import Authenticator
from api.door.headers import AnswerHeaders
from api.door.limits import BodyLimit
from api.door.methods import Methods
from api.door.metrics import Observed, RequestMetrics
from api.door.problems import Problem
from api.door.rates import AddressLimit, Pace
from api.door.services import ApiServices
from api.inbound import purchase_orders, receipts, reversals
from api.inventory import adjustments, counts, discrepancies, inventory, ledger, lot_traces, misplaced, stock, transfers
from api.orders import addresses, cancellations, operator_acts, operator_batches, orders
from api.returns import return_authorizations, returns
from api.shipping import intercepts, losses, picks, shipments

_ABOUT = """
The hub between a legacy ERP, a warehouse and its carriers.

Every write has a natural key in its body: the same again gives the same answer (200), the same key with other content
is 409. 201 is told at most once for a key, to the request that made it so: of many at once the others are told 200, and
so is whoever asks again after a 202. Quantities in answers are whole numbers in base units. Errors are problem
documents (RFC 9457); a body is checked whole, and all its faults come in one answer.
"""


def create_app(services: ApiServices) -> FastAPI:
    """Make the application. It opens nothing of its own: whoever made the services closes them."""
    app = _addresses()
    registry = CollectorRegistry()
    app.state.services = services
    app.state.authenticator = Authenticator(services.engine, well_known=services.well_known_keys)
    app.state.pace = Pace(services.rates, app.state.authenticator)
    app.state.registry = registry
    app.state.writing = health.WriteProbe(services.engine)
    app.state.waiting = health.WaitingMetrics(registry)
    problems.install(app)
    app.add_middleware(Methods, described=app)
    app.add_middleware(BodyLimit, limit_bytes=services.body_limit_bytes)
    app.add_middleware(AddressLimit, rates=services.rates)
    app.add_middleware(Observed, metrics=RequestMetrics(registry))
    app.add_middleware(AnswerHeaders)
    return app


def described() -> dict[str, Any]:
    """Return the description of the API, which it serves at `/openapi.json` and `docs/openapi.json` is a copy of."""
    return _addresses().openapi()


def _addresses() -> FastAPI:
    """Make the application with nothing behind its addresses."""
    app = _Door(
        title="Stockbridge",
        version="1",
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # whither to is what the Host header says, which anybody writes
        lifespan=_life,
    )
    # The inbound orders come before the orders: their address would else be an order's number.
    for router in (
        health.router,
        products.router,
        locations.router,
        purchase_orders.router,
        receipts.router,
        reversals.router,
        orders.router,
        picks.router,
        cancellations.router,
        operator_acts.router,
        shipments.router,
        returns.router,
        intercepts.router,
        losses.router,
        addresses.router,
        return_authorizations.router,
        returns.one,
        operator_batches.router,
        inventory.router,
        stock.router,
        adjustments.router,
        misplaced.router,
        counts.router,
        discrepancies.router,
        transfers.router,
        lot_traces.router,
        ledger.router,
        keys.router,
        connections.router,
        callbacks.router,
        reference.router,
        receipts.unordered,
        orders.one,
    ):
        app.include_router(router)
    return app


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    """Let what was begun beside requests end, before what it needs is closed."""
    yield
    await app.state.authenticator.drain()


class _Door(FastAPI):
    """FastAPI with a description that has the problem document, which every refusal is."""

    def openapi(self) -> dict[str, Any]:
        """Describe the API."""
        if self.openapi_schema is None:
            described = get_openapi(
                title=self.title, version=self.version, description=self.description, routes=self.routes
            )
            schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            described["components"]["schemas"] |= {**schema.pop("$defs", {}), "Problem": schema}
            self.openapi_schema = described
        return self.openapi_schema
