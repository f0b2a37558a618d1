"""A fixed number of calls, for what leaves something behind; `report.load` is for what can go on for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from bench.report import Load


async def measure(call: Callable[[], Awaitable[Any]], *, clients: int, count: int) -> Load:
    """Make `count` calls from so many clients, each making its next when its last is answered."""
    todo = iter(range(count))
    took: list[float] = []

    async def client() -> None:
        for _ in todo:
            began = time.perf_counter()
            await call()
            took.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    elapsed = time.perf_counter() - began
    took.sort()
    return Load(clients, count / elapsed, took[count // 2] * 1000, took[int(count * 0.99)] * 1000)


def mean(loads: Sequence[Load]) -> Load:
    """Return the mean of slices of one load."""

    def of(name: str) -> float:
        return float(sum(getattr(measured, name) for measured in loads)) / len(loads)

    return Load(loads[0].clients, of("rate"), of("p50_ms"), of("p99_ms"))
