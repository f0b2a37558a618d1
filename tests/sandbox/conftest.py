"""A running sandbox, a stand-in for the hub that remembers what it was sent, and the words to speak to both."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from lxml import etree
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.serve import running
from sandbox.settings import SandboxSettings

NS = "urn:legacy-erp:orders:v1"
_numbers = itertools.count(1)


@dataclass
class HubStandIn:
    """Answers every request, 202 unless told otherwise, and keeps it."""

    url: str = ""
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    next_statuses: list[int] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        self.requests.append((request.url.path, dict(request.headers), await request.body()))
        status = self.next_statuses.pop(0) if self.next_statuses else 202
        return JSONResponse({"received": True}, status)

    def callbacks_of(self, tracking_number: str) -> list[dict[str, Any]]:
        bodies = [json.loads(raw) for path, _, raw in self.requests if "/callbacks/" in path]
        return [body for body in bodies if body["tracking_number"] == tracking_number]

    def statuses_of(self, tracking_number: str) -> list[str]:
        return [body["status"] for body in self.callbacks_of(tracking_number)]


@asynccontextmanager
async def standing_in() -> AsyncIterator[HubStandIn]:
    hub = HubStandIn()
    app = Starlette(routes=[Route("/{path:path}", hub.answer, methods=["POST"])])
    config = uvicorn.Config(app, lifespan="off", ws="none", log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    listener = socket.socket(proto=socket.IPPROTO_TCP)  # so that asyncio turns off Nagle
    listener.bind(("127.0.0.1", 0))
    hub.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield hub
    finally:
        server.should_exit = True
        await serving


@dataclass
class Sandbox:
    """Both servers as a test sees them."""

    settings: SandboxSettings
    erp: httpx.AsyncClient
    carrier: httpx.AsyncClient
    hub: HubStandIn

    # The ERP

    async def order(self, *, lines: int = 1) -> str:
        """Have the ERP push an order, so that it knows it."""
        order_no = f"SO-{next(_numbers)}"
        body = {"order_no": order_no, "revision": 1, "lines": [{"line_no": n + 1} for n in range(lines)]}
        (await self.erp.post("/admin/push", json=body)).raise_for_status()
        return order_no

    async def documents(self, order_no: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.erp.get("/admin/documents", params={"order_no": order_no})).json()
        return found

    async def soap(self, operation: str, fields: str, *, timeout: float = 5, **credentials: str) -> Answer:  # noqa: ASYNC109  # the client's
        raw = self.envelope(operation, fields, **credentials)
        response = await self.erp.post(
            "/soap/orders", content=raw, headers={"Content-Type": "text/xml; charset=utf-8"}, timeout=timeout
        )
        return Answer(response)

    async def amend(self, order_no: str, reference: str, *, timeout: float = 5) -> Answer:  # noqa: ASYNC109  # the client's
        return await self.soap("ReportAmendment", self.message(order_no, reference), timeout=timeout)

    def envelope(self, operation: str, fields: str, *, user: str | None = None, password: str | None = None) -> bytes:
        return (
            '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
            f'<{operation} xmlns="{NS}"><Credentials><User>{user or self.settings.erp_user}</User>'
            f"<Password>{password or self.settings.erp_password}</Password></Credentials>{fields}</{operation}>"
            "</soap:Body></soap:Envelope>"
        ).encode()

    def message(self, order_no: str, reference: str, *, extra: str = "", quantity: str = "2", line_no: int = 1) -> str:
        return (
            f"<Reference>{reference}</Reference><OrderNo>{order_no}</OrderNo><Revision>1</Revision>"
            f"<OccurredAt>2026-11-20T14:03:00+01:00</OccurredAt>{extra}<Lines><Line><LineNo>{line_no}</LineNo>"
            f"<Sku>MUG</Sku><Quantity>{quantity}</Quantity><Ordered>24</Ordered><Uom>EA</Uom></Line></Lines>"
        )

    # The carrier

    async def book(self, reference: str | None = None) -> dict[str, Any]:
        response = await self.carrier.post("/v1/shipments", json=self.booking(reference or f"ref-{next(_numbers)}"))
        response.raise_for_status()
        booked: dict[str, Any] = response.json()
        return booked

    async def parcel(self) -> str:
        """Book a shipment of one parcel, and give its tracking number."""
        return str((await self.book())["parcels"][0]["tracking_number"])

    async def scan(self, tracking_number: str, status: str) -> None:
        response = await self.carrier.post(f"/admin/parcels/{tracking_number}/scan", json={"status": status})
        response.raise_for_status()

    async def callback_states(self, tracking_number: str) -> list[str]:
        callbacks = (await self.carrier.get("/admin/callbacks")).json()
        return [row["state"] for row in callbacks if row["tracking_number"] == tracking_number]

    @staticmethod
    def booking(reference: str) -> dict[str, Any]:
        address = {"name": "Ida Holm", "street_lines": ["Kehrwieder 2"], "postal_code": "20457", "city": "Hamburg"}
        return {
            "reference": reference,
            "service": "ground",
            "ship_from": {**address, "country_code": "DE"},
            "ship_to": {**address, "country_code": "DE"},
            "parcels": [{"parcel_no": 1, "weight_g": 5400, "length_mm": 400, "width_mm": 300, "height_mm": 200}],
        }


@dataclass
class Answer:
    """A SOAP answer, whatever came of it."""

    http: httpx.Response

    def text(self, name: str) -> str | None:
        found = etree.fromstring(self.http.content).find(f".//{{*}}{name}")
        return None if found is None else found.text or ""

    def texts(self, name: str) -> list[str]:
        return [found.text for found in etree.fromstring(self.http.content).iterfind(f".//{{*}}{name}")]

    @property
    def fault(self) -> tuple[int, str | None]:
        return self.http.status_code, self.text("faultcode")


@asynccontextmanager
async def opened(settings: SandboxSettings, hub: HubStandIn) -> AsyncIterator[Sandbox]:
    async with (
        running(settings) as urls,
        httpx.AsyncClient(base_url=urls.erp, trust_env=False) as erp,
        httpx.AsyncClient(
            base_url=urls.carrier, headers={"Authorization": f"Bearer {settings.carrier_token}"}, trust_env=False
        ) as carrier,
    ):
        yield Sandbox(settings, erp, carrier, hub)


def settings_for(**changes: Any) -> SandboxSettings:
    quick = {"scan_interval_s": 0.02, "callback_backoff_s": 0.02, "push_tries": 3, "tracking_rate_per_s": 200}
    return SandboxSettings(**{"erp_port": 0, "carrier_port": 0, **quick, **changes})


@pytest.fixture(scope="session")
async def hub() -> AsyncIterator[HubStandIn]:
    async with standing_in() as hub:
        yield hub


@pytest.fixture(scope="session")
async def shared_sandbox(hub: HubStandIn) -> AsyncIterator[Sandbox]:
    async with opened(settings_for(hub_url=hub.url), hub) as sandbox:
        yield sandbox


@pytest.fixture
async def sandbox(shared_sandbox: Sandbox) -> AsyncIterator[Sandbox]:
    """The sandbox, well-behaved before and after: tests use numbers of their own, so they may share it."""
    yield shared_sandbox
    shared_sandbox.hub.next_statuses.clear()
    for server in (shared_sandbox.erp, shared_sandbox.carrier):
        (await server.delete("/admin/faults")).raise_for_status()
    (await shared_sandbox.erp.delete("/rest/admin/faults")).raise_for_status()


@pytest.fixture
def another_sandbox(hub: HubStandIn) -> Callable[..., Any]:
    """Opens a sandbox of a test's own: with a data folder, or other settings."""
    return lambda data_dir=None, **changes: opened(
        settings_for(**{"hub_url": hub.url, "data_dir": data_dir, **changes}), hub
    )


@pytest.fixture
def eventually() -> Callable[..., Awaitable[None]]:
    """Waits for a condition, not for a time."""

    async def wait(condition: Callable[[], Any], within_s: float = 5) -> None:
        deadline = time.monotonic() + within_s
        while True:
            met = condition()
            if await met if asyncio.iscoroutine(met) else met:
                return
            assert time.monotonic() < deadline, "it never came true"
            await asyncio.sleep(0.01)

    return wait


@pytest.fixture
def reference() -> str:
    """A reference that no other test uses."""
    return f"acme/ref/{next(_numbers)}"
