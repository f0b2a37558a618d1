"""Two worker processes beside one: they share the ledger, and a sku that both want."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from uuid import uuid4

from bench import ledger
from bench.measuring import mean
from bench.report import Load, Report, load
from runtime.embedded.servers import BackingServices

CLIENTS = 32
ROUNDS = 4


async def two_processes(report: Report, services: BackingServices, seconds: float) -> None:
    """Reserve with so many clients in one process, and with as many in each of two, in turn."""
    await asyncio.to_thread(_two_processes, report, services.database_url, seconds)


def _two_processes(report: Report, url: str, seconds: float) -> None:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as workers:
        for name, skus in (("reserve_hot_two_processes", [ledger.HOT]), ("reserve_spread_two_processes", ledger.SKUS)):
            rounds = [
                [_together(workers, processes, url, skus, seconds / ROUNDS) for processes in (1, 2)]
                for _ in range(ROUNDS)
            ]
            one, two = [mean([measured[which] for measured in rounds]) for which in (0, 1)]
            report.add(name, two, one, beside="one process")


def _together(workers: ProcessPoolExecutor, processes: int, url: str, skus: Sequence[str], seconds: float) -> Load:
    """Let so many processes reserve at once; their rates add up."""
    running = [workers.submit(_reserve, url, skus, seconds) for _ in range(processes)]
    loads = [each.result() for each in running]
    slowest = max(loads, key=lambda measured: measured.p99_ms)
    return Load(processes * CLIENTS, sum(measured.rate for measured in loads), slowest.p50_ms, slowest.p99_ms)


def _reserve(url: str, skus: Sequence[str], seconds: float) -> Load:
    return asyncio.run(_reserving(url, skus, seconds))


async def _reserving(url: str, skus: Sequence[str], seconds: float) -> Load:
    number, dice, name = count(), random.Random(7), uuid4().hex[:8]
    async with ledger.writer_to(url) as writer:
        return await load(
            lambda _: writer.post(ledger.order(f"{name}-{next(number)}", 1, dice.choice(skus))), CLIENTS, seconds
        )
