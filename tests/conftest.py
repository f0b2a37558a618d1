"""One PostgreSQL for the whole session. Each test is its own tenant.

What takes long is tried in part, which a seed chooses: STOCKBRIDGE_SEED=2 chooses another part, STOCKBRIDGE_IN_FULL=1
tries all of it (`make prove`).
"""

from __future__ import annotations

import gc
import os
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Final
from uuid import uuid4

import pytest
import pytest_asyncio
import structlog
from hypothesis import settings as hypothesis_settings
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from structlog._config import BoundLoggerLazyProxy

from runtime.embedded.servers import BackingServices, backing_services
from runtime.settings import sqlalchemy_url
from tests.tryton.fixture import own_tryton, tryton, tryton_host, tryton_server  # noqa: F401 - anyone may ask for them

# How long an example takes says nothing on a machine that does other things, too: speed is a benchmark's business.
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")

SEED: Final = int(os.environ.get("STOCKBRIDGE_SEED", "1"))
IN_FULL: Final = bool(os.environ.get("STOCKBRIDGE_IN_FULL"))


def pytest_report_header() -> str:
    """Say what is tried of what takes long."""
    part = "all" if IN_FULL else "a part; STOCKBRIDGE_IN_FULL=1 for all"
    return f"what takes long: seed {SEED} (STOCKBRIDGE_SEED), {part}"


LONGEST: Final = (
    "test_matrix",
    "test_worker_killed",
    "test_restores",
    "test_long_life",
    "test_demo",
    "test_events_commute",
    "test_losses",
    "test_carrier_trouble",
    "test_replaced_labels",
    "test_what_partners_say",
    "test_bad_days",
    "test_races",
    "test_state_machine",
    "test_broken_rules",
    "test_checkpoints",
    "test_readme",
)
"""The files that take longest: they begin first, so that none is left alone at the end."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, file by file."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What is there by now stays: no collection of garbage need look at it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def seed() -> int:
    """The number that chooses what is tried of what takes long."""
    return SEED


@pytest.fixture(scope="session")
def some_of() -> Callable[[Sequence[Any], int], list[Any]]:
    """Return what chooses so many of all there are, in their order; all of them where they are tried in full."""

    def choose(every: Sequence[Any], number: int) -> list[Any]:
        chosen = range(len(every)) if IN_FULL else random.Random(SEED).sample(range(len(every)), number)
        return [every[index] for index in sorted(chosen)]

    return choose


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


@pytest.fixture
def logged() -> Iterator[list[structlog.typing.EventDict]]:
    """What is logged from here on, however the logs of this process were set up before."""
    kept = structlog.get_config()
    structlog.reset_defaults()
    for module in list(sys.modules.values()):
        if isinstance(log := vars(module).get("log"), BoundLoggerLazyProxy):
            vars(log).pop("bind", None)  # what it was when it was first used
    with structlog.testing.capture_logs() as lines:
        yield lines
    structlog.configure(**kept)
