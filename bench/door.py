"""What a long body that is refused costs: its sender, and everybody else, who ask how we are all the while."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx

from bench.report import Report, console
from runtime.embedded.stack import Plan, embedded_stack
from runtime.settings import Settings

TIMES: Final = 10
SIZE: Final = 2**20
_PICK: Final = '{"pick_no": "P", "lines": [{"line_no": 1, "quantity": 1, "serial_numbers": ['
SHAPES: Final = {
    "lines": ("/api/orders/outbound", '{"lines": [', '{"x": 1}', "]}"),
    "numbers": ("/api/orders/outbound", '{"lines": [', "12345.6789", "]}"),
    "fields": ("/api/orders/outbound", "{", '"%08d": 0', "}"),
    "serials": ("/api/orders/NO/picks", _PICK, '"%06d\\u0000"', "]}]}"),
    "good_serials": ("/api/orders/NO/picks", _PICK, '"%09d"', "]}]}"),
    "lists": ("/api/products", "[", "[" * 90 + "]" * 90, "]"),
}
"""Where a body goes to, how it begins, what it repeats, how it ends."""


async def run(report: Report) -> None:
    """Send bodies of each shape, and measure how long they and the others took."""
    with tempfile.TemporaryDirectory(prefix="stockbridge-bench-") as folder:
        plan = Plan(Path(folder), 8900, 8901, 8902, 0.05)
        async with embedded_stack(plan, settings=Settings(log_level="warning")) as stack:
            headers = {"Authorization": f"Bearer {stack.api_key}", "Content-Type": "application/json"}
            async with httpx.AsyncClient(base_url=stack.api_url, headers=headers, timeout=60) as http:
                for name in SHAPES:
                    await _measure(report, http, name)


async def _measure(report: Report, http: httpx.AsyncClient, name: str) -> None:
    path, *shape = SHAPES[name]
    body = _filled(*shape)
    took = []
    async with _asking(http) as waits:
        for _ in range(TIMES):
            began = time.perf_counter()
            answer = await http.post(path, content=body)
            took.append((time.perf_counter() - began) * 1000)
            assert 400 <= answer.status_code < 500, answer.text
    took.sort()
    told = {
        "p50_ms": round(took[len(took) // 2], 1),
        "longest_ms": round(took[-1], 1),
        "others_ms": round(max(waits), 1),
    }
    report.add_record(f"refused_{name}", clients=1, **told)
    console.print(f"refused_{name}: {told['p50_ms']} ms, at most {told['longest_ms']}; others {told['others_ms']} ms")


def _filled(before: str, item: str, after: str) -> str:
    length = len(item % 0 if "%" in item else item) + 1
    count = (SIZE - len(before) - len(after)) // length
    return before + ",".join(item % n if "%" in item else item for n in range(count)) + after


@asynccontextmanager
async def _asking(http: httpx.AsyncClient) -> AsyncIterator[list[float]]:
    """Ask again and again how the process is, and note how long each answer took."""
    waits = [0.0]

    async def ask() -> None:
        while True:
            began = time.perf_counter()
            await http.get("/healthz")
            waits.append((time.perf_counter() - began) * 1000)

    asking = asyncio.create_task(ask())
    try:
        yield waits
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
