"""A big ledger, loaded in bulk by COPY: every rule, hash and answer is as the writer would have made it.

What is drawn is the life of a thousand pools over a year: receipts, reservations, amendments and picks of orders with
one line. Each process draws the pools of its own. Constraints are checked, triggers are off: they would ask of every
row what is true of it by construction, and what `verify` asks of all rows afterwards.
"""

from __future__ import annotations

import gc
import multiprocessing
import random
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Final, TypeVar

import orjson
import psycopg

from bench.ledger import HOT, SITE, SKUS, TENANT
from domain.orders import OrderLine
from domain.stock import Place, PlaceKind, StreamKey, supplier
from ledger.canonical import entry_hash, microseconds, posting_digest
from ledger.requests import AmendOrder, ConfirmPick, Demand, PickedLine, ReceivedLine, ReceiveStock, Request

BINS: Final = (Place("A-01", SITE), Place("B-02", SITE))
STAGING: Final = Place("STAGE", SITE, PlaceKind.STAGING)
SPAN: Final = timedelta(days=365)
POSTINGS_A_COPY: Final = 10_000
OPEN_ORDERS: Final = 8
"""How many orders of a sku still change; what is older stays as it is."""

_Choice = TypeVar("_Choice")
_STOCK: Final = 10**9
_KINDS: Final = ("receipt", "pick", "pick", "amendment", "amendment", "amendment", *["reservation"] * 14)
_COLUMNS: Final = {
    "pool": "pool_id, tenant, site, sku",
    "stream": "stream_id, identity_hash, pool_id, tenant, sku, site, location_id, kind, lot, serial_number, "
    "stock_status, open",
    "posting": "posting_id, tenant, idempotency_key, request_digest, reason, actor, evidence, occurred_at, "
    "recorded_at, answer",
    "entry": "stream_id, seq, posting_id, tenant, order_ref, line_no, on_hand_delta, reserved_delta, on_hand, "
    "reserved, floor, serial, recorded_at, hash",
    "order_line": "pool_id, tenant, order_ref, line_no, sku, site, lot, uom, factor, priority, shortage_policy, "
    "queued_at, ordered, reserved, backordered, picked, to_put_back, shipped, delivered, returned, cancelled, "
    "queued_later",
}

_line_fields = attrgetter(*_COLUMNS["order_line"].split(", ")[1:-1])

_SESSION: Final = "set session_replication_role = replica; set synchronous_commit = off"


@dataclass(frozen=True)
class Growth:
    """How much is loaded, of which skus, and when it happened."""

    entries: int
    skus: tuple[str, ...]
    until: datetime

    def at(self, part: float) -> datetime:
        """Return an instant of the ledger's life: 0 is its first, 1 its last."""
        return self.until - SPAN * (1 - part)


def planned(entries: int) -> Growth:
    """Plan a ledger of so many entries, up to a minute ago."""
    return Growth(entries, (HOT, *SKUS), datetime.now(UTC) - timedelta(minutes=1))


def grow(url: str, growth: Growth, workers: int) -> int:
    """Load the ledger as the owner, in so many processes at once. Returns how many entries there are."""
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as processes:
        parts = [processes.submit(_load, url, growth, number, workers) for number in range(workers)]
        return sum(part.result() for part in parts)


@dataclass(slots=True)
class _Stream:
    """A stream with its tail."""

    key: StreamKey
    name: str
    floor: int
    hash: bytes
    seq: int = 0
    on_hand: int = 0
    reserved: int = 0

    def advance(self, digest: str, order_ref: str, line_no: int, on_hand: int, reserved: int) -> int:
        """Take an entry up; return its number."""
        self.seq += 1
        self.on_hand += on_hand
        self.reserved += reserved
        fields = (self.name, self.seq, order_ref, line_no, on_hand, reserved, self.on_hand, self.reserved)
        self.hash = entry_hash(self.hash, digest, *fields)
        return self.seq


@dataclass(slots=True)
class _Order:
    """An order of one line, and the bin that holds it."""

    line: OrderLine
    bin: _Stream
    revision: int = 1


def _stream(sku: str, place: Place) -> _Stream:
    key = StreamKey(TENANT, sku, place)
    return _Stream(key, str(key.stream_id), int(place.kind is PlaceKind.SUPPLIER), key.identity_hash)


class _Pool:
    """A sku at the site: its streams, and its orders that still change."""

    def __init__(self, sku: str) -> None:
        self.sku = sku
        self.supplier = _stream(sku, supplier(SITE))
        self.bins = [_stream(sku, place) for place in BINS]
        self.staging = _stream(sku, STAGING)
        self.orders: deque[_Order] = deque()


_Rows = dict[str, list[str]]
"""The lines of the next COPYs, by table, in an order in which every trigger finds what it looks for."""


def _copy(connection: psycopg.Connection, rows: _Rows) -> None:
    """Send all, in one transaction."""
    with connection.cursor() as cursor:
        for table, lines in rows.items():
            if lines:
                with cursor.copy(f"copy ledger.{table} ({_COLUMNS[table]}) from stdin") as copy:
                    copy.write("\n".join(lines) + "\n")
                lines.clear()
    connection.commit()


def _load(url: str, growth: Growth, worker: int, workers: int) -> int:
    gc.disable()  # nothing here goes in circles
    drawing = _Drawing(growth, worker, workers)
    with psycopg.connect(url) as connection:
        connection.execute(_SESSION)
        connection.commit()
        for rows in drawing.draw():
            _copy(connection, rows)
    return drawing.entries


class _Drawing:
    """One process's part of the ledger: every so-manieth sku, every so-manieth posting."""

    def __init__(self, growth: Growth, worker: int, workers: int) -> None:
        self.entries = 0
        self._growth = growth
        self._worker, self._workers = worker, workers
        self._wanted = growth.entries // workers + (worker < growth.entries % workers)
        self._dice = random.Random(worker)
        self._random = self._dice.random
        self._pools = [_Pool(sku) for sku in growth.skus[worker::workers]]
        self._rows: _Rows = {table: [] for table in _COLUMNS}
        self._drawn = 0
        self._orders = 0
        self._now = growth.at(worker / workers / self._wanted)

    def draw(self) -> Iterator[_Rows]:
        """Draw postings until there are enough entries; yield the rows of many at a time."""
        for pool in self._pools:
            key = pool.supplier.key.pool
            self._rows["pool"].append(f"{key.pool_id}\t{TENANT}\t{SITE}\t{pool.sku}")
            for bin_ in pool.bins:
                self._receive(pool, bin_, _STOCK)
        while self.entries < self._wanted:
            self._next(self._any(self._pools), self._any(_KINDS))
            if self._drawn % POSTINGS_A_COPY == 0:
                yield self._rows
        for pool in self._pools:
            while pool.orders:
                self._settle(pool.orders.popleft())
        yield self._rows

    def _any(self, choices: Sequence[_Choice]) -> _Choice:
        return choices[int(self._random() * len(choices))]

    def _next(self, pool: _Pool, kind: str) -> None:
        order = self._any(pool.orders) if pool.orders else None
        if kind == "receipt":
            self._receive(pool, self._any(pool.bins), self._dice.randrange(1, 100))
        elif order is None or kind == "reservation" or self.entries + 1 == self._wanted:
            self._reserve(pool, self._any(pool.bins), self._dice.randrange(2, 10))
        elif kind == "pick" and order.line.unpicked > 1:
            self._pick(pool, order, self._dice.randrange(1, order.line.unpicked))
        else:
            self._amend(order, self._any((-1, 1, 2)))

    def _receive(self, pool: _Pool, to: _Stream, quantity: int) -> None:
        receipt = ReceiveStock(
            tenant=TENANT,
            key=f"receipt/{pool.sku}/{self._worker}/{self._drawn}",
            actor="bench",
            place=to.key.place,
            lines=(ReceivedLine(pool.sku, quantity),),
        )
        answer = {"received": [{"sku": pool.sku, "quantity": quantity}]}
        self._post(receipt, answer, [(pool.supplier, None, -quantity, 0), (to, None, quantity, 0)])

    def _reserve(self, pool: _Pool, bin_: _Stream, quantity: int) -> None:
        number = self._orders * self._workers + self._worker
        self._orders += 1
        line = OrderLine(TENANT, f"SO-{number:010}", 1, pool.sku, SITE, "", "EA", 1, 0, "backorder")
        line.ordered = line.reserved = quantity
        line.queued_at = self._now
        pool.orders.append(_Order(line, bin_))
        if len(pool.orders) > OPEN_ORDERS:
            self._settle(pool.orders.popleft())
        self._revise(pool.orders[-1], quantity)

    def _amend(self, order: _Order, quantity: int) -> None:
        change = quantity if order.line.unpicked + quantity > 0 else 1
        order.revision += 1
        order.line.ordered += change
        order.line.reserved += change
        self._revise(order, change)

    def _revise(self, order: _Order, change: int) -> None:
        line = order.line
        request = AmendOrder(
            tenant=TENANT,
            key=f"order/{line.order_ref}/{order.revision}",
            actor="bench",
            order_ref=line.order_ref,
            priority=0,
            shortage_policy=line.shortage_policy,
            lines=(Demand(1, line.sku, SITE, line.ordered, "EA"),),
            former=() if order.revision == 1 else ((SITE, line.sku),),
        )
        self._post(request, _answer(line), [(order.bin, line, 0, change)])

    def _pick(self, pool: _Pool, order: _Order, quantity: int) -> None:
        line = order.line
        line.picked += quantity
        request = ConfirmPick(
            tenant=TENANT,
            key=f"pick/{line.order_ref}/{line.picked}",
            actor="bench",
            order_ref=line.order_ref,
            lines=(PickedLine(1, line.sku, SITE, quantity),),
            staging=(STAGING,),
        )
        moves = [(order.bin, line, -quantity, -quantity), (pool.staging, line, quantity, quantity)]
        self._post(request, _answer(line), moves)

    def _post(
        self, request: Request, answer: dict[str, Any], moves: Sequence[tuple[_Stream, OrderLine | None, int, int]]
    ) -> None:
        """Number, balance and hash the entries of a posting, as `ledger.chaining` does."""
        self._open(stream for stream, *_ in moves)
        recorded_at = self._now
        name = _uuid7(recorded_at, self._dice.getrandbits(74))
        answer["entries"] = [[stream.name, stream.seq + 1] for stream, *_ in moves]
        said = orjson.dumps(answer).decode()
        asked, reason, at = request.digest(), request.posting_reason(), str(recorded_at)
        digest = posting_digest(
            name, TENANT, request.key, asked, reason, "bench", "confirmed", recorded_at, recorded_at, said
        )
        posting = f"{name}\t{TENANT}\t{request.key}\t\\\\x{asked.hex()}\t{reason}\tbench\tconfirmed\t{at}\t{at}\t{said}"
        self._rows["posting"].append(posting)
        for stream, line, on_hand, reserved in moves:
            order_ref, line_no = (line.order_ref, 1) if line else ("", 0)
            seq = stream.advance(digest, order_ref, line_no, on_hand, reserved)
            self._rows["entry"].append(
                f"{stream.name}\t{seq}\t{name}\t{TENANT}\t{order_ref}\t{line_no}\t{on_hand}\t{reserved}\t{stream.on_hand}\t"
                f"{stream.reserved}\t{stream.floor}\tf\t{at}\t\\\\x{stream.hash.hex()}"
            )
        self._drawn += 1
        self.entries += len(moves)
        # They are spread evenly, each process's between the others'.
        self._now = self._growth.at(min(1.0, (self.entries + self._worker / self._workers) / self._wanted))

    def _open(self, streams: Iterable[_Stream]) -> None:
        """Bring the rows of streams that are new. None is ever emptied again, so all are open."""
        for stream in streams:
            if not stream.seq:
                key = stream.key
                fields = (
                    *(stream.name, rf"\\x{key.identity_hash.hex()}", str(key.pool.pool_id), TENANT, key.sku),
                    *(key.place.site, key.place.location_id, key.place.kind.value, "", "", key.stock_status.value, "t"),
                )
                self._rows["stream"].append("\t".join(fields))

    def _settle(self, order: _Order) -> None:
        """Bring the row of an order line that changes no more."""
        line = order.line
        fields = (order.bin.key.pool.pool_id, *_line_fields(line), "[]")
        self._rows["order_line"].append("\t".join(map(str, fields)))


def _answer(line: OrderLine) -> dict[str, Any]:
    return {"lines": [{"line_no": line.line_no, "sku": line.sku, **line.quantities()}]}


def _uuid7(instant: datetime, drawn: int) -> str:
    """Make a UUID of version 7 for an instant of the past."""
    in_hex = f"{microseconds(instant) // 1000:012x}7{drawn >> 62:03x}{(drawn & (1 << 62) - 1) | (1 << 63):016x}"
    return f"{in_hex[:8]}-{in_hex[8:12]}-{in_hex[12:16]}-{in_hex[16:20]}-{in_hex[20:]}"
