"""The hub's doors, as the floor and the office use them: HTTP with an API key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar

import httpx

from domain.errors import StockbridgeError
from runtime.demo.world import Json

T = TypeVar("T")

PATIENCE_S: Final = 30.0
"""How long something may take that is only queued: far longer than it should."""
_PAUSE_S: Final = 0.1
_NOT_YET: Final = frozenset({HTTPStatus.ACCEPTED, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class UnexpectedAnswerError(StockbridgeError):
    """Somebody answered what the story has no place for."""


@dataclass(frozen=True)
class Answer:
    """What the hub said to a request."""

    status: int
    body: Json

    @property
    def code(self) -> str:
        """Why a request was refused; empty where it was not."""
        return str(self.body.get("type", "")).removeprefix("/problems/").replace("-", "_")

    @property
    def codes(self) -> set[str]:
        """Everything that a request was refused for."""
        return {fault["code"] for fault in self.body.get("errors", ())}

    @property
    def accepted(self) -> Json:
        """The body of a request that was accepted. Raises `UnexpectedAnswerError` for one that was not."""
        if self.status >= HTTPStatus.BAD_REQUEST:
            raise UnexpectedAnswerError(f"{self.status} {self.code}: {self.body.get('detail')}")
        return self.body

    def __str__(self) -> str:
        return f"{self.status} {self.code}".strip()


class Hub:
    """A client of the hub. It knows addresses and patience, and nothing of orders."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def get(self, path: str, **query: Any) -> Answer:
        """Read."""
        return _answer(await self._client.get(path, params=query))

    async def every(self, path: str, **query: Any) -> list[Json]:
        """Read all pages of a list."""
        items: list[Json] = []
        page: Json = {"next": None}
        while True:
            page = (await self.get(path, **query)).accepted
            items += page["items"]
            if page["next"] is None:
                return items
            query["cursor"] = page["next"]

    async def post(self, path: str, body: Json) -> Answer:
        """Tell. What is only queued is told again, which is safe, until it is decided."""
        return await self._tell("POST", path, body)

    async def put(self, path: str, body: Json) -> Answer:
        """Change, with the same patience."""
        return await self._tell("PUT", path, body)

    async def _tell(self, method: str, path: str, body: Json) -> Answer:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = _answer(await self._client.request(method, path, json=body))
            if answer.status not in _NOT_YET or time.monotonic() > deadline:
                return answer
            await asyncio.sleep(_PAUSE_S)

    async def knock(self, path: str, body: bytes, **headers: str) -> int:
        """Send raw bytes once, as a carrier does, and return the status of the answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content_type = {"Content-Type": "application/json"}
        return (await self._client.post(path, content=body, headers={**content_type, **named})).status_code

    # -- what the story asks again and again --------------------------------------------------------------------------

    async def order(self, order_no: str) -> Json:
        """Read an order as it is now."""
        return (await self.get(f"/api/orders/{order_no}")).accepted

    async def tell_order(self, order_no: str, what: str, body: Json) -> Answer:
        """Tell an order something: `picks`, `shipments`, `cancel` ..."""
        return await self.post(f"/api/orders/{order_no}/{what}", body)

    async def timeline(self, order_no: str, kind: str) -> list[Json]:
        """Read what of a kind is in an order's timeline."""
        return [item for item in await self.every(f"/api/orders/{order_no}/timeline") if item["kind"] == kind]

    async def entries(self, stream_id: str) -> list[Json]:
        """Read all entries of a stream of the ledger, in their order."""
        entries: list[Json] = []
        while True:
            after = entries[-1]["seq"] if entries else 0
            page = (await self.get(f"/api/ledger/streams/{stream_id}/entries", after_seq=after)).accepted
            entries += page["items"]
            if page["next"] is None:
                return entries

    async def level(self, site: str, sku: str) -> Json:
        """Read the stock level of a sku."""
        levels = await self.every("/api/reports/stock-levels", site=site)
        return next(level for level in levels if level["sku"] == sku)


def _answer(response: httpx.Response) -> Answer:
    try:
        body = response.json()
    except ValueError:
        body = {"detail": response.text}
    return Answer(response.status_code, body if isinstance(body, dict) else {"answer": body})


async def side_by_side(steps: Iterable[Awaitable[T]], at_once: int = 4) -> list[T]:
    """Do independent things a few at a time, as the people on a floor do. Returns what came of each, in their order."""
    turn = asyncio.Semaphore(at_once)

    async def one(step: Awaitable[T]) -> T:
        async with turn:
            return await step

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(step)) for step in steps]
    return [task.result() for task in tasks]
