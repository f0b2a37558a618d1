"""The state that a batch works on, and the draft of one posting over it.

A `Book` is what was read under the pools' locks. A `Draft` collects what one request changes; it is applied to the
book when the request is accepted and dropped when it is refused, so one bad request in a batch harms no other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from operator import attrgetter
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from domain.errors import InvariantViolated
from domain.orders import OrderLine
from domain.stock import MAY_GO_NEGATIVE, PHYSICAL, LotKey, PlaceKind, StockStatus, StreamKey, pool_id_of
from ledger.days import Today
from ledger.outcomes import Unpicked

LineKey = tuple[str, str, int, str, str]
"""An order line in the ledger: tenant, order_ref, line_no, site, sku."""

Holder = tuple[str, int]
"""Whose an entry is: order_ref and line_no; ("", 0) for nobody's."""

NOBODY: Holder = ("", 0)


class LotDate(NamedTuple):
    """When a lot expires, as far as is known; `computed` from a shelf life, where nobody told."""

    expires_on: date | None
    computed: bool


UNDATED: Final = LotDate(None, computed=False)


class NotLoaded(Exception):  # noqa: N818 - a turn of the loop, not an error
    """A rule needs what was not read with the batch: then it is read, and the batch is decided again."""

    def __init__(self, *, queues: Iterable[UUID] = (), holders: Iterable[UUID] = ()) -> None:
        super().__init__()
        self.queues = frozenset(queues)
        self.holders = frozenset(holders)


@dataclass(slots=True)
class Tail:
    """A stream's latest entry, which the next one chains to."""

    seq: int
    on_hand: int
    reserved: int
    hash: bytes
    recorded_at: datetime | None
    was_open: bool


@dataclass(slots=True, eq=False)
class Stream:
    """A stream, with its balances as they are after all drafts applied so far. `tail` is None until it is read.

    Stock may be promised where it is `allocatable`: available, and in a bin. `floor` is 1 where it may go below zero:
    the world outside, but for single serials that were not received. `unchained` entries were decided after the tail.
    """

    key: StreamKey
    stream_id: UUID
    on_hand: int = 0
    reserved: int = 0
    expires_on: date | None = None
    received_at: datetime | None = None
    tail: Tail | None = None
    stored: bool = False
    unchained: int = 0
    pool_id: UUID = field(init=False)
    allocatable: bool = field(init=False)
    floor: int = field(init=False)
    serial: bool = field(init=False)
    name: str = field(init=False)

    @property
    def seq(self) -> int:
        """The number of its latest entry."""
        return self.unchained + (self.tail.seq if self.tail else 0)

    def __post_init__(self) -> None:
        key = self.key
        negative = {PlaceKind.SUPPLIER} if key.serial_number else MAY_GO_NEGATIVE
        self.floor = int(key.place.kind in negative)
        self.serial = bool(key.serial_number)
        self.name = str(self.stream_id)
        self.pool_id = key.pool.pool_id
        self.allocatable = key.stock_status is StockStatus.AVAILABLE and key.place.kind is PlaceKind.STORAGE

    @classmethod
    def new(cls, key: StreamKey) -> Stream:
        """Make the stream of a key that was not read: it is empty, or closed, or its balance decides nothing."""
        return cls(key, key.stream_id)


def _before_all_days(_tenant: str, _site: str) -> date:
    return date.min


class Book:
    """Streams, order lines, holds and queues, as they are after all drafts applied so far.

    `pools` are those whose streams and lines it may change. Of some of them it has the whole queue, of some everyone
    who holds something. `blocked_lots` may not become available. `lots` are those that were named, as far as anything
    of them ever came. `today` says which day it is at a site.
    """

    def __init__(
        self,
        pools: Collection[UUID],
        queues: Collection[UUID],
        holders: Collection[UUID],
        blocked_lots: Collection[LotKey] = (),
        lots: Mapping[LotKey, LotDate] = MappingProxyType({}),
        today: Today = _before_all_days,
    ) -> None:
        self.blocked_lots = set(blocked_lots)
        self.lots_as_read = lots
        self.lots = dict(lots)
        self.today = today
        self.pools = frozenset(pools)
        self.queues = frozenset(queues)
        self.holders = frozenset(holders)
        self.streams: dict[UUID, Stream] = {}
        self.allocatable: dict[UUID, list[Stream]] = defaultdict(list)
        self.lines: dict[LineKey, OrderLine] = {}
        self.stored_lines: set[LineKey] = set()
        self.keys_of_order: dict[tuple[str, str], set[LineKey]] = defaultdict(set)
        self.waiting_in_pool: dict[UUID, set[LineKey]] = defaultdict(set)
        self.holds: dict[tuple[str, str, int], dict[Stream, int]] = defaultdict(dict)
        self.changed_pools: set[UUID] = set()
        self.changed_queues: set[UUID] = set()
        self._of_lot: dict[LotKey, list[Stream]] | None = None

    def add_stream(self, stream: Stream) -> None:
        """Take up a stream that was read, or is new."""
        self.streams[stream.stream_id] = stream
        if self._of_lot is not None:
            self._of_lot[lot_of(stream.key)].append(stream)
        if stream.allocatable:
            self.allocatable[stream.pool_id].append(stream)

    def of_lot(self, lot: LotKey) -> list[Stream]:
        """Return the streams of a lot. They are sorted by lots once it is asked for."""
        if self._of_lot is None:
            self._of_lot = defaultdict(list)
            for stream in self.streams.values():
                self._of_lot[lot_of(stream.key)].append(stream)
        return self._of_lot[lot]

    def add_line(self, line: OrderLine) -> None:
        """Take up an order line that was read, or is new."""
        key = line_key(line)
        self.lines[key] = line
        self.keys_of_order[key[0], key[1]].add(key)
        waiting = self.waiting_in_pool[pool_of(line)]
        if line.backordered:
            waiting.add(key)
        elif waiting:
            waiting.discard(key)

    def add_stored_line(self, line: OrderLine) -> None:
        """Take up an order line that was read."""
        self.add_line(line)
        self.stored_lines.add(line_key(line))

    def need_queue(self, pool_id: UUID) -> None:
        """Insist that all who wait in the pool are known."""
        if pool_id not in self.queues:
            raise NotLoaded(queues=self.pools)

    def need_holders(self, pool_id: UUID) -> None:
        """Insist that all who hold something in the pool are known."""
        if pool_id not in self.holders:
            raise NotLoaded(holders=[pool_id])

    def add_hold(self, tenant: str, holder: Holder, stream: Stream, quantity: int) -> None:
        """Raise (or lower) what an order line holds in a stream."""
        held = self.holds[tenant, *holder]
        held[stream] = held.get(stream, 0) + quantity
        if not held[stream]:
            del held[stream]

    def set_holds(self, line: OrderLine, holds: Iterable[tuple[UUID, int]]) -> None:
        """Take up what an order line holds. What it holds in other pools, as another sku, is no matter here."""
        known = ((self.streams.get(stream_id), held) for stream_id, held in holds)
        holder = (line.tenant, line.order_ref, line.line_no)
        self.holds[holder] = {stream: held for stream, held in known if stream is not None}


def line_key(line: OrderLine) -> LineKey:
    """Name an order line in the ledger."""
    return line.tenant, line.order_ref, line.line_no, line.site, line.sku


def pool_of(line: OrderLine) -> UUID:
    """Return the id of the pool that an order line takes from."""
    return pool_id_of(line.tenant, line.site, line.sku)


def lot_of(key: StreamKey) -> LotKey:
    """Name the lot that a stream is of."""
    return key.tenant, key.sku, key.lot


@dataclass(slots=True)
class _Bucket:
    """Free stock of a stream, as a candidate for allocation."""

    stream: Stream
    free: int
    expires_on: date | None

    @property
    def received_at(self) -> datetime | None:
        return self.stream.received_at

    @property
    def location_id(self) -> str:
        return self.stream.key.place.location_id

    @property
    def label(self) -> str:
        key = self.stream.key
        return f"{key.place.location_id}/{key.lot}{key.serial_number}"


Entry = tuple[Stream, Holder, int, int]
"""A net change of a stream in the name of a holder: on_hand and reserved."""


class Draft:
    """What one request changes: deltas by stream and line, and order lines as they will be.

    `reason` says why the posting exists, where only the rule can tell; `unaccounted` what left though the ledger never
    had it: sku, site, quantity; `guessed` what was moved likewise though nobody said which of several units it was;
    `returning` how much demand of a line was taken from it only to be met in another way;
    `lots_made_available` are those that were taken for unblocked, each with a stream of it; `lots_marked` are blocked
    now (by a recall's number), or not any more (None); `lots` are new, or expire on another day than was known.
    `expired_issues` is what left though it had expired: sku, site, quantity; `unpicked` what lies in staging and does
    not suit its line any more.
    """

    __slots__ = (
        "_by_holder",
        "_by_stream",
        "book",
        "changed",
        "deltas",
        "displaced",
        "expired_issues",
        "freed_pools",
        "guessed",
        "lots",
        "lots_made_available",
        "lots_marked",
        "new_streams",
        "reason",
        "returning",
        "served",
        "tenant",
        "unaccounted",
        "unpicked",
    )

    def __init__(self, book: Book, tenant: str) -> None:
        self.book = book
        self.tenant = tenant
        self.deltas: dict[tuple[Stream, Holder], list[int]] = {}
        self.new_streams: dict[UUID, Stream] = {}
        self.changed: dict[LineKey, OrderLine] = {}
        self.returning: dict[LineKey, int] = {}
        self.freed_pools: set[UUID] = set()
        self.lots: dict[LotKey, LotDate] = {}
        self.lots_made_available: dict[LotKey, Stream] = {}
        self.lots_marked: dict[LotKey, str | None] = {}
        self.served: set[str] = set()
        self.displaced: set[str] = set()
        self.reason: str | None = None
        self.unaccounted: list[tuple[str, str, int]] = []
        self.guessed: list[tuple[str, str, int]] = []
        self.expired_issues: list[tuple[str, str, int]] = []
        self.unpicked: list[Unpicked] = []
        self._by_stream: dict[Stream, list[int]] = {}
        self._by_holder: dict[Holder, set[Stream]] = {}

    # -- reading, over the book ---------------------------------------------------------------------------------

    def stream(self, key: StreamKey) -> Stream:
        """Return the stream of a key, new if need be."""
        stream_id = key.stream_id
        known = self.book.streams.get(stream_id) or self.new_streams.get(stream_id)
        if known is None:
            known = self.new_streams[stream_id] = Stream.new(key)
            if key.lot and (date_of_lot := self.lot(lot_of(key))):
                known.expires_on = date_of_lot.expires_on
        return known

    def lot(self, lot: LotKey) -> LotDate | None:
        """Return what is known of a lot that was named; None where nothing of it ever came."""
        return self.lots.get(lot) or self.book.lots.get(lot)

    def expires_on(self, stream: Stream) -> date | None:
        """Return when a stream's lot expires."""
        changed = self.lots.get(lot_of(stream.key)) if self.lots else None
        return changed.expires_on if changed else stream.expires_on

    def expired(self, stream: Stream) -> bool:
        """Say whether a stream's lot has expired: at its site, the last day on which it could be used is over."""
        expires_on = self.expires_on(stream)
        return expires_on is not None and expires_on < self.book.today(stream.key.tenant, stream.key.place.site)

    def suits(self, line: OrderLine, stream: Stream) -> bool:
        """Say whether a line can use stock: of the lot that was named, not expired, keeping as long as is wanted."""
        if line.lot and stream.key.lot != line.lot:
            return False
        expires_on = self.expires_on(stream)
        if expires_on is None:
            return True
        if line.least_expiry is not None and expires_on < line.least_expiry:
            return False
        return line.allow_expired or not self.expired(stream)

    def arriving(self, key: StreamKey) -> Stream:
        """Return the stream that stock comes to which is put somewhere: it becomes what the place is for."""
        return self.becoming(key.as_kept)

    def becoming(self, key: StreamKey) -> Stream:
        """Return the stream of what stock becomes: of a blocked lot, what would be available is quarantined."""
        if key.stock_status is StockStatus.AVAILABLE and key.lot:
            lot = lot_of(key)
            if lot in self.book.blocked_lots:
                return self.stream(replace(key, stock_status=StockStatus.QUARANTINED))
            self.lots_made_available[lot] = self.stream(key)
        return self.stream(key)

    def on_hand(self, stream: Stream) -> int:
        """Return what is on hand with this draft applied."""
        change = self._by_stream.get(stream)
        return stream.on_hand + (change[0] if change else 0)

    def reserved(self, stream: Stream) -> int:
        """Return what is promised with this draft applied."""
        change = self._by_stream.get(stream)
        return stream.reserved + (change[1] if change else 0)

    def free(self, stream: Stream) -> int:
        """Return what is on hand and not promised."""
        return self.on_hand(stream) - self.reserved(stream)

    def buckets(self, line: OrderLine, *, excluding: UUID | None = None) -> Iterator[_Bucket]:
        """Yield the free stock of a line's pool that the line can use."""
        return (b for b in self.free_stock(pool_of(line), excluding=excluding) if self.suits(line, b.stream))

    def at(self, location_id: str) -> list[Stream]:
        """Return the streams at a virtual location that was read and hold something."""
        return [
            stream
            for stream in self.book.streams.values()
            if stream.key.tenant == self.tenant
            and stream.key.place.location_id == location_id
            and self.on_hand(stream) > 0
        ]

    def free_stock(self, pool_id: UUID, *, excluding: UUID | None = None) -> Iterator[_Bucket]:
        """Yield the free stock of a pool."""
        candidates = self.book.allocatable.get(pool_id, [])
        if self.new_streams:
            new = (s for s in self.new_streams.values() if s.allocatable and s.pool_id == pool_id)
            candidates = [*candidates, *new]
        for stream in candidates:
            free = self.free(stream)
            if free > 0 and (not excluding or stream.stream_id != excluding):
                yield _Bucket(stream, free, self.expires_on(stream))

    def line(self, key: LineKey) -> OrderLine | None:
        """Return this draft's own copy of an order line."""
        if key not in self.changed:
            known = self.book.lines.get(key)
            if known is None:
                return None
            self.changed[key] = copy(known)
        return self.changed[key]

    def add_line(self, key: LineKey, line: OrderLine) -> OrderLine:
        """Take a new order line into the draft."""
        self.changed[key] = line
        return line

    def lines_of(self, order_ref: str) -> list[OrderLine]:
        """Return the draft's copies of all lines of an order, by line number."""
        for key in self.book.keys_of_order.get((self.tenant, order_ref), ()):
            self.line(key)
        lines = [line for key, line in self.changed.items() if key[1] == order_ref]
        return sorted(lines, key=_line_no) if len(lines) > 1 else lines

    def lines_in(self, pool_id: UUID) -> list[OrderLine]:
        """Return the draft's copies of all known lines of a pool."""
        keys = self._drafted_in(pool_id) | {key for key, line in self.book.lines.items() if pool_of(line) == pool_id}
        return [line for k in keys if (line := self.line(k))]

    def waiting_in(self, pool_id: UUID) -> list[OrderLine]:
        """Return the lines of a pool that wait for stock, to look at only."""
        keys = self._drafted_in(pool_id) | self.book.waiting_in_pool.get(pool_id, set())
        lines = (self.changed.get(key) or self.book.lines[key] for key in keys)
        return [line for line in lines if line.backordered]

    def _drafted_in(self, pool_id: UUID) -> set[LineKey]:
        return {key for key, line in self.changed.items() if pool_of(line) == pool_id}

    def holds(self, line: OrderLine, kinds: frozenset[PlaceKind] = PHYSICAL) -> list[tuple[Stream, int]]:
        """Return what a line holds in places of these kinds, first expiry first."""
        holder = (line.order_ref, line.line_no)
        base = self.book.holds.get((line.tenant, *holder), {})
        pool_id = pool_of(line)
        found: list[tuple[Stream, int]] = []
        for stream in {*base, *self._by_holder.get(holder, ())}:
            change = self.deltas.get((stream, holder))
            quantity = base.get(stream, 0) + (change[1] if change else 0)
            if quantity > 0 and stream.key.place.kind in kinds and stream.pool_id == pool_id:
                found.append((stream, quantity))
        return sorted(found, key=by_expiry)

    def held(self, line: OrderLine, stream: Stream) -> int:
        """Return what a line holds in one stream."""
        holder = (line.order_ref, line.line_no)
        base = self.book.holds.get((line.tenant, *holder), {})
        return base.get(stream, 0) + self.deltas.get((stream, holder), (0, 0))[1]

    def taken(self, stream: Stream, holder: Holder) -> int:
        """Return how much more a holder has of a stream by this draft."""
        return max(0, self.deltas.get((stream, holder), (0, 0))[1])

    # -- writing --------------------------------------------------------------------------------------------------

    def move(self, stream: Stream, on_hand: int, reserved: int, holder: Holder = NOBODY) -> None:
        """Change a stream's balances, in the name of an order line or of nobody."""
        _add(self.deltas, (stream, holder), on_hand, reserved)
        _add(self._by_stream, stream, on_hand, reserved)
        if reserved:
            self._by_holder.setdefault(holder, set()).add(stream)
        if stream.allocatable and on_hand > reserved:
            self.freed_pools.add(stream.pool_id)

    def carry(self, stream: Stream, to: Stream, quantity: int) -> None:
        """Bring what nobody was promised from one stream to another."""
        to.expires_on = stream.expires_on
        self.move(stream, -quantity, 0)
        self.move(to, quantity, 0)

    def queue(self, line: OrderLine, quantity: int) -> None:
        """Let part of a line's demand wait: at the place of the posting that accepts it, or where it waited before."""
        key = line_key(line)
        first = quantity if key not in self.book.lines else min(quantity, self.returning.pop(key, 0))
        line.backordered += first
        if quantity > first:
            line.wait_later(quantity - first)

    def queue_again(self, line: OrderLine, quantity: int) -> None:
        """Let demand that was met before wait at its old place; whoever waits in its pool is served in this posting."""
        line.backordered += quantity
        self.freed_pools.add(pool_of(line))

    def entries(self) -> list[Entry]:
        """Return the net entries, what frees before what takes, so that each entry's balances hold on their own."""
        net = [
            (stream, holder, change[0], change[1])
            for (stream, holder), change in self.deltas.items()
            if change[0] or change[1]
        ]
        return sorted(net, key=_taken) if len(net) > 1 else net

    def lines_changed(self) -> list[OrderLine]:
        """Return the order lines that are new, or differ from what the book has."""
        return [line for key, line in self.changed.items() if self.book.lines.get(key) != line]


def _taken(entry: Entry) -> int:
    """Say how much of what is free an entry takes. Sorted by it, `reserved <= on_hand` holds after each entry."""
    return entry[3] - entry[2]


_line_no = attrgetter("line_no")

_Changed = TypeVar("_Changed", bound=Hashable)


def _add(changes: dict[_Changed, list[int]], what: _Changed, on_hand: int, reserved: int) -> None:
    change = changes.get(what)
    if change is None:
        changes[what] = [on_hand, reserved]
    else:
        change[0] += on_hand
        change[1] += reserved


def by_expiry(hold: tuple[Stream, int]) -> tuple[date, str, str]:
    """Order goods by expiry, what never expires last, then by place, lot and serial number."""
    stream = hold[0]
    return stream.expires_on or date.max, stream.key.place.location_id, stream.key.lot + stream.key.serial_number


def apply(draft: Draft, entries: Collection[Entry], lines: Collection[OrderLine]) -> None:
    """Make an accepted draft, with its net entries and changed lines, the book's state."""
    book = draft.book
    changed = {pool_of(line) for line in lines}
    changed.update(stream.pool_id for stream, *_ in entries)
    if not changed <= book.pools:
        raise InvariantViolated("the request changes pools that it does not name")
    book.changed_pools |= changed
    for lot, block_no in draft.lots_marked.items():
        (book.blocked_lots.discard if block_no is None else book.blocked_lots.add)(lot)
    for stream in draft.new_streams.values():
        book.add_stream(stream)
    if draft.lots:
        _date(book, draft.lots)
    for line in lines:
        known = book.lines.get(line_key(line))
        if line.backordered != (known.backordered if known else 0):
            book.changed_queues.add(pool_of(line))
        book.add_line(line)
    for stream, holder, on_hand, reserved in entries:
        stream.on_hand += on_hand
        stream.reserved += reserved
        stream.unchained += 1
        if reserved:
            book.add_hold(draft.tenant, holder, stream, reserved)


def _date(book: Book, lots: Mapping[LotKey, LotDate]) -> None:
    """Take up when lots expire. Who has kept their pools in memory must read them again."""
    book.lots |= lots
    for lot, known in lots.items():
        for stream in book.of_lot(lot):
            if stream.expires_on != known.expires_on:
                stream.expires_on = known.expires_on
                if stream.pool_id in book.pools:
                    book.changed_pools.add(stream.pool_id)
