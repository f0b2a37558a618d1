from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from relay.order_gateway import OrderGateway
from runtime.embedded.ports import preferred_or_free
from runtime.embedded.servers import BackingServices, backing_services
from runtime.processes import clients
from runtime.processes.api import serve_api
from runtime.processes.relay import run_relay
from runtime.processes.worker import run_worker
from runtime.settings import ApiKey, Settings, sqlalchemy_url
from sandbox.serve import running
from sandbox.settings import SandboxSettings

from .hub import Hub
from .partners import SEALING, Partners, disconnect
from .shop import Shop


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BackingServices]:
    """A PostgreSQL of these tests' own, and Temporal: the relay here takes up whatever order it finds."""
    async with backing_services(tmp_path_factory.mktemp("services")) as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine(services: BackingServices) -> AsyncIterator[AsyncEngine]:
    """Connections as the limited role, as the product has them."""
    engine = create_async_engine(sqlalchemy_url(services.database_url), pool_size=10)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def partners(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Partners]:
    """A legacy ERP and two carriers. Callbacks find no hub here: polling hears of everything."""
    given = SandboxSettings(
        erp_port=0,
        carrier_port=0,
        data_dir=tmp_path_factory.mktemp("sandbox"),
        erp_unknown_orders="accept",
        scan_interval_s=0.05,
        hub_url="http://127.0.0.1:9",
    )
    other = given.model_copy(update={"data_dir": tmp_path_factory.mktemp("other-sandbox"), "seed": given.seed + 1})
    async with (
        running(given) as urls,
        running(other) as others,
        Partners.at(urls.erp, urls.carrier, others.carrier, others.erp, given) as at,
    ):
        yield at


@pytest.fixture(scope="session")
def settings(services: BackingServices) -> Settings:
    return settings_for(services)


def settings_for(services: BackingServices) -> Settings:
    return Settings(
        database_url=services.database_url,
        egress_allow=("127.0.0.0/8",),
        temporal_address=services.temporal_address,
        sealing_keys=SecretStr(SEALING),
        connections_look_s=0.1,
        silent_parcel_s=1.0,
        missing_workflows_s=2,
        expired_backorders_s=1,
        log_level="error",
    )


@asynccontextmanager
async def process(main: Callable[[Settings], Awaitable[None]], settings: Settings) -> AsyncIterator[None]:
    """Run one of the product's processes in this one."""
    task = asyncio.ensure_future(main(settings))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def relay(settings: Settings) -> AsyncIterator[None]:
    async with process(run_relay, settings):
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def worker(settings: Settings, relay: None) -> AsyncIterator[None]:  # noqa: ARG001 - runs beside it
    async with process(run_worker, settings):
        yield


@pytest_asyncio.fixture
async def well_behaved(partners: Partners) -> AsyncIterator[None]:
    """Partners that are good again after the test."""
    yield
    await partners.behave()


@pytest_asyncio.fixture
async def hub(engine: AsyncEngine, settings: Settings, partners: Partners, tenant: str) -> AsyncIterator[Hub]:
    client = await clients.temporal_of(settings)
    hub = Hub(engine, clients.ledger_of(engine), OrderGateway(client, engine), client, tenant)
    await hub.open_site(partners)
    yield hub
    await disconnect(engine, tenant)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shop(engine: AsyncEngine, settings: Settings, partners: Partners) -> AsyncIterator[Shop]:
    """A tenant of the module's own, with the API before it."""
    port = preferred_or_free(None, besides=[])
    key = ApiKey(f"shop-{port}", "erp", f"key-of-the-shop-at-{port}")
    given = settings.model_copy(update={"api_port": port, "api_keys": (key,)})
    client = await clients.temporal_of(settings)
    hub = Hub(engine, clients.ledger_of(engine), OrderGateway(client, engine), client, key.tenant)
    headers = {"Authorization": f"Bearer {key.key}"}
    limits = httpx.Limits(keepalive_expiry=2)
    async with (
        process(serve_api, given),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60, limits=limits) as http,
    ):
        shop = Shop(hub, http, key.tenant, partners.settings.carrier_secret)
        await hub.until("the API answers", lambda: _answers(http))
        await partners.connect(engine, key.tenant)
        await shop.open()
        yield shop
    await disconnect(engine, key.tenant)


async def _answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/readyz")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


WORKER_NAME = "crashing-worker"
"""What PostgreSQL knows the worker's connections by."""


class CrashingWorker:
    """A worker in a process of its own that dies where it is told to, and is started again at once.

    Or PostgreSQL hangs up on it there.
    """

    def __init__(self, settings: Settings, services: BackingServices, folder: Path) -> None:
        own = {"CRASH_DIR": str(folder), "CRASH_ADMIN_URL": services.database_admin_url, "PGAPPNAME": WORKER_NAME}
        self._environment = {**os.environ, **settings.environment(), **own}
        self._folder = folder
        self._log = folder / "worker.log"
        self.killed = 0

    def arm(self, point: str, order_ref: str, failing: str = "worker") -> None:
        (self._folder / point).write_text(f"{failing} {order_ref}")

    def armed(self) -> list[str]:
        return [path.name for path in self._folder.iterdir() if not path.suffix]

    async def keep_running(self) -> None:
        script = Path(__file__).with_name("crashing_worker.py")
        while True:
            with self._log.open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, str(script), env=self._environment, stdout=log, stderr=log
                )
            try:
                await process.wait()
                self.killed += 1
            except asyncio.CancelledError:
                process.kill()
                await process.wait()
                raise


@pytest_asyncio.fixture
async def crashing_worker(
    settings: Settings,
    services: BackingServices,
    relay: None,  # noqa: ARG001 - runs beside it
    tmp_path: Path,
) -> AsyncIterator[CrashingWorker]:
    crashing = CrashingWorker(settings, services, tmp_path)
    task: asyncio.Task[Any] = asyncio.create_task(crashing.keep_running())
    yield crashing
    task.cancel()
    await asyncio.wait({task})
