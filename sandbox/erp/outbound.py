"""The ERP's outbound job: it pushes orders to the hub, and tries again while the hub is away."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, Field, model_validator
from tenacity import AsyncRetrying, RetryError, retry_if_result, stop_after_attempt, wait_exponential

from sandbox.database import Database
from sandbox.erp import store

_PATH = "/api/orders/outbound"
_AWAY = frozenset({429, 502, 503, 504})


class OrderBody(BaseModel):
    """An order as the hub's contract has it. The ERP looks only at what it needs to keep it under."""

    model_config = ConfigDict(extra="allow")

    order_no: str
    revision: int


class Push(BaseModel):
    """What the outbound job is asked to send: each order `times` over, `out_of_order` the last first.

    A bare order is a push of it once; `order` is `orders` with one in it.
    """

    model_config = ConfigDict(extra="forbid")

    orders: list[OrderBody] = Field(min_length=1, max_length=1000)
    times: int = Field(default=1, ge=1, le=20)
    out_of_order: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_one_order(cls, data: Any) -> Any:
        if isinstance(data, dict) and "order_no" in data:
            return {"orders": [data]}
        if isinstance(data, dict) and "order" in data:
            return {**{key: value for key, value in data.items() if key != "order"}, "orders": [data["order"]]}
        return data


@dataclass(frozen=True)
class HubAnswer:
    """What the hub said to one push; status null if nobody answered, however often it was tried."""

    order_no: str
    revision: int
    status: int | None
    body: Any
    tries: int
    error: str | None = None


@dataclass(frozen=True)
class OutboundJob:
    """Keeps each order in the ERP first, as a real one does, then tells the hub."""

    database: Database
    hub: httpx.AsyncClient
    most_tries: int
    first_wait_s: float = 0.2

    async def push(self, wanted: Push) -> list[dict[str, Any]]:
        """Push what is wanted, one after the other, and tell what the hub said to each."""
        orders = [order.model_dump() for order in wanted.orders]
        for order in orders:
            await self.database.run(partial(store.keep_order, order=order))
        sequence = reversed(orders) if wanted.out_of_order else orders
        return [asdict(await self._send(order)) for order in sequence for _ in range(wanted.times)]

    async def _send(self, order: dict[str, Any]) -> HubAnswer:
        retrying = AsyncRetrying(
            stop=stop_after_attempt(self.most_tries),
            wait=wait_exponential(multiplier=self.first_wait_s, max=2),
            retry=retry_if_result(lambda answer: answer.status is None or answer.status in _AWAY),
        )
        tries = 0

        async def once() -> HubAnswer:
            nonlocal tries
            tries += 1
            return await self._post(order, tries)

        try:
            return await retrying(once)
        except RetryError as error:
            answer: HubAnswer = error.last_attempt.result()
            return answer

    async def _post(self, order: dict[str, Any], tries: int) -> HubAnswer:
        try:
            response = await self.hub.post(_PATH, json=order)
        except httpx.TransportError as error:
            return HubAnswer(order["order_no"], order["revision"], None, None, tries, error=repr(error))
        return HubAnswer(order["order_no"], order["revision"], response.status_code, _body(response), tries)


def _body(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return response.text
