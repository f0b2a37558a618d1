"""Sends what the carrier owes: signed, repeated a few times, then silent for good. Misbehaves on demand."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict

import httpx

from sandbox.carrier import callback_store
from sandbox.carrier.alarm import Alarm
from sandbox.carrier.callback_store import Callback, Outcome, Plan
from sandbox.carrier.signature import HEADER, signature
from sandbox.database import Database
from sandbox.faults import FaultBoard

_MOST_TRIES = 4  # the first and three repeats, which is what carriers do
_LANES_AT_ONCE = 8

_DUPLICATE = frozenset({"duplicate_callback"})
_DROP = frozenset({"drop_callback"})
_FORGE = frozenset({"bad_signature"})
_OUT_OF_ORDER = frozenset({"out_of_order"})


def plan_for(faults: FaultBoard, status: str) -> Plan:
    """Decide what becomes of the callback of a scan. Each kind of fault is taken on its own, so they combine."""
    return Plan(
        dropped=faults.take(_DROP, status) is not None,
        held=faults.take(_OUT_OF_ORDER, status) is not None,
        copies=1 if faults.take(_DUPLICATE, status) is None else 2,
        forged=faults.take(_FORGE, status) is not None,
    )


class CallbackSender:
    """The loop that sends callbacks. Lanes go side by side; in a lane, one waits for the other's answer."""

    def __init__(self, database: Database, hub: httpx.AsyncClient, *, path: str, secret: str, backoff_s: float) -> None:
        self.alarm = Alarm()
        self._database = database
        self._hub = hub
        self._path = path
        self._secret = secret
        self._backoff_s = backoff_s
        self._lanes = asyncio.Semaphore(_LANES_AT_ONCE)

    async def run(self) -> None:
        """Send what is due, for as long as the carrier is open."""
        while True:
            due = await self._database.run(lambda connection: callback_store.due(connection, time.time()))
            await self._send_all(due)
            await self.alarm.wait_until(await self._database.run(callback_store.next_due_at))

    async def _send_all(self, due: list[Callback]) -> None:
        lanes: dict[str, list[Callback]] = defaultdict(list)
        for callback in due:
            lanes[callback.lane].append(callback)
        await asyncio.gather(*(self._send_lane(callbacks) for callbacks in lanes.values()))

    async def _send_lane(self, callbacks: list[Callback]) -> None:
        async with self._lanes:
            for callback in callbacks:
                await self._send(callback)

    async def _send(self, callback: Callback) -> None:
        status, error = await self._post(callback)
        outcome = self._outcome(callback.tries + 1, status, error)
        await self._database.run(lambda connection: callback_store.note(connection, callback, outcome))

    async def _post(self, callback: Callback) -> tuple[int | None, str | None]:
        secret = f"not {self._secret}" if callback.forged else self._secret
        headers = {
            "Content-Type": "application/json",
            HEADER: signature(secret, callback.body, int(time.time())),
        }
        try:
            response = await self._hub.post(self._path, content=callback.body, headers=headers)
        except httpx.TransportError as error:
            return None, repr(error)
        return response.status_code, None

    def _outcome(self, tries: int, status: int | None, error: str | None) -> Outcome:
        if status is not None and httpx.codes.is_success(status):
            return Outcome("delivered", status, None)
        if tries >= _MOST_TRIES:
            return Outcome("given_up", status, error)
        return Outcome("pending", status, error, next_try_at=time.time() + self._backoff_s * 2 ** (tries - 1))
