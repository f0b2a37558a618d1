"""As much of Dolibarr as the hub tells something to: an order by SOAP, its shipments by REST, found by a filter.

It has Dolibarr's manners: a number that is provisional until it is validated, numbers as texts here and as numbers
there, 304 for what is done already, and no idea of a reference that comes twice.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from lxml import etree

API = "/api/index.php"
_FILTER = re.compile(r"\(t\.(?P<column>\w+):=:'(?P<value>[^']*)'\)")
_ENVELOPE = (
    '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:n="http://www.dolibarr.org/ns/"'
    ' xmlns:i="http://www.w3.org/2001/XMLSchema-instance" xmlns:c="http://schemas.xmlsoap.org/soap/encoding/">'
    "<e:Body><n:{operation}Response><result><result_code>{code}</result_code><result_label/></result>{more}"
    "</n:{operation}Response></e:Body></e:Envelope>"
)


@dataclass
class StandIn:
    """What it knows, what it was asked for, and which call is to be cut: before its work, or after it."""

    url: str = ""
    status: str = "1"
    line_ids: tuple[int, ...] = (13, 14)
    shipments: list[dict[str, Any]] = field(default_factory=list)
    dropped: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    cut: tuple[str, str] | None = None

    def is_cut(self, call: str, when: str) -> bool:
        """Say whether a call is cut here, which happens once."""
        if self.cut == (call, when):
            self.cut = None
            return True
        return False

    # SOAP

    def soap(self, operation: str, given: dict[str, str]) -> str:
        known = given.get("ref", given.get("id")) in {"CO2611-0001", "13"}
        if not known:
            return _ENVELOPE.format(operation=operation, code="NOT_FOUND", more='<order i:nil="true"/>')
        if operation == "updateOrder":
            self.status = given["status"]
            more = "<id>13</id><ref>CO2611-0001</ref><ref_ext/>"
        else:
            more = self._order()
        return _ENVELOPE.format(operation=operation, code="OK", more=more)

    def _order(self) -> str:
        items = "".join(
            f"<item><id>{id_}</id><qty>2</qty><product_type>0</product_type><product_ref>MUG</product_ref></item>"
            for id_ in self.line_ids
        )
        lines = f'<lines i:type="c:Array" c:arrayType=":[{len(self.line_ids)}]">{items}</lines>'
        fields = f"<id>13</id><ref>CO2611-0001</ref><thirdparty_id>2</thirdparty_id><status>{self.status}</status>"
        return f"<order>{fields}{lines}</order>"

    # REST

    def get(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        found = _FILTER.fullmatch(query["sqlfilters"][0])
        if path != "/shipments" or found is None:
            return 503, {"error": {"code": 503, "message": "Error when validating parameter sqlfilters"}}
        return 200, [each for each in self.shipments if each.get(found["column"]) == found["value"]]

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        if path == "/shipments":
            return 200, self._make(body)
        shipment = next((each for each in self.shipments if path.startswith(f"/shipments/{each['id']}/")), None)
        if shipment is None:
            return 404, {"error": {"code": 404, "message": "Shipment not found"}}
        wanted = {"validate": "1", "close": "2"}[path.rpartition("/")[2]]
        if shipment["status"] == wanted:
            return 304, None
        shipment |= {"status": wanted, "ref": f"SH2611-{int(shipment['id']):04}"}
        return 200, shipment

    def _make(self, body: dict[str, Any]) -> int:
        id_ = len(self.shipments) + 1
        kept = {name: value for name, value in body.items() if name not in self.dropped}
        self.shipments.append(
            {**kept, "id": str(id_), "ref": f"(PROV{id_})", "status": "0", "date_creation": 1767604320}
        )
        return id_


@contextmanager
def standing_in() -> Iterator[StandIn]:
    """Run it on a thread, for as long as the block lasts."""
    there = StandIn()
    handler = type("Handler", (_Handler,), {"there": there})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        there.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield there
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    there: ClassVar[StandIn]

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self._serve("find", lambda: self.there.get(parts.path.removeprefix(API), parse_qs(parts.query)))

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith(API):
            path = self.path.removeprefix(API)
            call = "create" if path == "/shipments" else path.rpartition("/")[2]
            self._serve(call, lambda: self.there.post(path, json.loads(raw)))
            return
        (call,) = etree.fromstring(raw).find("{*}Body")
        given = {etree.QName(each).localname: each.text for each in call.iter(etree.Element) if each.text}
        operation = etree.QName(call).localname
        self._serve(operation, lambda: (200, self.there.soap(operation, given)))

    def _serve(self, call: str, work: Any) -> None:
        self.there.calls.append(call)
        if self.there.is_cut(call, "before"):
            return
        status, content = work()
        if self.there.is_cut(call, "after"):
            return
        soap = isinstance(content, str)
        body = content.encode() if soap else json.dumps(content).encode() if status != 304 else b""
        self.send_response(status)
        self.send_header("Content-Type", "text/xml; charset=UTF-8" if soap else "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: tests look at what was called."""
