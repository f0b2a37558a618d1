"""One PostgreSQL for the whole session. Each test is its own tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from stockbridge.runtime.services import BackingServices, backing_services
from stockbridge.runtime.settings import sqlalchemy_url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def database(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BackingServices]:
    """PostgreSQL, with the schema up to date."""
    async with backing_services(tmp_path_factory.mktemp("database"), temporal=False) as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine(database: BackingServices) -> AsyncIterator[AsyncEngine]:
    """Connections as the limited role, as the product has them."""
    engine = create_async_engine(sqlalchemy_url(database.database_url), pool_size=10)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def owner(database: BackingServices) -> AsyncIterator[AsyncEngine]:
    """Connections as the superuser: what nobody should have."""
    engine = create_async_engine(sqlalchemy_url(database.database_admin_url), pool_size=2)
    yield engine
    await engine.dispose()


@pytest.fixture
def tenant() -> str:
    """Return a tenant of the test's own, so that nothing needs cleaning."""
    return f"t-{uuid4().hex[:12]}"
