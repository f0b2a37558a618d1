"""What may be asked of the ledger, and told to it.

Each is one posting with one idempotency key. Quantities are base units. Requests may be refused; facts (a receipt, a
goods issue, a delivery, a count, a change of status) may not, for want of free stock.
"""

# ruff: noqa: D102 - the base class says what each method names

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC, date, datetime
from functools import cache, cached_property
from hashlib import sha256
from typing import Any, ClassVar, Final, Self

import orjson

from domain.errors import InvariantViolated
from domain.linked_lines import LinkedLine
from domain.packing import Content
from domain.stock import (
    Evidence,
    LotKey,
    Place,
    PoolKey,
    StockStatus,
    StreamKey,
    adjustment,
    pool_key,
    supplier,
    transfer,
)
from domain.wanted_lines import WantedLine


@dataclass(frozen=True, kw_only=True)
class Request:
    """What every posting has. `key` is made from business keys before the first attempt.

    `occurred_at` is as it was told; None is now, and so is what is later than that (`happened_at`).

    `asked` is what was asked in its own words, where the fields were made of it (a count, say, whose delta depends on
    when it is compared): then the digest is over it alone.

    `reason_code` is the code that who asked gives for why, and stands in the answer; free text never comes here.
    """

    reason: ClassVar[str] = "posting"
    posts_nothing_too: ClassVar[bool] = False
    """Whether it is posted though it changes nothing, so that its key is remembered."""
    brings_stock: ClassVar[bool] = False
    """Whether it may make stock available that was not, so that it must know which lots are blocked."""
    limit_at: ClassVar[str | None] = None
    """Where it names a place that may take no more; None where it is a fact that there is more."""

    tenant: str
    key: str
    actor: str
    evidence: Evidence = Evidence.CONFIRMED
    occurred_at: datetime | None = None
    asked: str = ""
    reason_code: str = ""

    def pools(self) -> Iterable[PoolKey]:
        """Name every pool whose stock the request may touch."""
        raise NotImplementedError

    def orders(self) -> Iterable[str]:
        """Name the orders whose lines the request is about."""
        return ()

    def only_order(self) -> str | None:
        """Name the order that the request is about, if it is about one."""
        orders = set(self.orders())
        return orders.pop() if len(orders) == 1 else None

    def locations(self) -> Iterable[str]:
        """Name the virtual locations whose open streams the request takes from."""
        return ()

    def streams(self) -> Iterable[StreamKey]:
        """Name the streams outside of bins and staging whose balances the rule must know to decide."""
        return ()

    def lots(self) -> Iterable[LotKey]:
        """Name the lots whose dates the rule must know, though nothing of them may lie here yet."""
        return ()

    def limited_by(self) -> Iterable[str]:
        """Name the locations that take so many units and no more, of which it brings some."""
        return ()

    def may_free(self) -> bool:
        """Say whether stock may become free, so that who waits for it is best read at once."""
        return True

    def is_news(self) -> bool:
        """Say whether nothing of it was accepted before, as its caller knows: then free stock is all it needs."""
        return False

    def posting_reason(self) -> str:
        """Name why the posting exists."""
        return self.reason

    def happened_at(self, recorded_at: datetime) -> datetime:
        """Return when it happened, for what was recorded then: nothing happened later than it was recorded."""
        if self.occurred_at is None or self.occurred_at > recorded_at:
            return recorded_at
        return self.occurred_at

    def digest(self) -> bytes:
        """SHA-256 of what was asked, never of what was chosen or changed, nor of who repeats it.

        A field at its default is left out, so that a field which is added later changes no digest.
        """
        return self.digest_of(self.asked or _said(self))

    @classmethod
    def digest_of(cls, said: str | dict[str, Any]) -> bytes:
        """SHA-256 of what this kind of request was asked for: in its own words, or by its fields."""
        encoded = orjson.dumps([cls.__name__, said], default=_plain, option=_PLAINLY)
        return sha256(encoded if encoded.isascii() else _in_ascii(encoded)).digest()


_CIRCUMSTANCES: Final = frozenset(
    {
        *("actor", "asked", "came_on", "compared_seq", "former", "keeps", "kept", "limited_by", "reason_code"),
        *("shelf_life_days", "sites", "skus", "staging"),
    }
)
"""Fields that a repeat may find changed, though it asks for the same."""


def _said(value: Any) -> dict[str, Any]:
    """Return the fields of a request, or of a part of one, that are not at their defaults."""
    return {name: said for name, default in _defaults(value.__class__) if (said := getattr(value, name)) != default}


@cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((field.name, field.default) for field in fields(kind) if field.name not in _CIRCUMSTANCES)


def _plain(value: Any) -> Any:
    """Turn what JSON has no word for into what it has. An instant is the same whatever its offset."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return _said(value) if is_dataclass(value) else str(value)


_PLAINLY: Final = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def _in_ascii(encoded: bytes) -> bytes:
    """Escape what is not ASCII, as the digests of the first postings have it."""
    return json.dumps(json.loads(encoded), separators=(",", ":")).encode()


def _insist(quantity: int | None, least: int) -> None:
    """Refuse a quantity that no caller may let through: stock would move backwards."""
    if quantity is not None and quantity < least:
        raise InvariantViolated(f"a quantity of {quantity} was let through to the ledger")


@dataclass(frozen=True)
class ReceivedLine:
    """What arrived of a sku. With serial numbers, as many as the quantity.

    Where nobody told when its lot expires, that is computed from the day it was produced on, or for a new lot from the
    day that it `came_on`, and the product's `shelf_life_days`. `sites` are those where some of a lot may lie whose date
    it may change.
    """

    sku: str
    quantity: int
    lot: str = ""
    expires_on: date | None = None
    serial_numbers: tuple[str, ...] = ()
    stock_status: StockStatus = StockStatus.AVAILABLE
    produced_on: date | None = None
    shelf_life_days: int | None = None
    came_on: date | None = None
    sites: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _insist(self.quantity, 1)


@dataclass(frozen=True, kw_only=True)
class ReceiveStock(Request):
    """A fact: goods receipt from the supplier into a location."""

    reason: ClassVar[str] = "goods_receipt"
    brings_stock: ClassVar[bool] = True
    limit_at: ClassVar[str | None] = "/location_id"

    place: Place
    lines: tuple[ReceivedLine, ...]

    def pools(self) -> Iterable[PoolKey]:
        for line in self.lines:
            for site in (self.place.site, *line.sites):
                yield pool_key(self.tenant, site, line.sku)

    def lots(self) -> Iterable[LotKey]:
        return ((self.tenant, line.sku, line.lot) for line in self.lines if line.lot)

    def limited_by(self) -> Iterable[str]:
        return self.place.limited_by

    def streams(self) -> Iterable[StreamKey]:
        for line in self.lines:
            for serial in line.serial_numbers:
                yield StreamKey(self.tenant, line.sku, supplier(self.place.site), line.lot, serial)


@dataclass(frozen=True, kw_only=True)
class ReverseReceipt(Request):
    """A request: a receipt is taken back as a whole. `goods` are what it brought, by the streams that it went to."""

    reason: ClassVar[str] = "receipt_reversal"

    goods: tuple[tuple[StreamKey, int], ...]

    def pools(self) -> Iterable[PoolKey]:
        return (key.pool for key, _ in self.goods)

    def streams(self) -> Iterable[StreamKey]:
        return (supplied(key) for key, _ in self.goods if key.serial_number)


def supplied(key: StreamKey) -> StreamKey:
    """Name where received stock came from."""
    return StreamKey(key.tenant, key.sku, supplier(key.place.site), key.lot, key.serial_number)


@dataclass(frozen=True)
class Demand(WantedLine):
    """An order line as it should be now. `lot` is the one that the customer named, or empty.

    Stock that expires before `least_expiry` is not taken; stock that never expires is; what has expired already only
    with `allow_expired`.
    """

    def __post_init__(self) -> None:
        _insist(self.ordered, 0)


@dataclass(frozen=True, kw_only=True)
class _OrderRequest(Request):
    order_ref: str

    def orders(self) -> Iterable[str]:
        return (self.order_ref,)


@dataclass(frozen=True, kw_only=True)
class AmendOrder(_OrderRequest):
    """A request: the whole order as it should be now. The first one reserves; a later one acts on the difference.

    `former` are the (site, sku) of lines accepted before, so that what is no longer wanted can be freed. One posting,
    net (I8): what the order holds of a sku never falls below the smaller of before and after. Of the `lines`, those
    that are `linked` are cut to what their main lines get.
    """

    reason: ClassVar[str] = "amendment"

    priority: int
    shortage_policy: str
    lines: tuple[Demand, ...]
    former: tuple[tuple[str, str], ...] = ()
    linked: tuple[LinkedLine, ...] = ()

    def posting_reason(self) -> str:
        """Name the first one a reservation."""
        return self.reason if self.former else "reservation"

    def pools(self) -> Iterable[PoolKey]:
        yield from (pool_key(self.tenant, line.site, line.sku) for line in self.lines)
        yield from (pool_key(self.tenant, site, sku) for site, sku in self.former)

    def may_free(self) -> bool:
        return bool(self.former or self.linked)

    def is_news(self) -> bool:
        return not (self.former or self.linked)


class NamesGoods:
    """What may name a lot or serial numbers: exactly those are meant then."""

    lot: str
    serial_numbers: tuple[str, ...]

    @property
    def is_named(self) -> bool:
        """Say whether a lot or serial numbers are named."""
        return bool(self.lot or self.serial_numbers)

    @cached_property
    def named_serials(self) -> frozenset[str]:
        """The serial numbers to look one up in: they may be many, and each of as many is asked about."""
        return frozenset(self.serial_numbers)


@dataclass(frozen=True)
class LineQuantity(NamesGoods):
    """A quantity of an order line. None means all that the request can mean of the line.

    Where a lot or serial numbers are named, exactly those are meant.
    """

    line_no: int
    sku: str
    site: str
    quantity: int | None
    lot: str = ""
    serial_numbers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _insist(self.quantity, 0)

    @classmethod
    def of(cls, goods: Content, **more: Any) -> Self:
        """Return all of these goods, and what more there is to say of them."""
        return cls(goods.line_no, goods.sku, goods.site, goods.quantity, goods.lot, goods.serial_numbers, **more)


@dataclass(frozen=True, kw_only=True)
class _LineRequest(_OrderRequest):
    lines: tuple[LineQuantity, ...]

    def pools(self) -> Iterable[PoolKey]:
        return (pool_key(self.tenant, line.site, line.sku) for line in self.lines)


@dataclass(frozen=True, kw_only=True)
class CancelLines(_LineRequest):
    """A request: give up what is not shipped. `only_backordered` gives up no more than what waits (accept short).

    Lines that are `linked` follow their main lines down.
    """

    reason: ClassVar[str] = "cancellation"

    only_backordered: bool = False
    linked: tuple[LinkedLine, ...] = ()

    def pools(self) -> Iterable[PoolKey]:
        yield from (pool_key(self.tenant, line.site, line.sku) for line in self.lines)
        yield from (pool_key(self.tenant, line.site, line.sku) for line in self.linked)


@dataclass(frozen=True)
class PickedLine(LineQuantity):
    """What a picker took of a line, and where. None for the place takes the line's holds as they come."""

    place: Place | None = None


@dataclass(frozen=True, kw_only=True)
class ConfirmPick(_OrderRequest):
    """A request: stock went from its bin to staging, its reservation with it.

    With `short`, what the line holds at the named place and was not picked was not found: it is put aside as
    `inspection` where it should lie, and made up for elsewhere, or by the line's shortage policy. Where that cancels,
    lines that are `linked` follow.
    """

    reason: ClassVar[str] = "pick"

    lines: tuple[PickedLine, ...]
    staging: tuple[Place, ...]
    short: bool = False
    linked: tuple[LinkedLine, ...] = ()

    def pools(self) -> Iterable[PoolKey]:
        yield from (pool_key(self.tenant, line.site, line.sku) for line in self.lines)
        yield from (pool_key(self.tenant, line.site, line.sku) for line in self.linked)

    def staging_of(self, site: str) -> Place:
        """Return the staging location of a site."""
        return next(place for place in self.staging if place.site == site)

    def may_free(self) -> bool:
        return False


@dataclass(frozen=True, kw_only=True)
class PutBack(_OrderRequest):
    """A request: what is no longer wanted went from staging to a bin, and is free again, in one posting."""

    reason: ClassVar[str] = "put_back"

    lines: tuple[PickedLine, ...]

    def pools(self) -> Iterable[PoolKey]:
        return (pool_key(self.tenant, line.site, line.sku) for line in self.lines)

    def limited_by(self) -> Iterable[str]:
        return {name for line in self.lines if line.place for name in line.place.limited_by}


@dataclass(frozen=True, kw_only=True)
class IssueGoods(_LineRequest):
    """A fact: the parcels of a shipment have left. Its own hold goes first, then free stock, then others' holds.

    What is named leaves, wherever it lies. What other parcels of the order name is `kept` for them.
    """

    reason: ClassVar[str] = "goods_issue"

    shipment_no: str
    kept: tuple[LineQuantity, ...] = ()

    def may_free(self) -> bool:
        return False


@dataclass(frozen=True, kw_only=True)
class DeliverParcel(_LineRequest):
    """A fact: a parcel arrived. `order_site` is where the customer's location belongs to."""

    reason: ClassVar[str] = "delivery"

    shipment_no: str
    order_site: str

    def pools(self) -> Iterable[PoolKey]:
        yield from super().pools()
        yield from (pool_key(self.tenant, self.order_site, line.sku) for line in self.lines)

    def locations(self) -> Iterable[str]:
        return (f"transit/{self.shipment_no}",)

    def may_free(self) -> bool:
        return False


@dataclass(frozen=True, kw_only=True)
class DeliverLostParcel(DeliverParcel):
    """A fact: what was given up for lost arrived after all. `lines` are what was written off, by lot and serial number.

    `sent_again` says that it was wanted again meanwhile.
    """

    sent_again: bool = False

    def locations(self) -> Iterable[str]:
        return ()

    def streams(self) -> Iterable[StreamKey]:
        return map(self.written_off, self.lines)

    def written_off(self, line: LineQuantity) -> StreamKey:
        """Name the stream that a line's goods were written off to."""
        serial = next(iter(line.serial_numbers), "")
        return StreamKey(self.tenant, line.sku, adjustment(line.site), line.lot, serial)

    def may_free(self) -> bool:
        return self.sent_again


@dataclass(frozen=True, kw_only=True)
class LoseParcel(_LineRequest):
    """A request: parcels of a shipment will never arrive. What is still underway of them goes to `adjustment/<site>`.

    It is cancelled; with `resend` it is wanted again, and waits at its old place in the queue.
    """

    reason: ClassVar[str] = "loss"

    shipment_no: str
    cause: str
    resend: bool = False

    def posting_reason(self) -> str:
        """Tell what is lost from what is damaged."""
        return "damage" if self.cause == "damaged" else self.reason

    def locations(self) -> Iterable[str]:
        return (f"transit/{self.shipment_no}",)

    def may_free(self) -> bool:
        return self.resend


@dataclass(frozen=True)
class ReturnedLine(LineQuantity):
    """What came back of a line, and in what condition."""

    condition: StockStatus = StockStatus.INSPECTION


@dataclass(frozen=True, kw_only=True)
class ReturnGoods(_OrderRequest):
    """A request: goods came back to a location. `shipment_no` is named where they never reached the customer.

    With `resend`, what never reached the customer is wanted again, and waits at its old place in the queue.
    """

    reason: ClassVar[str] = "return"
    brings_stock: ClassVar[bool] = True

    lines: tuple[ReturnedLine, ...]
    place: Place
    order_site: str
    shipment_no: str | None = None
    resend: bool = False

    def pools(self) -> Iterable[PoolKey]:
        for line in self.lines:
            yield pool_key(self.tenant, line.site, line.sku)
            yield pool_key(self.tenant, self.order_site, line.sku)
            yield pool_key(self.tenant, self.place.site, line.sku)

    def limited_by(self) -> Iterable[str]:
        return self.place.limited_by

    def locations(self) -> Iterable[str]:
        return (f"transit/{self.shipment_no}" if self.shipment_no else f"customer/{self.order_ref}",)


@dataclass(frozen=True, kw_only=True)
class _BucketRequest(Request):
    stream: StreamKey

    def pools(self) -> Iterable[PoolKey]:
        return (self.stream.pool,)

    def streams(self) -> Iterable[StreamKey]:
        return (self.stream,)


@dataclass(frozen=True, kw_only=True)
class MoveStock(_BucketRequest):
    """A request: stock went to another location of its site. Free units go first, then reservations go along.

    With serial numbers, as many as the quantity, of which `stream` names the rest: they go together, or none.
    """

    reason: ClassVar[str] = "move"
    limit_at: ClassVar[str | None] = "/to/location_id"

    to: Place
    quantity: int
    serial_numbers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _insist(self.quantity, 1)

    def limited_by(self) -> Iterable[str]:
        return self.to.limited_by

    def streams(self) -> Iterable[StreamKey]:
        return [replace(self.stream, serial_number=serial) for serial in self.serial_numbers] or [self.stream]


@dataclass(frozen=True)
class SentLine:
    """What leaves a bucket for another site. With serial numbers, as many as the quantity."""

    sku: str
    place: Place
    quantity: int
    lot: str = ""
    serial_numbers: tuple[str, ...] = ()
    stock_status: StockStatus = StockStatus.AVAILABLE

    def __post_init__(self) -> None:
        _insist(self.quantity, 1)


@dataclass(frozen=True, kw_only=True)
class SendTransfer(Request):
    """A request: stock that nobody was promised left a site for another one, and is in transit."""

    reason: ClassVar[str] = "transfer"

    transfer_no: str
    site: str
    to_site: str
    lines: tuple[SentLine, ...]

    def pools(self) -> Iterable[PoolKey]:
        return (pool_key(self.tenant, self.site, line.sku) for line in self.lines)

    def may_free(self) -> bool:
        return False


@dataclass(frozen=True)
class ArrivedLine(NamesGoods):
    """What arrived of a transfer. None for the status keeps the one that it was sent with.

    Where a lot or serial numbers are named, exactly those are meant.
    """

    sku: str
    quantity: int
    lot: str = ""
    serial_numbers: tuple[str, ...] = ()
    stock_status: StockStatus | None = None

    def __post_init__(self) -> None:
        _insist(self.quantity, 1)


@dataclass(frozen=True, kw_only=True)
class ReceiveTransfer(Request):
    """A request: goods of a transfer arrived. When it is `complete`, the rest of the `sent` skus is missing.

    What is missing goes to `adjustment/<site>` of the site that sent it.
    """

    reason: ClassVar[str] = "transfer_receipt"
    posts_nothing_too: ClassVar[bool] = True  # that nothing more will come, say
    brings_stock: ClassVar[bool] = True
    limit_at: ClassVar[str | None] = "/location_id"

    transfer_no: str
    site: str
    sent: tuple[str, ...]
    place: Place
    lines: tuple[ArrivedLine, ...]
    complete: bool = False

    def pools(self) -> Iterable[PoolKey]:
        return (pool_key(self.tenant, site, sku) for site in (self.site, self.place.site) for sku in self.sent)

    def limited_by(self) -> Iterable[str]:
        return self.place.limited_by

    def locations(self) -> Iterable[str]:
        return (transfer(self.transfer_no, self.site).location_id,)


@dataclass(frozen=True, kw_only=True)
class ChangeStockStatus(_BucketRequest):
    """A fact: stock became something else. Free units go first, then holds are displaced."""

    reason: ClassVar[str] = "status_change"
    brings_stock: ClassVar[bool] = True

    to: StockStatus
    quantity: int

    def __post_init__(self) -> None:
        _insist(self.quantity, 1)


@dataclass(frozen=True, kw_only=True)
class ConvertStock(Request):
    """A fact: what is available at a place that is for other stock becomes that. `skus` are those that are there."""

    reason: ClassVar[str] = "status_change"
    posts_nothing_too: ClassVar[bool] = True  # what comes there later is not meant

    place: Place
    skus: tuple[str, ...]

    def pools(self) -> Iterable[PoolKey]:
        return (pool_key(self.tenant, self.place.site, sku) for sku in self.skus)


@dataclass(frozen=True, kw_only=True)
class AdjustStock(_BucketRequest):
    """A fact: a count or a find differs from the ledger by `delta`. The other side is `adjustment/<site>`.

    `compared_seq` is the number of the stream's latest entry when a count was compared with it.
    """

    reason: ClassVar[str] = "adjustment"
    posts_nothing_too: ClassVar[bool] = True  # a count that agreed must not be compared again, with what is there later
    brings_stock: ClassVar[bool] = True

    delta: int
    cause: str
    compared_seq: int | None = None

    def limited_by(self) -> Iterable[str]:
        return self.stream.place.limited_by if self.delta > 0 else ()

    def streams(self) -> Iterable[StreamKey]:
        return (self.stream, lost_from(self.stream))

    def lots(self) -> Iterable[LotKey]:
        key = self.stream
        return [(key.tenant, key.sku, key.lot)] if key.lot else []


@dataclass(frozen=True, kw_only=True)
class CountMissing(_BucketRequest):
    """A fact: of what a short pick put aside in `stream`, as `inspection`, so much was found there after all.

    That is available again; the rest was lost, to `adjustment/<site>`. With serial numbers, as many as were missing, of
    which `stream` names the rest; `found_serials` are those of them that were found.
    """

    reason: ClassVar[str] = "cycle_count"
    posts_nothing_too: ClassVar[bool] = True  # where what was found stays what it is, by its place
    brings_stock: ClassVar[bool] = True

    missing: int
    found: int
    serial_numbers: tuple[str, ...] = ()
    found_serials: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _insist(self.missing, 1)
        _insist(self.found, 0)
        _insist(self.missing - self.found, 0)

    def put_aside(self) -> list[StreamKey]:
        """Name the streams that hold what was missing."""
        return [replace(self.stream, serial_number=serial) for serial in self.serial_numbers] or [self.stream]

    def streams(self) -> Iterable[StreamKey]:
        for key in self.put_aside():
            yield from (key, lost_from(key))


def lost_from(key: StreamKey) -> StreamKey:
    """Name where stock goes to that is not where it should be, and comes from when it is found."""
    return StreamKey(key.tenant, key.sku, adjustment(key.place.site), key.lot, key.serial_number)


@dataclass(frozen=True, kw_only=True)
class _LotRequest(Request):
    """`sites` are those that have known the sku until now; `block_no` is the recall's."""

    posts_nothing_too: ClassVar[bool] = True  # what arrives later depends on it
    brings_stock: ClassVar[bool] = True  # it must know whether the lot is blocked already

    sku: str
    lot: str
    block_no: str
    cause: str
    sites: tuple[str, ...]

    @property
    def named(self) -> tuple[str, str, str]:
        """Name the lot."""
        return self.tenant, self.sku, self.lot

    def pools(self) -> Iterable[PoolKey]:
        return (pool_key(self.tenant, site, self.sku) for site in self.sites)


@dataclass(frozen=True, kw_only=True)
class BlockLot(_LotRequest):
    """A fact: a lot is not to be sold. What is available of it becomes quarantined where it lies; holds give way."""

    reason: ClassVar[str] = "lot_block"


@dataclass(frozen=True, kw_only=True)
class UnblockLot(_LotRequest):
    """A fact: what arrives of a lot may be sold again. What was quarantined stays that until somebody has looked."""

    reason: ClassVar[str] = "lot_unblock"


@dataclass(frozen=True, kw_only=True)
class ExpireStock(Request):
    """A fact: a day has begun at a site. Holds of a sku in what has expired give way. `day` names it in the key."""

    reason: ClassVar[str] = "expiry"

    site: str
    sku: str
    day: date

    def pools(self) -> Iterable[PoolKey]:
        return (pool_key(self.tenant, self.site, self.sku),)
