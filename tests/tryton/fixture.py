"""The fixtures: a Tryton that a worker's tests share, and one of a test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.tryton.driving import Tryton
from tests.tryton.installing import CannotInstallError
from tests.tryton.server import TrytonHost, TrytonServer, hosting


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tryton_host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TrytonHost]:
    """Tryton's programs and a PostgreSQL with a seeded database: a second each session, minutes the first time."""
    try:
        async with hosting(tmp_path_factory.mktemp("tryton")) as host:
            yield host
    except CannotInstallError as reason:
        pytest.skip(f"Tryton, a real ERP, could not be installed, so nothing here is tried against it: {reason}")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tryton_server(tryton_host: TrytonHost) -> AsyncIterator[TrytonServer]:
    """A Tryton that others use, too: make sales of your own, and leave it running."""
    async with tryton_host.running() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def tryton(tryton_server: TrytonServer) -> AsyncIterator[Tryton]:
    """A clerk at the shared Tryton."""
    async with Tryton.at(tryton_server) as clerk:
        yield clerk


@pytest_asyncio.fixture(loop_scope="session")
async def own_tryton(tryton_host: TrytonHost, tenant: str) -> AsyncIterator[Tryton]:
    """A clerk at a Tryton of the test's own, as the seed left it: three seconds, and it may be killed."""
    await tryton_host.new_database(tenant)
    async with tryton_host.running(tenant) as server, Tryton.at(server) as clerk:
        yield clerk
    await tryton_host.drop(tenant)
