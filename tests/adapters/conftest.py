"""The sandbox's two servers, and a hub that takes every callback and keeps it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from sandbox.serve import running
from sandbox.settings import SandboxSettings

from .scripted import Scripted, answer, scripted


@dataclass
class Sandbox:
    """Both servers as a test sees them from outside."""

    settings: SandboxSettings
    erp: httpx.AsyncClient
    carrier: httpx.AsyncClient
    hub: Scripted


@pytest.fixture(scope="session")
async def running_sandbox() -> AsyncIterator[Sandbox]:
    async with scripted(answer(202, "{}")) as hub:
        settings = SandboxSettings(
            erp_port=0,
            carrier_port=0,
            hub_url=hub.url,
            erp_unknown_orders="accept",
            tracking_rate_per_s=10_000,
        )
        async with (
            running(settings) as urls,
            httpx.AsyncClient(base_url=urls.erp) as erp,
            httpx.AsyncClient(base_url=urls.carrier) as carrier,
        ):
            yield Sandbox(settings, erp, carrier, hub)


@pytest.fixture
async def sandbox(running_sandbox: Sandbox) -> AsyncIterator[Sandbox]:
    """Well-behaved again after each test."""
    yield running_sandbox
    await running_sandbox.erp.delete("/admin/faults")
    await running_sandbox.erp.delete("/rest/admin/faults")
    await running_sandbox.carrier.delete("/admin/faults")
