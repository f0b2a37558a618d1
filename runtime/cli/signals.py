"""Leaving in order when told to: Ctrl-C, SIGTERM, and the terminal's end all cancel what runs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(main: Coroutine[Any, Any, None], loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
    """Run `main` in a new event loop. The first signal cancels it and is a clean end; the second ends us at once.

    Children then die too, by the parent-death signal they were started with.
    """
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_until_signalled(main))


def run_fast(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` likewise, on the faster event loop: for what every order passes through."""
    import uvloop

    run(main, uvloop.new_event_loop)


async def _until_signalled(main: Coroutine[Any, Any, None]) -> None:
    """Await `main`; swallow its cancellation if a signal was the reason."""
    loop, task, signalled = asyncio.get_running_loop(), asyncio.ensure_future(main), False

    def stop(number: signal.Signals) -> None:
        nonlocal signalled
        if signalled:
            sys.stderr.write("Stopped at once.\n")
            sys.stderr.flush()
            os._exit(128 + number)
        signalled = True
        task.cancel()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        await task
    except asyncio.CancelledError:
        if not signalled:
            raise
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
