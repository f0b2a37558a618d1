"""A tiny ERP that speaks REST: what it says is a test's, and so is the mapping by which it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from adapters.erp.engine.adapter import MappedErp
from adapters.erp.engine.connected import ConnectedErp
from domain.erp import ErpLine, ErpMessage
from tests.adapters.erp.connected import connected
from tests.adapters.scripted import Behavior, Heard, Scripted, answer

MESSAGE = ErpMessage(
    reference="acme/SO-1/1",
    order_no="SO-1",
    number=1,
    kind="accepted",
    revision=1,
    occurred_at="2026-01-05T09:12:00+01:00",
    lines=(ErpLine(1, "MUG", 2, 2, "EA"), ErpLine(2, "CUP", 3, 3, "EA")),
)
KINDS = ("accepted", "refused", "reserved", "backordered", "amended", "shipped", "delivered", "cancelled", "returned")

LOOK = {"look": "order", "call": {"door": "api", "get": "/orders/${message.order_no}"}}
PUT = {"door": "api", "put": "/orders/${message.order_no}", "send": {"state": "acked"}}
DO = {"do": "acknowledge", "unless": "order.state == 'acked'", "call": PUT}
END = {"document_no": "${message.order_no}"}

NEW = {"state": "new"}
ACKED = {"state": "acked"}


def says(body: object, status: int = 200, **headers: str) -> Behavior:
    return answer(status, json.dumps(body), {"Content-Type": "application/json", **headers})


def mapping(accepted: object, **parts: Any) -> str:
    """Write a mapping that tells what was accepted, and nothing else. What is said of `door` goes into its door."""
    door = {
        "protocol": "rest",
        "address": "${settings.address}",
        "faults": "api",
        "headers": {"X-Key": "${settings.key}"},
        **parts.pop("door", {}),
    }
    faults = {"api": parts.pop("faults", [])}
    told = dict.fromkeys(KINDS, "nothing") | {"accepted": accepted}
    settings = {"address": "url", "account": "text", "key": "secret"}
    whole = {"format": "1", "erp": "tiny", "about": "A tiny ERP.", "settings": settings, "doors": {"api": door}}
    return json.dumps({**whole, "faults": faults, "outbound": told, **parts})  # which is YAML


@dataclass
class Tiny:
    """The ERP on its socket. What it says to a request comes in order; the last of it stays."""

    server: Scripted
    answers: dict[str, list[Behavior]] = field(default_factory=dict)
    opened: list[MappedErp] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server.choose = self._choose

    def to(self, request: str, *behaviors: Behavior) -> None:
        """Say so to a request, such as `GET /orders/SO-1`."""
        self.answers[request] = list(behaviors)

    def connected(self, text: str) -> ConnectedErp:
        return connected(text, {}, {"address": self.server.url, "account": "7"}, {"key": "s3cret"})

    def open(self, erp: ConnectedErp) -> MappedErp:
        self.opened.append(MappedErp(erp))
        return self.opened[-1]

    async def tell(self, accepted: object, message: ErpMessage = MESSAGE, **parts: Any) -> str | None:
        """Tell a message by a mapping that does so; return the document's number."""
        erp = self.open(self.connected(mapping(accepted, **parts)))
        return (await asyncio.to_thread(erp.tell, message)).document_no

    @property
    def calls(self) -> Sequence[str]:
        return [request_of(heard) for heard in self.server.heard]

    def bodies(self, request: str) -> list[Any]:
        return [json.loads(heard.body) for heard in self.server.heard if request_of(heard) == request]

    def headers(self) -> Sequence[Mapping[str, str]]:
        return [heard.headers for heard in self.server.heard]

    def close(self) -> None:
        for erp in self.opened:
            erp.close()

    def _choose(self, heard: Heard) -> Behavior | None:
        script = self.answers.get(request_of(heard), [])
        return script.pop(0) if len(script) > 1 else next(iter(script), None)


def request_of(heard: Heard) -> str:
    return f"{heard.method} {heard.path}"


def repeated(message: ErpMessage = MESSAGE) -> ErpMessage:
    return replace(message, repeated=True)
