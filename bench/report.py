"""What is measured, and how it is told."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

console = Console()

Ask = Callable[[int], Awaitable[Any]]
"""One request of a client, by the client's number."""


@dataclass(frozen=True)
class Load:
    """A load with so many clients, each with one request at a time: requests a second, and how long they took."""

    clients: int
    rate: float
    p50_ms: float
    p99_ms: float


async def load(ask: Ask, clients: int, seconds: float) -> Load:
    """Let the clients ask for so long, after a moment of warming up that does not count."""
    (measured,) = await in_turn([ask], clients, seconds, rounds=1)
    return measured


async def in_turn(asks: Sequence[Ask], clients: int, seconds: float, rounds: int = 10) -> list[Load]:
    """Put each load on for so long, in slices that alternate: a machine that is slow for a while slows all of them."""
    all_taken: list[list[float]] = [[] for _ in asks]
    for _ in range(rounds):
        for ask, taken in zip(asks, all_taken, strict=True):
            taken.extend(await _slice(ask, clients, seconds / rounds))
    return [Load(clients, len(taken) / seconds, _at(taken, 0.50), _at(taken, 0.99)) for taken in map(sorted, all_taken)]


async def _slice(ask: Ask, clients: int, seconds: float) -> list[float]:
    """Return how long each request took that was answered in this time, whenever it was asked."""
    warm = time.perf_counter() + min(0.5, seconds / 4)
    end = warm + seconds
    taken: list[float] = []

    async def client(number: int) -> None:
        while (began := time.perf_counter()) < end:
            await ask(number)
            if warm <= (answered := time.perf_counter()) < end:
                taken.append(answered - began)

    await asyncio.gather(*(client(number) for number in range(clients)))
    return taken


def _at(taken: list[float], part: float) -> float:
    return taken[min(len(taken) - 1, int(len(taken) * part))] * 1000 if taken else 0.0


@dataclass
class Report:
    """Records, one a line of the tables."""

    records: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self, name: str, measured: Load, baseline: Load | None = None, *, beside: str = "usual design", **more: Any
    ) -> None:
        """Take a measurement, and one of something else that was made in the same minute, where there is one."""
        record = {
            "name": name,
            **{key: round(value, 3) for key, value in asdict(measured).items()},
            "baseline_rate": round(baseline.rate, 3) if baseline else None,
            "ratio": round(measured.rate / baseline.rate, 2) if baseline and baseline.rate else None,
            **more,
        }
        self.records.append(record)
        said = f"{name} at {measured.clients}: {measured.rate:,.0f}/s, p50 {measured.p50_ms:.2f} ms"
        other = f", {beside} {baseline.rate:,.0f}/s, {record['ratio']} times" if baseline else ""
        if "lean_rate" in more:
            other += f"; lean {more['lean_rate']:,.0f}/s, {measured.rate / more['lean_rate']:.1f} times"
        console.print(f"{said}, p99 {measured.p99_ms:.2f} ms{other}", highlight=False)

    def add_rate(self, name: str, rate: float, clients: int = 1, **more: Any) -> None:
        """Take a rate of a single run."""
        self.records.append(
            {"name": name, "clients": clients, "rate": round(rate, 3)}
            | dict.fromkeys(("p50_ms", "p99_ms", "baseline_rate", "ratio"))
            | more
        )
        told = "".join(f", {key.replace('_', ' ')} {value:,}" for key, value in more.items())
        console.print(f"{name}: {rate:,.0f}/s{told}", highlight=False)

    def add_record(self, name: str, **values: Any) -> None:
        """Take a record of another shape; what does not apply is null."""
        shape = dict.fromkeys(("clients", "rate", "p50_ms", "p99_ms", "baseline_rate", "ratio"))
        self.records.append({"name": name, **shape, **values})

    def write(self, path: Path) -> None:
        """Write the records down as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.records, indent=1) + "\n")

    def show(self) -> None:
        """Print all records as a table."""
        table = Table(title="Stockbridge benchmarks")
        names = ["name", "clients", "rate", "p50_ms", "p99_ms", "baseline_rate", "ratio"]
        for name in names:
            table.add_column(name, justify="left" if name == "name" else "right")
        for record in self.records:
            table.add_row(*(_cell(record[name]) for name in names))
        console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,.2f}" if isinstance(value, float) else str(value)
