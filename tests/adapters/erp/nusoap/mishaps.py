"""What goes wrong on demand: instead of the work, after it, or in what is answered."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from tests.adapters.erp.nusoap import wire
from tests.adapters.erp.nusoap.wire import Value

Kind = Literal[
    "down", "slow", "hang", "done_and_cut", "done_and_hang", "result", "fault_200", "fault_500", "busy", "garbage",
    "login_page", "another_document", "fewer_rows", "php_warning",
]  # fmt: skip
"""`down` and `hang` do nothing first, `done_...` do the work; the rest say what is answered."""


@dataclass(frozen=True)
class Mishap:
    """What goes wrong with the calls of some operations, so many times; None is until told to behave."""

    kind: Kind
    operations: frozenset[str]
    times: int | None
    seconds: float
    code: str
    text: str


@dataclass(frozen=True)
class Reply:
    """What goes onto the wire. `body` is a text until the ERP's encoding makes bytes of it."""

    status: int
    body: str
    content_type: str = "text/xml"


class CutError(Exception):
    """No answer: the connection is cut."""


_HALF = "<SOAP-ENV:Envelope><SOAP-ENV:Body><half an answer"
_FORM = '<form method="post"><input name="username"><input type="password" name="password"></form>'
_PAGES = {
    "garbage": Reply(200, _HALF),
    "busy": Reply(503, "<html><body><h1>Service Unavailable</h1></body></html>", "text/html"),
    "login_page": Reply(200, f"<!DOCTYPE html><html><title>Login</title><body>{_FORM}</body></html>", "text/html"),
}
_WARNING = (
    "<br />\n<b>Warning</b>:  Undefined array key 3 in <b>/var/www/erp/core/lib/functions.lib.php</b>"
    " on line <b>812</b><br />\n"
)
_STRUCTS = ("order", "thirdparty", "product", "shipment")


@dataclass
class Mishaps:
    """The mishaps in force; the first that fits a call is taken, and counted down. Waits end when `stopping` is set."""

    stopping: threading.Event = field(default_factory=threading.Event)
    _in_force: list[Mishap] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, mishap: Mishap) -> None:
        self._in_force.append(mishap)

    def clear(self) -> None:
        self._in_force.clear()

    def take(self, operation: str) -> Mishap | None:
        with self._lock:
            for place, mishap in enumerate(self._in_force):
                if operation in mishap.operations:
                    self._count_down(place, mishap)
                    return mishap
        return None

    def _count_down(self, place: int, mishap: Mishap) -> None:
        if mishap.times == 1:
            del self._in_force[place]
        elif mishap.times is not None:
            self._in_force[place] = replace(mishap, times=mishap.times - 1)

    def instead(self, operation: str, mishap: Mishap) -> Reply | None:
        """Give what is answered without anything done, or None where the work is still to be done."""
        if mishap.kind in {"hang", "slow"}:
            self.stopping.wait(mishap.seconds)
        if mishap.kind in {"down", "hang"}:
            raise CutError
        if mishap.kind == "result":
            return Reply(200, wire.answer(operation, result(mishap.code, mishap.text)))
        if mishap.kind in {"fault_200", "fault_500"}:
            return Reply(200 if mishap.kind == "fault_200" else 500, wire.fault(mishap.code, mishap.text))
        return _PAGES.get(mishap.kind)

    def after(self, reply: Reply, mishap: Mishap) -> Reply:
        """Give what comes of an answer when the work is done."""
        if mishap.kind == "done_and_hang":
            self.stopping.wait(mishap.seconds)
        if mishap.kind in {"done_and_cut", "done_and_hang"}:
            raise CutError
        return replace(reply, body=_WARNING + reply.body) if mishap.kind == "php_warning" else reply


def result(code: str, label: str) -> dict[str, Value]:
    """Give the part of every answer that says how it went."""
    return {"result": {"result_code": code, "result_label": label}}


def of_another(values: Mapping[str, Value]) -> dict[str, Value]:
    """Turn an answer into one about a document that nobody asked for."""
    other = {"id": "990099", "ref": "XX9999-0099", "ref_ext": "somebody-elses"}
    told = {name: other.get(name, value) for name, value in values.items()}
    return told | {
        name: told[name] | {key: other[key] for key in other if key in told[name]} for name in _STRUCTS if name in told
    }
