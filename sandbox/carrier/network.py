"""The carrier's network: parcels are scanned, on a fast clock or by hand, and each scan owes a callback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from sqlite3 import Connection
from typing import Any, TypeVar

from sandbox.carrier import callback_store, store
from sandbox.carrier.alarm import Alarm
from sandbox.carrier.callback_store import Plan
from sandbox.carrier.callbacks import CallbackSender, plan_for
from sandbox.carrier.words import Scan
from sandbox.database import Database
from sandbox.faults import FaultBoard

T = TypeVar("T")


class Network:
    """Scans parcels. A scan and the callback that it owes are written together."""

    def __init__(self, database: Database, sender: CallbackSender, faults: FaultBoard, scan_interval_s: float) -> None:
        self.alarm = Alarm()
        self._database = database
        self._sender = sender
        self._faults = faults
        self._scan_interval_s = scan_interval_s
        self._one_scan = asyncio.Lock()  # the last held callback is written before the held ones are let go

    async def run(self) -> None:
        """Move the collected parcels along, for as long as the carrier is open."""
        while True:
            due = await self._database.run(lambda connection: store.due_parcels(connection, time.time()))
            for tracking_number in due:
                await self._step(tracking_number)
            await self.alarm.wait_until(await self._database.run(store.next_due_at))

    async def collect(self, tracking_number: str) -> bool:
        """Give one parcel to the carrier."""
        collected = await self._database.run(lambda connection: store.collect(connection, tracking_number))
        self.alarm.ring()
        return collected

    async def collect_all(self) -> list[str]:
        """Give the carrier all that it has not got."""
        collected = await self._database.run(store.collect_all)
        self.alarm.ring()
        return collected

    async def scan(self, tracking_number: str, scan: Scan) -> dict[str, Any]:
        """Scan a parcel by hand."""
        async with self._one_scan:
            plan, release = self._plan(scan)
            return await self._write(lambda connection: _record(connection, tracking_number, scan, plan, release))

    async def behave(self) -> None:
        """End all faults, and let go of what they held."""
        async with self._one_scan:
            self._faults.clear()
            await self._write(callback_store.release_held)

    async def _step(self, tracking_number: str) -> None:
        scan = await self._database.run(lambda connection: store.next_scan(connection, tracking_number))
        if scan is None:
            return
        next_scan_at = time.time() + self._scan_interval_s
        async with self._one_scan:
            plan, release = self._plan(scan)

            def step(connection: Connection) -> None:
                if store.advance(connection, tracking_number, next_scan_at=next_scan_at):
                    _record(connection, tracking_number, scan, plan, release)

            await self._write(step)

    def _plan(self, scan: Scan) -> tuple[Plan, bool]:
        """Decide what becomes of a scan's callback, and whether it is the last that an `out_of_order` waits for."""
        plan = plan_for(self._faults, scan.status)
        return plan, plan.held and not self._faults.is_on("out_of_order")

    async def _write(self, work: Callable[[Connection], T]) -> T:
        written = await self._database.run(work)
        self._sender.alarm.ring()
        return written


def _record(connection: Connection, tracking_number: str, scan: Scan, plan: Plan, release: bool) -> dict[str, Any]:
    event = store.add_event(connection, tracking_number, scan)
    callback_store.owe(connection, event, plan)
    if release:
        callback_store.release_held(connection)
    return event
