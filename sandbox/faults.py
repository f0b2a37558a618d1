"""Misbehavior on demand: which faults are asked for, and how each shows on a request.

The same model serves all servers. What breaks any request is here; what breaks a callback is in `carrier.callbacks`,
and what only JSON with rows can have wrong in `erp.rest.endpoint`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import HTMLResponse, Response

from sandbox.hangup import Hangup

RequestFaultKind = Literal["down", "slow", "timeout_after", "fault", "busy", "garbage"]
CallbackFaultKind = Literal["duplicate_callback", "out_of_order", "drop_callback", "bad_signature"]
RestFaultKind = Literal["too_many", "login_page", "another_document", "fewer_rows"]
FaultKind = RequestFaultKind | CallbackFaultKind | RestFaultKind

REQUEST_KINDS: frozenset[str] = frozenset(get_args(RequestFaultKind))
CALLBACK_KINDS: frozenset[str] = frozenset(get_args(CallbackFaultKind))
REST_KINDS: frozenset[str] = frozenset(get_args(RestFaultKind))

_SLOW_S = 1.0
_LONGEST_S = 120.0


class Fault(BaseModel):
    """One fault that somebody asked for.

    `operation` is the server's own name of it (for callbacks the scan's status), or `*`. `count` is how often it
    happens; null is until it is cleared. `seconds` is for `slow`, `timeout_after` and `too_many`; a `timeout_after`
    without them hangs up after the work. `form`, `code` and `message` shape the refusal that a `fault` makes;
    `garbage` has the `message`, too.
    """

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    operation: str = "*"
    count: int | None = Field(default=None, ge=1, le=1_000_000)
    seconds: float | None = Field(default=None, ge=0, le=_LONGEST_S)
    form: Literal["result", "fault_200", "fault_500"] = "fault_500"
    code: str = "REFUSED_ON_DEMAND"
    message: str = "Refused, because a test asked for it."

    def is_of(self, kinds: frozenset[str], operation: str) -> bool:
        """Tell whether this fault is one of `kinds` and touches `operation`."""
        return self.kind in kinds and self.operation in {"*", operation}


class UnsupportedFaultError(Exception):
    """This server knows no such fault, or no such operation."""


class FaultBoard:
    """The faults in force at one server; the first that fits is taken, and counted down."""

    def __init__(self, supported: Mapping[str, frozenset[str]]) -> None:
        """Take the kinds of fault that the server supports, each with the operations that it can touch."""
        self._supported = supported
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Put a fault in force, behind those that are."""
        operations = self._supported.get(fault.kind)
        if operations is None:
            raise UnsupportedFaultError(f"{fault.kind} is no fault of this server; it knows {sorted(self._supported)}")
        if fault.operation != "*" and fault.operation not in operations:
            raise UnsupportedFaultError(f"{fault.operation} is none of * and {sorted(operations)}")
        self._faults.append(fault)

    def clear(self) -> None:
        """Behave again."""
        self._faults.clear()

    def in_force(self) -> list[Fault]:
        """List the faults with what is left of their counts."""
        return list(self._faults)

    def is_on(self, kind: FaultKind, operation: str | None = None) -> bool:
        """Tell whether a fault is in force, for one operation or for any, without using it up."""
        kinds = frozenset({kind})
        return any(fault.is_of(kinds, fault.operation if operation is None else operation) for fault in self._faults)

    def take(self, kinds: frozenset[str], operation: str) -> Fault | None:
        """Use the first fault that fits, once."""
        for place, fault in enumerate(self._faults):
            if fault.is_of(kinds, operation):
                self._count_down(place, fault)
                return fault
        return None

    def _count_down(self, place: int, fault: Fault) -> None:
        if fault.count is None:
            return
        if fault.count == 1:
            del self._faults[place]
        else:
            self._faults[place] = fault.model_copy(update={"count": fault.count - 1})


@dataclass(frozen=True)
class Refusals:
    """How a server says in its own words that it is busy, or refuses."""

    busy: Callable[[], Response]
    fault: Callable[[Fault], Response]


async def served(
    faults: FaultBoard, operation: str, work: Callable[[], Awaitable[Response]], refusals: Refusals
) -> Response:
    """Answer a request as the faults in force would have it. Only `slow` and `timeout_after` let the work be done."""
    fault = faults.take(REQUEST_KINDS, operation)
    if fault is None:
        return await work()
    instead: dict[str, Callable[[], Response]] = {
        "down": Hangup,
        "garbage": lambda: _garbage(fault),
        "busy": refusals.busy,
        "fault": lambda: refusals.fault(fault),
    }
    if fault.kind in instead:
        return instead[fault.kind]()
    if fault.kind == "slow":
        await asyncio.sleep(_SLOW_S if fault.seconds is None else fault.seconds)
        return await work()
    return await _too_late(await work(), fault.seconds)


async def _too_late(answer: Response, seconds: float | None) -> Response:
    """Do as a server does whose answer got lost after the work was done."""
    if seconds is None:
        return Hangup()
    await asyncio.sleep(seconds)
    return answer


def _garbage(fault: Fault) -> Response:
    """Answer as the proxy in front of a server does on a bad day: 200, and a page for people."""
    why = f"<p>We will be back&nbsp;soon<br>{fault.message}"
    return HTMLResponse(f"<html><body><h1>Scheduled maintenance</h1>{why}</body></html>")
