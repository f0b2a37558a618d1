"""Sets the stage for the story: a stack of its own in a folder that is gone afterwards, and clients for all doors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Final

import httpx
from rich.console import Console

from domain.api_keys import DEMO_ERP_KEY, DEMO_FLOOR_KEY
from domain.errors import StockbridgeError
from runtime.demo import story, summary
from runtime.demo.checks import Checks
from runtime.demo.display import Display
from runtime.demo.hub import Hub
from runtime.demo.partners import Carrier, Erp
from runtime.demo.tale import Tale
from runtime.demo.world import World, make_world
from runtime.embedded.stack import EmbeddedStack, Plan, embedded_stack
from runtime.settings import ApiKey, Settings

ORDERS: Final = 25
SEED: Final = 2026
TENANT: Final = "demo"
_SILENT_PARCEL_S: Final = 3.0
_SCAN_INTERVAL_S: Final = 0.15
_TIMEOUT_S: Final = 30.0


class PromiseBrokenError(StockbridgeError):
    """The story was told, and something that was promised in it did not hold."""


class InterruptedStoryError(StockbridgeError):
    """The story was not told to its end, so it proves nothing."""


async def demo(settings: Settings, *, orders: int = ORDERS, seed: int = SEED, keep: bool = False) -> None:
    """Tell the story on a fresh stack. Raises `PromiseBrokenError` at its end if a promise did not hold.

    The same seed tells the same story. `keep` leaves the data folder, with all logs, where it is.
    """
    try:
        checks = await _perform(settings, make_world(seed, orders), keep=keep)
    except asyncio.CancelledError:
        raise InterruptedStoryError("The story was interrupted; everything is stopped.") from None
    if checks.broken:
        raise PromiseBrokenError("This did not hold: " + "; ".join(checks.broken))


async def _perform(settings: Settings, world: World, *, keep: bool) -> Checks:
    """Set the stage, have the story told, and clear the stage, whatever happens."""
    began = time.monotonic()
    with (
        _folder(keep=keep) as folder,
        Display(Console(), len(story.CHAPTERS)) as display,
    ):
        checks = Checks(display)
        plan = Plan(folder, api_port=None, erp_port=None, carrier_port=None, scan_interval_s=_SCAN_INTERVAL_S)
        async with embedded_stack(plan, settings=_own(settings), report=display.report) as stack:
            display.say(f"Everything is up in {time.monotonic() - began:.0f} s. {_watch_at(stack)}")
            async with _tale(stack, world, checks) as tale:
                await story.tell(tale)
                await summary.sum_up(tale, stack)
            display.doing("Stopping")
        display.say(f"{checks.kept} promises kept, {len(checks.broken)} broken, in {time.monotonic() - began:.0f} s.")
        if keep:
            display.say(f"The data and the logs are in {folder}.")
    return checks


@contextmanager
def _folder(*, keep: bool) -> Iterator[Path]:
    if keep:
        yield Path(mkdtemp(prefix="stockbridge-demo-"))
        return
    with TemporaryDirectory(prefix="stockbridge-demo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _own(settings: Settings) -> Settings:
    """Return the settings of the demo's own stack. Of the caller's, those of its servers and partners don't count.

    A Temporal server of one's own is used, though: on it, the tenant's name is new each time.
    """
    tenant = f"{TENANT}-{int(time.time())}" if settings.temporal_address else TENANT
    return Settings.load(
        database_url=None,
        database_admin_url=None,
        temporal_address=settings.temporal_address,
        api_keys=(ApiKey(tenant, "erp", DEMO_ERP_KEY), ApiKey(tenant, None, DEMO_FLOOR_KEY)),
        silent_parcel_s=_SILENT_PARCEL_S,
    )


def _watch_at(stack: EmbeddedStack) -> str:
    if stack.temporal_ui_url:
        return f"Watch every order at {stack.temporal_ui_url}"
    return f"Watch every order in the UI of {stack.settings.temporal_address}, tenant {stack.tenant}"


@asynccontextmanager
async def _tale(stack: EmbeddedStack, world: World, checks: Checks) -> AsyncIterator[Tale]:
    """Open the clients of the floor, the ERP and the carrier."""
    floor_key = stack.settings.api_keys[1].key
    async with AsyncExitStack() as clients:

        async def client_of(url: str, **headers: str) -> httpx.AsyncClient:
            client = httpx.AsyncClient(base_url=url, headers=headers, timeout=_TIMEOUT_S, trust_env=False)
            return await clients.enter_async_context(client)

        yield Tale(
            world=world,
            hub=Hub(await client_of(stack.api_url, Authorization=f"Bearer {floor_key}")),
            erp=Erp(await client_of(stack.erp_url)),
            carrier=Carrier(
                await client_of(stack.carrier_url),
                secret=stack.accounts.carrier_secret.get_secret_value(),
                callback_path=stack.callback_url.removeprefix(stack.api_url),
            ),
            checks=checks,
        )
