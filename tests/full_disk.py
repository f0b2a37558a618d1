"""`python tests/full_disk.py`, as root: a stack whose data folder lies on a small disk, which is filled while it works.

Nothing is half done, all answers are the contract's, and with room again everything goes on by itself. Only root may
make such a disk (a tmpfs of its own); it is gone afterwards.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg

from api.door import examples
from ledger.verifying.verification import verify
from runtime.embedded.stack import EmbeddedStack, Plan, embedded_stack
from runtime.settings import Settings

DISK = "700m"
PUSHES = 400
AT_ONCE = 8
LIMIT_S = 180.0
ANSWERS = {200, 201, 202, 503}


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=755", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(ballast: Path) -> None:
    """Take all the room that is left."""
    with ballast.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            return


class Attack:
    """Pushes orders, and remembers what was answered."""

    def __init__(self, stack: EmbeddedStack, http: httpx.AsyncClient) -> None:
        self._stack = stack
        self._http = http
        self._number = 0
        self.accepted: set[str] = set()
        self.unanswered: list[dict[str, Any]] = []
        self.faults: list[str] = []

    async def stock(self) -> None:
        for path, body in (
            ("/api/locations", examples.SITE),
            ("/api/locations", {"location_id": "HAM-A-1", "site": "HAM", "type": "bin", "parent": None}),
            ("/api/locations", {"location_id": "HAM-STAGE", "site": "HAM", "type": "staging", "parent": None}),
            ("/api/products", examples.PRODUCT),
            ("/api/orders/inbound", _announced()),
            ("/api/orders/inbound/PO-1/receipts", _arrived()),
        ):
            answer = await self._http.post(path, json=body)
            answer.raise_for_status()

    def order(self) -> dict[str, Any]:
        self._number += 1
        return examples.PUSH | {"order_no": f"FULL-{self._number:05}", "revision": 1}

    async def push(self, body: dict[str, Any]) -> int:
        answer = await self._http.post("/api/orders/outbound", json=body)
        if answer.status_code not in ANSWERS:
            self.faults.append(f"{answer.status_code}: {answer.text[:200]}")
        elif answer.status_code == 503:
            if answer.headers["content-type"] != "application/problem+json" or "retry-after" not in answer.headers:
                self.faults.append(f"a 503 that is no problem document: {answer.text[:200]}")
            self.unanswered.append(body)
        else:
            self.accepted.add(body["order_no"])
        return answer.status_code

    async def many(self, bodies: list[dict[str, Any]]) -> Counter[int]:
        statuses: Counter[int] = Counter()
        waiting = iter(bodies)

        async def client() -> None:
            for body in waiting:
                statuses[await self.push(body)] += 1

        await asyncio.gather(*(client() for _ in range(AT_ONCE)))
        return statuses

    async def readiness(self) -> int:
        return (await self._http.get("/readyz")).status_code


def _announced() -> dict[str, Any]:
    lines = [{"line_no": 1, "sku": examples.PRODUCT["sku"], "quantity": 1_000_000}]
    return {"po_no": "PO-1", "site": "HAM", "supplier": "ACME", "lines": lines}


def _arrived() -> dict[str, Any]:
    return {"receipt_no": "R-1", "location_id": "HAM-A-1", "lines": [{"line_no": 1, "quantity": 1_000_000}]}


async def attack(stack: EmbeddedStack) -> list[str]:
    """Fill the disk and make room again. Returns what was wrong."""
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    ballast = stack.data_dir / "ballast"
    async with httpx.AsyncClient(base_url=stack.api_url, headers=headers, timeout=60) as http:
        attacked = Attack(stack, http)
        await attacked.stock()
        say("with room", await attacked.many([attacked.order() for _ in range(20)]), await attacked.readiness())
        fill(ballast)
        say("disk full", await attacked.many([attacked.order() for _ in range(PUSHES)]), await attacked.readiness())
        fill(ballast)
        say("still full", await attacked.many([attacked.order() for _ in range(AT_ONCE)]), await attacked.readiness())
        ballast.unlink()
        began = time.monotonic()
        while attacked.unanswered or await attacked.readiness() != 200:
            if time.monotonic() - began > LIMIT_S:
                attacked.faults.append(f"{len(attacked.unanswered)} pushes are still refused, {LIMIT_S:.0f} s later")
                break
            again, attacked.unanswered = attacked.unanswered, []
            say("room again", await attacked.many(again), await attacked.readiness())
            await asyncio.sleep(1)
        await until_decided(stack, attacked.faults)
    return [*attacked.faults, *await asyncio.to_thread(compare, stack, attacked.accepted)]


def say(when: str, statuses: Counter[int], readiness: int) -> None:
    sys.stdout.write(f"{when}: answers {dict(sorted(statuses.items()))}, readiness {readiness}\n")
    sys.stdout.flush()


async def until_decided(stack: EmbeddedStack, faults: list[str]) -> None:
    """Wait until worker and relay have caught up with what was answered 202."""
    began = time.monotonic()
    while waiting := await asyncio.to_thread(undecided, stack):
        if time.monotonic() - began > LIMIT_S:
            faults.append(f"{waiting} commands are undecided {LIMIT_S:.0f} s later")
            return
        await asyncio.sleep(1)
    sys.stdout.write(f"all is decided {time.monotonic() - began:.0f} s later\n")


def undecided(stack: EmbeddedStack) -> int:
    return len(_asked(stack, "select from records.inbox where state = 'queued'"))


def compare(stack: EmbeddedStack, accepted: set[str]) -> Iterator[str]:
    """Verify the ledger, and compare what was answered with what is there."""
    report = verify(stack.services.database_url)
    sys.stdout.write(f"{report}\n")
    held = {ref for (ref,) in _asked(stack, "select order_ref from ledger.order_line where order_ref like 'FULL-%'")}
    wrong = [str(finding) for finding in report.findings]
    if accepted != held:
        wrong.append(
            f"{len(accepted - held)} orders were accepted and hold nothing; {len(held - accepted)} were refused"
        )
    return iter(wrong)


def _asked(stack: EmbeddedStack, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(stack.services.database_url) as connection:
        return connection.execute(query).fetchall()  # type: ignore[call-overload, no-any-return]


async def main() -> int:
    with tempfile.TemporaryDirectory(prefix="stockbridge-full-disk-") as data, small_disk(Path(data)):
        plan = Plan(Path(data), api_port=None, erp_port=None, carrier_port=None)
        async with embedded_stack(plan, settings=Settings.model_construct()) as stack:
            faults = await attack(stack)
    sys.stdout.write("".join(f"FAULT {fault}\n" for fault in faults[:20]) or "nothing was wrong\n")
    return int(bool(faults))


if __name__ == "__main__":
    code = asyncio.run(main())
    sys.stdout.flush()
    os._exit(code)
