"""A little ERP of documents in a list, which come in pages of each sort, and which change while they are read."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
KEY = "shelf-key-0123456789"
Row = dict[str, Any]


def stamp(minutes: float) -> str:
    return (START + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


@dataclass
class Shelf:
    """The ERP as a test has it in hand. `most` is how many rows it gives at once, whatever it is asked for."""

    rows: dict[str, Row] = field(default_factory=dict)
    most: int = 1000
    ignores: set[str] = field(default_factory=set)
    instead: dict[int, tuple[int, str, bytes]] = field(default_factory=dict)
    before: Callable[[int], None] = lambda _: None
    link: Callable[[str], str | None] = lambda link: link
    url: str = ""
    asked: list[str] = field(default_factory=list)

    def fill(self, number: int) -> None:
        for each in range(number):
            self.put(f"D-{each}", each)

    def put(self, id_: str, minutes: float, **fields: Any) -> None:
        self.rows[id_] = {"id": id_, "changed": stamp(minutes), **fields}

    def drop(self, *ids: str) -> None:
        for id_ in ids:
            self.rows.pop(id_, None)

    def serve(self, target: str, key: str) -> tuple[int, str, bytes]:
        """Answer the request of this number, counted from 0."""
        number = len(self.asked)
        self.asked.append(target)
        self.before(number)
        if number in self.instead:
            return self.instead[number]
        if key != KEY:
            return 401, "application/json", b"{}"
        parts = urlsplit(target)
        query = {name: text for name, text in parse_qsl(parts.query) if name not in self.ignores}
        if parts.path == "/api/docs":
            return _json(self._page(query))
        row = self.rows.get(parts.path.removeprefix("/api/docs/"))
        return (404, "application/json", b"{}") if row is None else _json(row)

    def _page(self, query: Mapping[str, str]) -> Any:
        since = query.get("since", "")
        fitting = [row for row in self.rows.values() if row["changed"] >= since]
        fitting.sort(key=lambda row: (row["changed"], str(row["id"])))
        many = min(int(query.get("rows", self.most)), self.most)
        at = int(query.get("skip", 0)) + many * int(query.get("page", 0))
        more = urlencode({**query, "page": int(query.get("page", 0)) + 1})
        following = self.link(f"{self.url}/api/docs?{more}") if at + many < len(fitting) else None
        return {"docs": fitting[at : at + many], "next": following}


def _json(value: Any) -> tuple[int, str, bytes]:
    return 200, "application/json", json.dumps(value).encode()


@contextmanager
def serving() -> Iterator[Shelf]:
    """Run it on a thread, for as long as the block lasts."""
    shelf = Shelf()
    handler = type("Handler", (_Handler,), {"shelf": shelf})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        shelf.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield shelf
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    shelf: ClassVar[Shelf]

    def do_GET(self) -> None:
        status, media, body = self.shelf.serve(self.path, self.headers.get("X-Key", ""))
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: tests look at what was asked."""
