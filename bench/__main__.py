"""Run every benchmark; `python -m bench [part ...] [--seconds N] [--entries N]` runs those that are named."""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
from pathlib import Path

import uvloop

from bench import door, growth, ledger, mapping
from bench.processes import two_processes
from bench.report import Report
from runtime.embedded.servers import backing_services

RESULT = Path("build/bench.json")
PARTS = ("ledger", "growth", "orders", "door", "mapping")


async def main(parts: list[str], seconds: float, entries: int) -> None:
    report = Report()
    if "ledger" in parts:
        with tempfile.TemporaryDirectory(prefix="stockbridge-bench-") as folder:
            async with backing_services(Path(folder), temporal=False) as services:
                await ledger.run(report, services, seconds)
                await two_processes(report, services, seconds)
    if "growth" in parts:
        with tempfile.TemporaryDirectory(prefix="stockbridge-bench-") as folder:
            await growth.run(report, Path(folder), entries, seconds)
    if "orders" in parts and importlib.util.find_spec("bench.orders"):
        await importlib.import_module("bench.orders").run(report)
    if "door" in parts:
        await door.run(report)
    if "mapping" in parts:
        mapping.run(report)
    report.show()
    report.write(RESULT)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=", ".join(PARTS))
    parser.add_argument("--seconds", type=float, default=ledger.SECONDS, help="how long each load lasts")
    parser.add_argument("--entries", type=int, default=growth.ENTRIES, help="of the ledger that `growth` loads")
    given = parser.parse_args()
    uvloop.run(main(given.parts, given.seconds, given.entries))
