"""The sandbox as a process: it says where it is, and stops cleanly when told."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

import pytest


async def test_the_module_runs_and_stops_cleanly_on_sigterm() -> None:
    environment = {**os.environ, "SANDBOX_ERP_PORT": "0", "SANDBOX_CARRIER_PORT": "0"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox", env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    first = await asyncio.wait_for(process.stdout.readline(), 15)
    process.send_signal(signal.SIGTERM)
    rest = await asyncio.wait_for(process.stdout.read(), 10)
    assert first.startswith(b"sandbox ERP at http://127.0.0.1:")
    assert rest.startswith(b"sandbox carrier at http://127.0.0.1:")
    assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_a_port_in_use_is_an_error_and_not_an_exit(another_sandbox: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        async with another_sandbox(carrier_port=taken.getsockname()[1]):
            pytest.fail("it started on a port that is taken")
