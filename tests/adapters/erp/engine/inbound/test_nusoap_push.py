"""An ERP that calls out in the middle of its own work, with what it says from before its commit: it is a hint."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from adapters.erp.engine.adapter import MappedErp
from adapters.erp.language.values import Value, from_json, to_json
from adapters.erp.port import GivesNothing, GivesOrder, Hint
from domain.errors import Rejected
from tests.adapters.erp import nusoap
from tests.adapters.erp.connected import connected
from tests.adapters.erp.engine.inbound.mappings import OUTBOUND
from tests.adapters.erp.nusoap import server as nusoap_server
from tests.adapters.erp.nusoap.books import CANCELED, VALIDATED, EntryFailedError, Order
from tests.adapters.erp.nusoap.server import KEY, LOGIN, PASSWORD, NusoapErp

WSDL = Path(next(iter(nusoap.__path__))) / "nusoap.wsdl"
HOOK = "hook-secret-9876543210"
PATH = "/api/erp/public-id/"

MAPPING = f"""
format: 1
erp: nusoap
about: An ERP behind NuSOAP, of which orders are read when it says that they changed.
settings: {{address: url, key: secret, login: text, password: secret, hook: secret}}
doors:
  soap:
    protocol: soap
    wsdl: nusoap.wsdl
    address: ${{settings.address}}
    always:
      authentication:
        erpkey: ${{settings.key}}
        sourceapplication: hub
        login: ${{settings.login}}
        password: ${{settings.password}}
        entity: ""
    faults: soap
faults:
  soap:
    - {{when: body.result.result_code == 'NOT_FOUND', means: absent}}
    - {{when: body.result.result_code == 'OK', means: fine}}
    - {{when: kind == 'answer', means: not_understood}}
inbound:
  orders:
    push:
      secret: hook
      secret_in: path
      when: body.triggercode in ['ORDER_CREATE', 'ORDER_VALIDATE', 'ORDER_MODIFY', 'ORDER_CANCEL']
      id: ${{body.object.id | text}}
      settle_s: 2
      answer: OK
      media: text/plain
    fetch:
      - look: order
        call: {{door: soap, operation: getOrder, send: {{id: "${{id}}", ref: "", ref_ext: ""}}, take: answer.order}}
        confirm: (order.id | text) == id
    gives:
      - {{when: (order.status | text) == '0', nothing: It is a draft.}}
      - {{when: (order.status | text) == '-1', cancel: {{order_no: "${{order.ref}}", reason: canceled in the ERP}}}}
      - when: (order.status | text) in ['1', '2']
        order:
          order_no: ${{order.ref}}
          lines:
            each: order.lines
            as: line
            into: {{sku: "${{line.product_ref}}", quantity: "${{line.qty | text}}"}}
{OUTBOUND}
"""


@dataclass
class Door:
    """The hub's door for one ERP: it asks who calls, keeps the hint, and answers in the ERP's own words."""

    erp: MappedErp
    url: str = ""
    hints: queue.Queue[tuple[Hint | None, bytes]] = field(default_factory=queue.Queue)

    def take(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        try:
            hint = self.erp.heard(headers, body, path.removeprefix(PATH), now=datetime.now(UTC))
        except Rejected as refused:
            return 401, "application/problem+json", refused.code.encode()
        self.hints.put((hint, body))
        media, answer = self.erp.answer() or ("", b"")
        return 202, media, answer


class _Handler(BaseHTTPRequestHandler):
    door: ClassVar[Door]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, media, answer = self.door.take(self.path, dict(self.headers), body)
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def opened(erp: MappedErp) -> Iterator[Door]:
    door = Door(erp)
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"door": door})) as server:
        door.url = f"http://127.0.0.1:{server.server_address[1]}{PATH}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield door
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def erp() -> Iterator[NusoapErp]:
    with nusoap_server.serving() as running:
        yield running


@pytest.fixture
def door(erp: NusoapErp) -> Iterator[Door]:
    settings = {"address": erp.endpoint, "login": LOGIN}
    secrets = {"key": KEY, "password": PASSWORD, "hook": HOOK}
    hub = MappedErp(connected(MAPPING, {"nusoap.wsdl": WSDL.read_bytes()}, settings, secrets))
    with opened(hub) as opening:
        erp.call_out_to(opening.url + HOOK)
        yield opening
    hub.close()


def entered(erp: NusoapErp) -> Order:
    mug = erp.books.add_product("MUG", "Mug")
    party = erp.books.add_third_party("Holm")
    return erp.books.enter_order(party, [erp.books.order_line(mug, "2"), erp.books.order_line(mug, "3")])


def test_what_an_erp_says_before_its_commit_counts_for_nothing(erp: NusoapErp, door: Door) -> None:
    order = entered(erp)
    assert door.hints.get_nowait()[0] == Hint("orders", str(order.id), 2)
    validated = erp.books.set_status(order.id, VALIDATED)
    hint, body = door.hints.get_nowait()
    told = from_json(body)
    assert isinstance(told, dict)
    assert isinstance(told["object"], dict)
    assert (told["object"]["ref"], told["object"]["status"]) == (order.ref, "0")
    assert hint == Hint("orders", str(order.id), 2)
    document = door.erp.read("orders", hint.their_id, None)
    lines: list[Value] = [{"sku": "MUG", "quantity": "2"}, {"sku": "MUG", "quantity": "3"}]
    assert door.erp.gives("orders", document, known=False) == GivesOrder({"order_no": validated.ref, "lines": lines})


def test_what_is_read_before_the_commit_is_the_draft(erp: NusoapErp, door: Door) -> None:
    document = door.erp.read("orders", str(entered(erp).id), None)
    assert door.erp.gives("orders", document, known=False) == GivesNothing("It is a draft.")


def test_what_soap_says_is_the_same_when_it_was_kept(erp: NusoapErp, door: Door) -> None:
    order = erp.books.set_status(entered(erp).id, CANCELED)
    document = door.erp.read("orders", str(order.id), None)
    assert from_json(to_json(document)) == document


def test_an_order_that_was_deleted_meanwhile_is_not_there(erp: NusoapErp, door: Door) -> None:
    order = entered(erp)
    erp.books.delete_order(order.id)
    assert door.erp.read("orders", str(order.id), None) is None


def test_a_stranger_is_turned_away_and_the_clerk_hears_of_it(erp: NusoapErp, door: Door) -> None:
    erp.call_out_to(door.url + "not-the-secret")
    with pytest.raises(EntryFailedError, match="401"):
        entered(erp)
    assert door.hints.empty()


def test_a_call_about_nothing_that_comes_in_is_taken(erp: NusoapErp, door: Door) -> None:
    order = entered(erp)
    erp.books.set_status(order.id, 3)
    door.hints.get_nowait()
    assert door.hints.get_nowait()[0] is None
