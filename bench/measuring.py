"""Measuring: how often a second, and how long one takes; ours beside a baseline of the same minute."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Measured:
    """One run: how many clients, calls a second, and the median and the 99th percentile of one call."""

    clients: int
    rate: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Record:
    """A line of the tables and of `build/bench.json`. What does not apply is null."""

    name: str
    clients: int | None = None
    rate: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    baseline_rate: float | None = None
    ratio: float | None = None
    actions: int | None = None
    events: int | None = None


async def measure(call: Callable[[], Awaitable[Any]], *, clients: int, count: int) -> Measured:
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
    return Measured(clients, count / elapsed, took[count // 2] * 1000, took[int(count * 0.99)] * 1000)


class Report:
    """Collects records, prints them as they come, and writes them as JSON."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._console = Console(width=110)

    def add(self, name: str, ours: Measured, baseline: Measured | None = None) -> None:
        """Add a measurement beside its baseline."""
        ratio = ours.rate / baseline.rate if baseline else None
        self.records.append(Record(name, **asdict(ours), baseline_rate=baseline and baseline.rate, ratio=ratio))
        self._say(self.records[-1])

    def add_budget(self, *, actions: int, events: int) -> None:
        """Add what one order's life costs in Temporal."""
        self.records.append(Record("order_budget", actions=actions, events=events))
        self._say(self.records[-1])

    def _say(self, record: Record) -> None:
        told = {name: round(v, 2) if isinstance(v, float) else v for name, v in asdict(record).items() if v is not None}
        self._console.print("  ".join(f"{name} {value}" for name, value in told.items()))

    def finish(self, path: Path) -> None:
        """Print the table and write `path`."""
        table = Table(title="Stockbridge benchmark")
        columns = list(Record.__dataclass_fields__)
        for column in columns:
            table.add_column(column, justify="left" if column == "name" else "right")
        for record in self.records:
            values = asdict(record).values()
            table.add_row(*("" if v is None else f"{v:,.2f}" if isinstance(v, float) else str(v) for v in values))
        self._console.print(table)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([asdict(record) for record in self.records], indent=1) + "\n")
