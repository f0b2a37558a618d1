"""What may be said to an order, in the shapes of the public contract. The HTTP door and the inbox share them.

The door forbids unknown fields, so that a misspelt one is never lost without a word. Quantities are strings or whole
numbers in the line's own unit; `domain.units` turns them into base units.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from domain.allocation import AllocationPolicy, ExpiredStock
from domain.linked_lines import LAST_LINKED, LAST_OF_AN_ERP
from domain.orders import ShortagePolicy
from domain.stock import StockStatus
from domain.texts import AnyLine, Line, Lot, Name, Phrase, PostalCode, Serial, Street, Text, a_line

KEY_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$"

_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,9})?")
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_PLAIN_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_BELIEVABLE = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))


def _not_reserved(value: str) -> str:
    if value in {"inbound", "outbound"}:
        raise PydanticCustomError("reserved_word", "is a reserved word")
    return value


def _a_number(value: Any) -> Any:
    """Take a whole number, or a decimal one as a string: a float has lost digits before we see it."""
    if isinstance(value, bool | float) or not isinstance(value, int | str):
        raise PydanticCustomError("malformed_quantity", 'must be a whole number or a string such as "2.5"')
    if not _NUMBER.fullmatch(str(value) if isinstance(value, str) or abs(value) < 10**18 else ""):
        raise PydanticCustomError("malformed_quantity", "must be a plain decimal number")
    return value


def _rfc_3339(value: Any) -> Any:
    """Take no numbers for times, and no times without an offset: they would be guesses."""
    if not isinstance(value, datetime) and not (isinstance(value, str) and _RFC_3339.fullmatch(value)):
        raise PydanticCustomError("malformed_time", "must be a time of RFC 3339 with an offset")
    return value


def _believable(value: datetime) -> datetime:
    if not _BELIEVABLE[0] <= value < _BELIEVABLE[1]:
        raise PydanticCustomError("malformed_time", "must lie between 1970 and 2200")
    return value


def _plain_date(value: Any) -> Any:
    if not isinstance(value, date) and not (isinstance(value, str) and _PLAIN_DATE.fullmatch(value)):
        raise PydanticCustomError("malformed_date", "must be a date such as 2026-11-24")
    return value


Key = Annotated[str, StringConstraints(pattern=KEY_PATTERN)]
OrderNo = Annotated[Key, AfterValidator(_not_reserved)]
Uom = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,16}$")]
LineNo = Annotated[int, Field(ge=1, le=LAST_OF_AN_ERP, strict=True)]
AnyLineNo = Annotated[int, Field(ge=1, le=LAST_LINKED, strict=True)]
Quantity = Annotated[int | Annotated[str, StringConstraints(max_length=32)], BeforeValidator(_a_number)]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Flag = Annotated[bool, Field(strict=True)]
Measure = Annotated[int, Field(gt=0, le=10**9, strict=True)]
Instant = Annotated[AwareDatetime, BeforeValidator(_rfc_3339), AfterValidator(_believable)]
Day = Annotated[date, BeforeValidator(_plain_date)]


class Shape(BaseModel):
    """A body, or a part of one: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FromTheFloor(Shape):
    """Who did it, when, and with what, as the sender says."""

    occurred_at: Instant | None = None
    actor: Name | None = None
    device: Name | None = None


class Money(Shape):
    """An amount as a decimal string, and its currency (ISO 4217)."""

    amount: Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,12}(\.[0-9]{1,6})?$")]
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class ShipTo(Shape):
    """Where an order goes."""

    name: Line
    company: AnyLine | None = None
    street: Street
    postal_code: PostalCode
    city: Line
    state: AnyLine | None = None
    country: Country
    phone: AnyLine | None = None
    email: AnyLine | None = None


class OrderedLine(Shape):
    """A line of a push: what is wanted of a sku, in its unit."""

    line_no: LineNo
    sku: Key
    quantity: Quantity
    uom: Uom | None = None
    unit_price: Money | None = None
    site: Key | None = None
    lot: Lot | None = None


class Replaces(Shape):
    """The order in whose place another one is sent, and the return that it is for."""

    order_no: OrderNo
    return_no: Annotated[
        Key | None,
        Field(
            description="Says that the goods are back: refused before. Without it the replacement is sent in advance"
        ),
    ] = None


class Push(Shape):
    """The ERP's push: the whole order as it should be now."""

    order_no: OrderNo
    revision: Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]
    site: Key
    ordered_at: Instant
    priority: Annotated[int, Field(ge=-1000, le=1000, strict=True)] = 0
    shortage_policy: ShortagePolicy = ShortagePolicy.BACKORDER
    allocation_policy: AllocationPolicy | None = None
    min_shelf_life_days: Annotated[int, Field(ge=1, le=100_000, strict=True)] | None = None
    expired_stock: Annotated[
        ExpiredStock,
        Field(description="Whether it takes lots whose last day is over at their site; they are refused otherwise"),
    ] = ExpiredStock.REFUSE
    ship_complete: Annotated[Flag, Field(description="Nothing of it is shipped before all of it can be")] = False
    backorder_until: Annotated[
        Instant | None,
        Field(description="What still waits for stock then is cancelled, also where that is past; null waits for ever"),
    ] = None
    customer_no: Key | None = None
    requested_delivery: Day | None = None
    carrier: Key
    service_level: Key
    replaces: Annotated[
        Replaces | None,
        Field(description="Of which nothing changes after the first revision; a later one may leave it out"),
    ] = None
    note: Text | None = None
    ship_to: ShipTo
    lines: Annotated[tuple[OrderedLine, ...], Field(min_length=1, max_length=500)]


class CancelledLine(Shape):
    """Part of a line to be cancelled; without a quantity, all of it that is not shipped."""

    line_no: AnyLineNo
    quantity: Quantity | None = None
    uom: Uom | None = None


class Cancel(FromTheFloor):
    """Cancel an order, or lines of it."""

    cancel_no: Key
    reason: Phrase
    lines: Annotated[tuple[CancelledLine, ...], Field(min_length=1, max_length=500)] | None = None


class PickLine(Shape):
    """What a picker took, and where."""

    line_no: AnyLineNo
    quantity: Quantity
    uom: Uom | None = None
    location_id: Key | None = None
    lot: Lot | None = None
    serial_numbers: tuple[Serial, ...] = ()


class Pick(FromTheFloor):
    """A confirmed pick. `short` says that the rest was not found at the named places."""

    pick_no: Key
    lines: Annotated[tuple[PickLine, ...], Field(min_length=1, max_length=500)]
    short: Flag = False


class PutBackLine(Shape):
    """What went back from staging, and where to. Named, where it could be one of several lots or units."""

    line_no: AnyLineNo
    quantity: Quantity
    uom: Uom | None = None
    location_id: Key
    lot: Lot | None = None
    # Left out where there are none: what was said before there was such a field is still the same.
    serial_numbers: Annotated[tuple[Serial, ...], Field(exclude_if=lambda named: not named)] = ()


class PutBackDone(FromTheFloor):
    """A confirmed put-back."""

    put_back_no: Key
    lines: Annotated[tuple[PutBackLine, ...], Field(min_length=1, max_length=500)]


class ParcelLine(Shape):
    """What is in a parcel of an order line. What it names, the line must hold."""

    line_no: AnyLineNo
    quantity: Quantity
    uom: Uom | None = None
    lot: Lot | None = None
    serial_numbers: tuple[Serial, ...] = ()


class Parcel(Shape):
    """A box: grams and millimeters."""

    weight_g: Measure | None = None
    length_mm: Measure | None = None
    width_mm: Measure | None = None
    height_mm: Measure | None = None
    lines: Annotated[tuple[ParcelLine, ...], Field(min_length=1, max_length=500)]


class Ship(FromTheFloor):
    """Book and label a shipment; without parcels, one with all that is picked."""

    shipment_no: Key
    handed_over: Flag = False
    parcels: Annotated[tuple[Parcel, ...], Field(min_length=1, max_length=50)] | None = None


class HandOver(FromTheFloor):
    """The parcels of a shipment were given to the carrier: the goods have left."""

    handover_no: Key


LossReason = Literal["lost", "damaged"]


class LostLine(Shape):
    """What is lost of a parcel. Named, where it could be one of several lots or units."""

    line_no: AnyLineNo
    quantity: Quantity
    uom: Uom | None = None
    lot: Lot | None = None
    serial_numbers: tuple[Serial, ...] = ()


class Loss(FromTheFloor):
    """Parcels of a shipment will never arrive; without a number, all that are underway. `resend` wants them again."""

    loss_no: Key
    parcel_no: Annotated[int, Field(ge=1, le=50, strict=True)] | None = None
    reason: LossReason
    resend: Flag = False
    note: Text | None = None
    lines: Annotated[
        tuple[LostLine, ...] | None,
        # Left out where there are none: what was said before there was such a field is still the same.
        Field(
            min_length=1,
            max_length=500,
            exclude_if=lambda lines: lines is None,
            description="What of a parcel is lost, where the rest of it may still arrive; without it, all of it",
        ),
    ] = None


class Intercept(Shape):
    """Have the carrier stop parcels that are underway and send them back; without a number, all of a shipment."""

    intercept_no: Key
    parcel_no: Annotated[int, Field(ge=1, le=50, strict=True)] | None = None
    by: Name
    reason: Phrase


class ReturnLine(Shape):
    """What came back of a line, and its condition. Named, where it could be one of several lots or units."""

    line_no: AnyLineNo
    quantity: Quantity
    uom: Uom | None = None
    lot: Lot | None = None
    serial_numbers: tuple[Serial, ...] = ()
    condition: StockStatus = StockStatus.INSPECTION


class Return(FromTheFloor):
    """Goods came back. With `resend`, what never reached the customer is wanted again."""

    return_no: Key
    authorization_no: Annotated[
        Key | None,
        Field(description="The return authorization that they come by; without it, what came was not announced"),
    ] = None
    location_id: Key
    resend: Flag = False
    lines: Annotated[tuple[ReturnLine, ...], Field(min_length=1, max_length=500)]


VerbOfMany = Literal["retry_step", "skip_step", "accept_short", "release_hold", "resend_to_erp", "cancel_order"]
OperatorVerb = Literal[VerbOfMany, "use_address"]


class OperatorAct(Shape):
    """What a person decides when the hub can't. `target` is the step or the ERP message that is meant."""

    act_no: Key
    verb: OperatorVerb
    by: Name
    reason: Phrase
    target: Annotated[str, StringConstraints(max_length=200), AfterValidator(a_line)] | None = None
    address_id: Annotated[
        UUID | None,
        Field(
            description="The address that `use_address` is about, as `POST /api/orders/{order_no}/addresses` named it",
            exclude_if=lambda address_id: address_id is None,  # an act without one is what it was before there were any
        ),
    ] = None
