"""The bodies of what is said of the catalog, of stock that comes in, and of stock that lies there.

What may be said to an order is in `domain/commands.py`: the inbox keeps it.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Final, Literal, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from domain.allocation import AllocationPolicy
from domain.commands import (
    AnyLineNo,
    Country,
    Day,
    Flag,
    FromTheFloor,
    Instant,
    Key,
    LineNo,
    Measure,
    OrderNo,
    Quantity,
    Shape,
    ShipTo,
    Uom,
    VerbOfMany,
)
from domain.gtin import expected_check_digit
from domain.linked_lines import MOST_RULES
from domain.orders import OrderStatus
from domain.stock import StockStatus
from domain.texts import AnyLine, Line, Lot, Name, Phrase, PostalCode, Serial, Street, Text


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _time_zone(value: str) -> str:
    if value not in _time_zones():
        raise ValueError("is not a time zone such as Europe/Berlin")
    return value


def _gtin(value: str) -> str:
    if (digit := expected_check_digit(value)) != value[-1]:
        raise PydanticCustomError("wrong_check_digit", f"is misread or mistyped: it would have to end with {digit}")
    return value


Gtin = Annotated[str, StringConstraints(pattern=r"^([0-9]{8}|[0-9]{12,14})$"), AfterValidator(_gtin)]
MOST_IN_A_PACKAGING: Final = 10**9
TimeZone = Annotated[str, AfterValidator(_time_zone)]
MOST_IN_A_BATCH: Final = 2000
Step = Annotated[
    str, StringConstraints(pattern=r"^(erp|label|void|intercept|parcel|replaced|found|hold|house)(/[!-~]{1,190})?$")
]
LocationType = Literal["site", "zone", "aisle", "rack", "bin", "receiving", "staging", "dock", "returns", "quarantine"]


class Packaging(Shape):
    """A packaging: how many it holds of another one, or of the base unit."""

    uom: Uom
    factor: Annotated[int, Field(ge=1, le=MOST_IN_A_PACKAGING, strict=True)]
    of: Annotated[Uom | None, Field(description="The packaging that it holds; the base unit if left out")] = None
    gtin: Gtin | None = None


class Addition(Shape):
    """A rule: for each whole `per` units of the product so many of another one, in base units of both.

    It is for orders that are placed from one day until another, both among them; without a day there is no end.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_alias=True, validate_by_name=False)

    sku: Key
    quantity: Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
    per: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 1
    first_day: Annotated[Day | None, Field(alias="from")] = None
    until: Day | None = None

    @model_validator(mode="after")
    def _begins_first(self) -> Self:
        if self.first_day and self.until and self.until < self.first_day:
            raise PydanticCustomError("ends_too_early", "ends before it begins")
        return self


class Product(Shape):
    """A stock-keeping item that is counted."""

    sku: Key
    name: AnyLine | None = None
    description: Text = ""
    category: Annotated[Phrase | None, Field(description="What it is one of, in the tenant's own words")] = None
    base_uom: Uom
    gtin: Annotated[Gtin | None, Field(description="Of the base unit")] = None
    packagings: Annotated[tuple[Packaging, ...], Field(max_length=50)] = ()
    tracking: Literal["none", "lot", "serial"] = "none"
    allocation_policy: AllocationPolicy = AllocationPolicy.FIRST_EXPIRY_FIRST
    adds: Annotated[tuple[Addition, ...], Field(max_length=MOST_RULES, description="What comes along with it")] = ()
    kit: Annotated[Flag, Field(description="Never stocked: what it adds are its components")] = False
    shelf_life_days: Annotated[int, Field(gt=0, le=100_000, strict=True)] | None = None
    weight_g: Measure | None = None
    length_mm: Measure | None = None
    width_mm: Measure | None = None
    height_mm: Measure | None = None

    @model_validator(mode="after")
    def _one_factor_each(self) -> Self:
        uoms = [self.base_uom, *(packaging.uom for packaging in self.packagings)]
        if len(set(uoms)) != len(uoms):
            raise PydanticCustomError("duplicate_uom", "has a unit of measure twice")
        return self


class Capacity(Shape):
    """How much a location takes."""

    max_units: Measure | None = None
    max_weight_g: Measure | None = None


class SiteAddress(Shape):
    """Where parcels are sent from. Without a name, the site's own stands in."""

    name: AnyLine | None = None
    company: AnyLine | None = None
    street: Street
    postal_code: PostalCode
    city: Line
    state: AnyLine | None = None
    country: Country
    phone: AnyLine | None = None
    email: AnyLine | None = None


class Location(Shape):
    """A place where stock lies, or a part of a site that has such places below it."""

    location_id: Key
    site: Key | None = None
    parent: Key | None = None
    type: LocationType
    capacity: Capacity | None = None
    time_zone: TimeZone | None = None
    address: SiteAddress | None = None
    receipts_without_order: Annotated[
        Flag, Field(description="Of a site: whether it takes goods in that no purchase order names")
    ] = False


class ExpectedLine(Shape):
    """What a supplier is going to send of a sku."""

    line_no: LineNo
    sku: Key
    quantity: Quantity
    uom: Uom | None = None


class Inbound(Shape):
    """A purchase order or an advance notice, as it should be now."""

    po_no: Key
    revision: Annotated[
        int, Field(ge=1, le=2**31 - 1, strict=True, description="A higher one amends what was said before")
    ] = 1
    site: Key
    supplier: Phrase
    order_type: Phrase | None = None
    external_reference: Annotated[Phrase | None, Field(description="What others call it")] = None
    order_date: Day | None = None
    expected_date: Annotated[Day | None, Field(description="When it is planned to arrive")] = None
    lines: Annotated[tuple[ExpectedLine, ...], Field(min_length=1, max_length=500)]


class NotExpected(Shape):
    """Part of an expected line to be cancelled; without a quantity, all of it that has not arrived."""

    line_no: LineNo
    quantity: Quantity | None = None
    uom: Uom | None = None


class InboundCancel(Shape):
    """A purchase order, or lines of it, will not arrive; without lines, all that has not arrived."""

    cancel_no: Key
    reason: Phrase
    actor: Name | None = None
    lines: Annotated[tuple[NotExpected, ...], Field(min_length=1, max_length=500)] | None = None


class ReceivedGoods(Shape):
    """What arrived of a sku."""

    quantity: Quantity
    uom: Uom | None = None
    lot: Lot | None = None
    expires_on: Annotated[
        Day | None,
        Field(description="The last day on which the lot may be used, by the site's day; without a lot it is not kept"),
    ] = None
    produced_on: Annotated[
        Day | None,
        Field(description="When the lot expires is computed from it by the product's shelf life, until somebody tells"),
    ] = None
    serial_numbers: Annotated[tuple[Serial, ...], Field(max_length=10_000)] = ()
    stock_status: StockStatus = StockStatus.AVAILABLE


class ReceivedLine(ReceivedGoods):
    """What arrived of an expected line."""

    line_no: LineNo


class Receipt(FromTheFloor):
    """What arrived of an inbound order, and where it was put."""

    receipt_no: Key
    location_id: Key
    allow_over: Flag = False
    lines: Annotated[tuple[ReceivedLine, ...], Field(min_length=1, max_length=500)]


class UnorderedLine(ReceivedGoods):
    """What arrived of a sku that no purchase order names."""

    sku: Key


class UnorderedReceipt(FromTheFloor):
    """What arrived without a purchase order, and where it was put."""

    receipt_no: Key
    location_id: Key
    supplier: Phrase | None = None
    lines: Annotated[tuple[UnorderedLine, ...], Field(min_length=1, max_length=500)]


class ReceiptReversal(FromTheFloor):
    """A receipt is taken back as a whole."""

    reversal_no: Key
    reason: Phrase


class MovedFrom(Shape):
    """The bucket that stock is taken from."""

    location_id: Key
    lot: Lot | None = None
    stock_status: StockStatus = StockStatus.AVAILABLE


class MovedTo(Shape):
    """The location that stock is brought to."""

    location_id: Key


class Move(FromTheFloor):
    """Stock went to another location of its site."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_alias=True, validate_by_name=False)

    move_no: Key
    sku: Key
    quantity: Quantity
    uom: Uom | None = None
    source: MovedFrom = Field(alias="from")
    to: MovedTo
    serial_numbers: Annotated[tuple[Serial, ...], Field(max_length=100)] = ()
    reason: Phrase | None = None


class TransferLine(Shape):
    """What leaves a bucket for another site."""

    sku: Key
    quantity: Quantity
    uom: Uom | None = None
    location_id: Key
    lot: Lot | None = None
    serial_numbers: Annotated[tuple[Serial, ...], Field(max_length=1000)] = ()
    stock_status: StockStatus = StockStatus.AVAILABLE


class Transfer(FromTheFloor):
    """Stock left a site for another one."""

    transfer_no: Key
    to_site: Key
    lines: Annotated[tuple[TransferLine, ...], Field(min_length=1, max_length=500)]


class ArrivedLine(Shape):
    """What arrived of a sku of a transfer. Without a status, it has the one that it was sent with."""

    sku: Key
    quantity: Quantity
    uom: Uom | None = None
    lot: Lot | None = None
    serial_numbers: Annotated[tuple[Serial, ...], Field(max_length=1000)] = ()
    stock_status: StockStatus | None = None


class TransferReceipt(FromTheFloor):
    """What arrived of a transfer. With `complete` nothing more will come: the rest is missing."""

    receipt_no: Key
    location_id: Key
    complete: Flag = False
    lines: Annotated[tuple[ArrivedLine, ...], Field(max_length=500)]

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.lines and not self.complete:
            raise PydanticCustomError("nothing_arrived", "needs lines, or complete")
        return self


class Adjustment(FromTheFloor):
    """A count that differs from the ledger (`counted`), or a difference by itself (`delta`)."""

    adjustment_no: Key
    location_id: Key
    sku: Key
    lot: Lot | None = None
    serial_number: Serial | None = None
    stock_status: StockStatus = StockStatus.AVAILABLE
    uom: Uom | None = None
    counted: Quantity | None = None
    counted_at: Instant | None = None
    delta: Quantity | None = None
    reason: Phrase
    note: Text | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.counted is None) == (self.delta is None):
            raise PydanticCustomError("counted_or_delta", "needs either counted or delta")
        return self


class StatusChange(FromTheFloor):
    """Stock became something else: quarantined, damaged, available again."""

    change_no: Key
    to: StockStatus
    quantity: Quantity
    uom: Uom | None = None
    reason: Phrase


class Conversion(FromTheFloor):
    """What is available at a location becomes what the location is for."""

    conversion_no: Key
    location_id: Key
    reason: Phrase


class Count(Shape):
    """How many of the units that a picker missed were found after all, and by whom."""

    counted: Quantity
    uom: Uom | None = None
    by: Name
    note: Text | None = None
    serial_numbers: Annotated[tuple[Serial, ...], Field(max_length=1000)] = ()


class Settlement(Shape):
    """What a person found out about a discrepancy. What mends the ledger is an adjustment or a count of its own."""

    settlement_no: Annotated[Key, Field(description="Of this discrepancy: one number may settle several")]
    by: Name
    reason: Phrase
    note: Text | None = None
    adjustment_no: Annotated[
        Key | None, Field(description="The adjustment, or the `task_no` of the count, that mended it")
    ] = None


class Recall(FromTheFloor):
    """A lot is not to be sold any more."""

    recall_no: Key
    sku: Key
    lot: Lot
    reason: Phrase


class Lift(FromTheFloor):
    """A recall is over: what arrives of the lot may be sold again."""

    reason: Phrase


class OrderQuery(Shape):
    """Which open orders an operator means: those that fulfill every condition. The source alone is none."""

    step: Annotated[
        Step | None, Field(description="What is stuck, as `attention` names it: `erp/1`, or `erp` for any message")
    ] = None
    reason: Annotated[Phrase | None, Field(description="Part of what `attention` says, in whatever case")] = None
    flagged_before: Instant | None = None
    status: OrderStatus | None = None
    carrier: Key | None = None
    source: Key | None = None
    sku: Annotated[Key | None, Field(description="One of the order's lines, or a kit that it was ordered as")] = None
    waits_for: Annotated[Key | None, Field(description="A sku that one of the order's lines waits for")] = None
    ordered_before: Instant | None = None
    order_nos: Annotated[tuple[OrderNo, ...], Field(min_length=1, max_length=MOST_IN_A_BATCH)] | None = None

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if not self.model_dump(exclude_none=True, exclude={"source"}):
            raise PydanticCustomError("no_condition", "needs a condition: no act is for all orders")
        return self


class StoredAddress(Shape):
    """Another address for an order, for an operator to choose by its id."""

    address_no: Key
    ship_to: ShipTo


class OperatorBatch(Shape):
    """What a person decides for many orders at once. Which step of an order is meant, its own `attention` says."""

    batch_no: Key
    verb: VerbOfMany
    by: Name
    reason: Phrase
    where: OrderQuery
    at_most: Annotated[
        int, Field(ge=1, le=MOST_IN_A_BATCH, strict=True, description="If more orders are meant, none is touched")
    ] = 100


# -- returns ---------------------------------------------------------------------------------------------------------


class LineToReturn(Shape):
    """How much of an order's line may come back."""

    line_no: AnyLineNo
    quantity: Quantity
    uom: Uom | None = None


class ReturnAuthorization(Shape):
    """What the office lets come back of an order."""

    authorization_no: Key
    by: Name
    reason: Phrase
    valid_until: Annotated[
        Instant | None, Field(description="What comes back later does not come by it; null is for ever")
    ] = None
    lines: Annotated[tuple[LineToReturn, ...], Field(min_length=1, max_length=500)]
