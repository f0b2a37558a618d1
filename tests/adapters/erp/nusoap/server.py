"""The ERP's web service on a socket of its own, and what a test has of it in hand."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from tests.adapters.erp.nusoap import wire
from tests.adapters.erp.nusoap.books import Books, Hook
from tests.adapters.erp.nusoap.mishaps import CutError, Kind, Mishap, Mishaps, Reply, of_another, result
from tests.adapters.erp.nusoap.operations import READS, WRITES, Desk, FaultError, KoError
from tests.adapters.erp.nusoap.wire import Value

PATH = "/webservices/server.php"
KEY, LOGIN, PASSWORD = "webservices-key", "hub", "nusoap-password"
OPERATIONS = READS | WRITES | {"login"}
_REQUIRED = {"createOrder": 2, "updateOrder": 2, "createShipment": 2, "updateShipment": 2, "login": 3}
"""How many parameters PHP insists on; the rest are empty texts by default."""
_STRANGER = ("BAD_VALUE_FOR_SECURITY_KEY", "Value provided into erpkey is not the one that is set up")


@dataclass(frozen=True)
class Call:
    """A call as it came in: its parameters by the names that their places have, and all its bytes."""

    operation: str
    arguments: Mapping[str, Value]
    raw: bytes
    headers: Mapping[str, str]


@dataclass
class NusoapErp:
    """The ERP as a test has it in hand. `encoding` is what bodies are in, `declared` what they say that they are in."""

    books: Books = field(default_factory=Books)
    url: str = ""
    encoding: str = "UTF-8"
    declared: str | None = "UTF-8"
    password: str = PASSWORD
    calls: list[Call] = field(default_factory=list)
    sessions: set[str] = field(default_factory=set)
    mishaps: Mishaps = field(default_factory=Mishaps)
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        self.desk = Desk(self.books)

    @property
    def endpoint(self) -> str:
        return f"{self.url}{PATH}"

    def call_out_to(self, url: str, *, blocking: bool = True) -> None:
        self.books.hook = Hook(url, blocking)

    def misbehave(
        self,
        kind: Kind,
        *operations: str,
        times: int | None = 1,
        seconds: float = 60,
        code: str = "KO",
        text: str = "Refused on demand",
    ) -> None:
        """Have something go wrong with calls of `operations`, or of any."""
        wanted = frozenset(operations) or OPERATIONS
        assert wanted <= OPERATIONS, wanted - OPERATIONS
        self.mishaps.add(Mishap(kind, wanted, times, seconds, code, text))

    def behave(self) -> None:
        self.mishaps.clear()

    def lapse_sessions(self) -> None:
        self.sessions.clear()

    def calls_of(self, *operations: str) -> list[Call]:
        return [call for call in self.calls if call.operation in operations]

    # A call

    def serve(self, raw: bytes, headers: Mapping[str, str]) -> Reply:
        """Answer a message, as well as the mishaps let it. Raises CutError where there is no answer."""
        try:
            operation, values = wire.read_call(raw)
        except wire.NotSoapError as error:
            return Reply(500, wire.fault("Client", str(error)))
        arguments = _bound(operation, values)
        self.calls.append(Call(operation, arguments, raw, headers))
        mishap = self.mishaps.take(operation)
        if mishap is None:
            return self._perform(operation, arguments, len(values))
        instead = self.mishaps.instead(operation, mishap)
        if instead is not None:
            return instead
        return self.mishaps.after(self._perform(operation, arguments, len(values), mishap.kind), mishap)

    def _perform(self, operation: str, arguments: Mapping[str, Value], given: int, mishap: Kind | None = None) -> Reply:
        if operation not in OPERATIONS:
            return Reply(500, wire.fault("Client", f"Operation '{operation}' is not defined in the WSDL."))
        if given < _REQUIRED.get(operation, 0):
            return Reply(500, "", "text/html")  # a fatal error of PHP, and errors are not shown
        try:
            values = result("OK", "") | self._values(operation, arguments)
        except KoError as refusal:
            values = result(refusal.code, refusal.label)
        except FaultError as fault:
            return Reply(fault.status, wire.fault(fault.code, fault.text))
        told = of_another(values) if mishap == "another_document" else values
        return Reply(200, wire.answer(operation, told, fewer_rows=mishap == "fewer_rows"))

    def _values(self, operation: str, arguments: Mapping[str, Value]) -> dict[str, Value]:
        if operation == "login":
            return {"session": self._open_session(arguments)}
        self._check_login(arguments["authentication"])
        return self.desk.perform(operation, arguments)

    def _open_session(self, arguments: Mapping[str, Value]) -> str:
        self._check_password(arguments)
        session = secrets.token_hex(8)
        self.sessions.add(session)
        return session

    def _check_login(self, authentication: Value) -> None:
        if not isinstance(authentication, dict):
            raise KoError(*_STRANGER)
        if not authentication.get("session"):
            self._check_password(authentication)
        elif authentication["session"] not in self.sessions:
            raise FaultError(500, "Client", "Session expired or unknown. Please log in.")

    def _check_password(self, given: Mapping[str, Value]) -> None:
        if given.get("erpkey") != KEY:
            raise KoError(*_STRANGER)
        if (given.get("login"), given.get("password")) != (LOGIN, self.password):
            raise KoError("BAD_CREDENTIALS", "Bad value for login or password")


def _bound(operation: str, values: list[Value]) -> dict[str, Value]:
    """Bind parameters by their places. What is left out at the end is an empty text, what is too much is not seen."""
    names = [part.name for part in wire.parts_of(operation)]
    return dict.fromkeys(names, "") | dict(zip(names, values, strict=False))


@contextmanager
def serving() -> Iterator[NusoapErp]:
    """Run the ERP on a thread, for as long as the block lasts."""
    erp = NusoapErp()
    handler = type("Handler", (_Handler,), {"erp": erp})
    with _Server(("127.0.0.1", 0), handler) as server:
        erp.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield erp
        finally:
            erp.mishaps.stopping.set()
            server.shutdown()
            server.hang_up()
            thread.join()


class _Server(ThreadingHTTPServer):
    """Keeps its connections, so that none that a client left open holds up the end of a test."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._connections: list[socket.socket] = []

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.append(connection)
        return connection, address

    def hang_up(self) -> None:
        for connection in self._connections:
            with suppress(OSError):  # closed long ago
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that did not wait for the answer."""


class _Handler(BaseHTTPRequestHandler):
    erp: ClassVar[NusoapErp]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path.lower() != f"{PATH}?wsdl":
            self._send(404, b"", "text/html")
            return
        self._send(200, wire.wsdl_at(self.erp.endpoint), "text/xml; charset=ISO-8859-1")

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            reply = self.erp.serve(raw, {name.lower(): value for name, value in self.headers.items()})
        except CutError:
            self.close_connection = True
            return
        self._send(reply.status, *self._encoded(reply))

    def _encoded(self, reply: Reply) -> tuple[bytes, str]:
        """Make bytes of a reply, which says of its encoding what the ERP has it say: it may be wrong, or nothing."""
        declared = self.erp.declared
        if reply.content_type != "text/xml":
            return reply.body.encode(), reply.content_type
        declaration = "" if declared is None else f'<?xml version="1.0" encoding="{declared}"?>'
        body = reply.body.replace("<SOAP-ENV:Envelope", f"{declaration}<SOAP-ENV:Envelope", 1)
        charset = "" if declared is None else f"; charset={declared}"
        return body.encode(self.erp.encoding, "xmlcharrefreplace"), f"{reply.content_type}{charset}"

    def _send(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("X-SOAP-Server", "NuSOAP/0.9.5 (1.123)")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: tests look at what was called."""
