"""The sandbox carrier's payloads and codes <-> the domain's words. Pure: no I/O, no clock.

We send strictly, and parse leniently (see `payloads`): an unknown status is kept as the carrier's word.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from adapters.carriers.sandbox import payloads
from adapters.wire import Answer, Unreadable, check_parts, storable_json
from domain.carriers import (
    Address,
    BookedTerms,
    Booking,
    BookingRequest,
    LabeledParcel,
    ParcelRequest,
    TrackingEvent,
    TrackingStatus,
)
from domain.errors import Fault, Kind, Rejected, StockbridgeError, Unavailable
from domain.labels import matched_as

STATUSES: Mapping[str, TrackingStatus] = {
    "pending": TrackingStatus.PENDING,
    "picked_up": TrackingStatus.PICKED_UP,
    "in_transit": TrackingStatus.IN_TRANSIT,
    "out_for_delivery": TrackingStatus.OUT_FOR_DELIVERY,
    "ready_for_pickup": TrackingStatus.READY_FOR_PICKUP,
    "delivered": TrackingStatus.DELIVERED,
    "on_hold": TrackingStatus.ON_HOLD,
    "delivery_delayed": TrackingStatus.DELIVERY_DELAYED,
    "delivery_failed": TrackingStatus.DELIVERY_FAILED,
    "return_to_sender": TrackingStatus.RETURN_TO_SENDER,
    "cancelled": TrackingStatus.CANCELLED,
}
"""The carrier's word for a scan -> ours. What isn't here is `unknown`."""

CODES: Mapping[str, tuple[str, str]] = {
    "already_shipped": ("already_shipped", "The carrier has the parcels already: have it send them back."),
    "duplicate_parcel": ("carrier_contract", "The carrier says that two parcels have the same number."),
    "invalid_address": (
        "carrier_invalid_address",
        "The carrier lacks something in the address: use another, or amend.",
    ),
    "invalid_weight": (
        "carrier_invalid_weight",
        "The carrier does not take a parcel of this weight: weigh it, or amend.",
    ),
    "malformed": ("carrier_contract", "The carrier says that our request breaks its contract."),
    "not_found": ("carrier_unknown_booking", "The carrier doesn't know the booking or the parcel: ask its people."),
    "returning": ("carrier_returning", "The carrier has the parcel on its way back already."),
    "too_late": ("too_late", "The carrier can't stop the parcel any more: take it back as a return."),
    "too_many_numbers": ("carrier_contract", "The carrier says that it was asked about too many parcels at once."),
    "unknown_country": ("carrier_unknown_country", "The carrier does not deliver to the country: use another address."),
    "voided": ("carrier_voided", "The carrier has the label as voided."),
}
"""The carrier's code for a refusal -> ours, with our words for what is wrong and what helps. Others are `REFUSED`."""

REFUSED = ("carrier_refused", "The carrier refused, with a code that isn't known here: read what it said.")

NOTHING_DONE = frozenset({"busy", "rate_limited", "unauthorized"})
"""Error codes after which the same may be sent again. A wrong token is an operator's matter, not the booking's."""

FIELDS: Mapping[str, str] = {
    **{name: name for name in ("reference", "ship_from", "ship_to", "parcels")},
    **{name: name for name in ("name", "company", "postal_code", "city", "state", "phone", "email")},
    **{name: name for name in ("parcel_no", "weight_g", "length_mm", "width_mm", "height_mm")},
    "country_code": "country",
    "service": "service_level",
    "street_lines": "street",
}
"""The carrier's names of the fields that we send -> ours."""

_MARKS = (b",", b"[", b"{", b":")
_MOST_MARKS = 100_000
"""What values begin with. Of fifty parcels each may have nearly two hundred scans."""

_VOIDED = "voided"
_ACCEPTED = "accepted"

_DONE = range(HTTPStatus.OK, HTTPStatus.MULTIPLE_CHOICES)


# Bookings


def booking_request(request: BookingRequest) -> dict[str, Any]:
    """Return the body of a booking."""
    return {
        "reference": request.reference,
        "service": request.service_level,
        "ship_from": _address(request.ship_from),
        "ship_to": _address(request.ship_to),
        "parcels": [_parcel(parcel) for parcel in request.parcels],
    }


def booking(answer: Answer, request: BookingRequest) -> Booking:
    """Read the answer to a booking. `Unreadable` where it isn't about the shipment that was asked for."""
    shipment = _read(answer, payloads.Shipment)
    booked = sorted(parcel.parcel_no for parcel in shipment.parcels)
    if shipment.reference != request.reference or booked != sorted(parcel.parcel_no for parcel in request.parcels):
        said = f"it booked {shipment.reference!r} with parcels {booked}"
        raise Unreadable("it is about another shipment, or other parcels", said)
    return _booking(shipment)


def live_booking(answer: Answer, reference: str) -> Booking | None:
    """Read the answer to a question by reference: the first booking of ours that isn't voided."""
    shipments = _read(answer, payloads.Shipments).root
    live = (shipment for shipment in shipments if shipment.reference == reference and shipment.status != _VOIDED)
    return next((_booking(shipment) for shipment in live), None)


def check_voided(answer: Answer, booking_id: str) -> None:
    """Read the answer to a void. `Unreadable` where it doesn't say that this booking is void now."""
    voided = _read(answer, payloads.Voided)
    if voided.shipment_id != booking_id or voided.status != _VOIDED:
        said = f"it says that {voided.shipment_id!r} is {voided.status}"
        raise Unreadable("it doesn't say that this booking is void now", said)


# Intercepts


def check_intercepted(answer: Answer, tracking_number: str) -> None:
    """Read the answer to an intercept. `Unreadable` where it doesn't say that this parcel will be sent back."""
    promised = _read(answer, payloads.Intercept)
    if promised.tracking_number != tracking_number or promised.status != _ACCEPTED:
        said = f"it says that the intercept of {promised.tracking_number!r} is {promised.status}"
        raise Unreadable("it doesn't say that this parcel will be sent back", said)


def has_intercept(answer: Answer, reference: str) -> bool:
    """Read the answer to a question by reference: whether an intercept of ours was accepted."""
    promised = _read(answer, payloads.Intercepts).root
    return any(each.reference == reference and each.status == _ACCEPTED for each in promised)


# Tracking


def tracking_events(answer: Answer) -> list[TrackingEvent]:
    """Read the scans of all parcels in an answer."""
    parcels = _read(answer, payloads.Tracking).parcels
    return [_event(scan, parcel.tracking_number) for parcel in parcels for scan in parcel.events]


def oldest_first(events: Iterable[TrackingEvent]) -> list[TrackingEvent]:
    """Sort scans by when they happened. Those whose time isn't known keep their order, at the end."""
    latest = datetime.max.replace(tzinfo=UTC)
    return sorted(events, key=lambda event: event.occurred_at or latest)


def callback_event(body: bytes) -> TrackingEvent:
    """Read a callback's raw body. `Rejected` with code `malformed`, a fault for each field."""
    try:
        callback = payloads.Callback.model_validate_json(storable_json(body))
    except ValidationError as error:
        raise _malformed(error) from error
    return _event(callback, callback.tracking_number)


def _address(address: Address) -> dict[str, Any]:
    return {
        "name": address.name,
        "company": address.company,
        "street_lines": list(address.street),
        "postal_code": address.postal_code,
        "city": address.city,
        "state": address.state,
        "country_code": address.country,
        "phone": address.phone,
        "email": address.email,
    }


def _parcel(parcel: ParcelRequest) -> dict[str, Any]:
    return {
        "parcel_no": parcel.parcel_no,
        "weight_g": parcel.weight_g,
        "length_mm": parcel.length_mm,
        "width_mm": parcel.width_mm,
        "height_mm": parcel.height_mm,
    }


def _booking(shipment: payloads.Shipment) -> Booking:
    parcels = tuple(
        LabeledParcel(parcel.parcel_no, parcel.tracking_number, parcel.label_base64, parcel.label_media_type)
        for parcel in shipment.parcels
    )
    return Booking(shipment.reference, shipment.shipment_id, parcels, _terms(shipment))


def _terms(shipment: payloads.Shipment) -> BookedTerms | None:
    """Read what a booking was for, where all of it is told."""
    weights = {parcel.parcel_no: parcel.weight_g for parcel in shipment.parcels if parcel.weight_g is not None}
    to = shipment.ship_to
    if shipment.service is None or to is None or len(weights) < len(shipment.parcels):
        return None
    address = Address(
        name=to.name,
        street=tuple(to.street_lines),
        postal_code=to.postal_code,
        city=to.city,
        country=to.country_code,
        company=to.company,
        state=to.state,
        phone=to.phone,
        email=to.email,
    )
    return BookedTerms(shipment.service, address, weights)


def _event(scan: payloads.Scan, tracking_number: str) -> TrackingEvent:
    return TrackingEvent(
        event_id=scan.event_id or _derived_id(scan, tracking_number),
        tracking_number=tracking_number,
        status=STATUSES.get(scan.status.strip().lower(), TrackingStatus.UNKNOWN),
        vendor_status=scan.status,
        occurred_at=_moment(scan.occurred_at),
        location=scan.location,
        signed_by=scan.signed_by,
    )


def _derived_id(scan: payloads.Scan, tracking_number: str) -> str:
    """Name a scan by its content, so that the same scan told twice is one."""
    content = json.dumps([matched_as(tracking_number), scan.status, scan.occurred_at, scan.location])
    return sha256(content.encode()).hexdigest()


def _moment(text: str | None) -> datetime | None:
    """Read a time with the offset that was sent. None where there is none, or where it is no time that UTC can tell."""
    try:
        moment = datetime.fromisoformat(text or "")
        moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else None


# Errors

_Body = TypeVar("_Body", bound=BaseModel)


def _read(answer: Answer, shape: type[_Body]) -> _Body:
    check_parts(answer.body, _MARKS, _MOST_MARKS)
    _check(answer)
    try:
        return shape.model_validate_json(storable_json(answer.body))
    except ValidationError as error:
        raise Unreadable(f"HTTP {answer.status}, {_first_fault(error)}", answer.excerpt) from error


def _check(answer: Answer) -> None:
    """Raise what an answer says is wrong: by the carrier's error in it, and only without one by its status."""
    try:
        error = payloads.ErrorBody.model_validate_json(storable_json(answer.body)).error
    except ValidationError:
        if answer.status not in _DONE:
            raise _no_reason(answer) from None
    else:
        raise _refusal(answer, error)


def _refusal(answer: Answer, error: payloads.ErrorDetail) -> StockbridgeError | Unreadable:
    said = _said(error)
    if error.code in NOTHING_DONE:
        return Unavailable(f"The carrier did nothing ({error.code}){answer.retry_after}.", said=said)
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unreadable(f"HTTP {answer.status} and an error of its own", said)
    code, detail = CODES.get(error.code, REFUSED)
    path = (error.field or "").split(".")
    faults = [Fault(_pointer(path), code, detail)] if all(map(_is_ours, path)) else []
    kind = Kind.CONFLICT if answer.status == HTTPStatus.CONFLICT else Kind.INVALID
    return Rejected(code, detail, faults, kind, said=said)


def _said(error: payloads.ErrorDetail) -> str:
    """Return what the carrier said, with what of its code and field has no words of ours."""
    known = error.message and (error.code in CODES or error.code in NOTHING_DONE)
    words = error.message if known else f"{error.code}: {error.message}"
    field = error.field or ""
    return words if all(map(_is_ours, field.split("."))) or not field else f"{words} ({field})"


def _is_ours(part: str) -> bool:
    """Say whether a part of a path is of the request that we sent: what else it says is the carrier's to say."""
    return part in FIELDS or (part.isascii() and part.isdigit() and len(part) < 5)  # noqa: PLR2004 - parcels


def _no_reason(answer: Answer) -> StockbridgeError | Unreadable:
    said = answer.excerpt
    if answer.turned_down:
        status = f"HTTP {answer.status}{answer.retry_after}"
        return Unavailable(f"The carrier's address answered {status}, and no reason", said=said)
    return Unreadable(f"HTTP {answer.status} and no reason", said)


def _malformed(error: ValidationError) -> Rejected:
    faults = [
        Fault(_pointer(map(str, fault["loc"])), "missing" if fault["type"] == "missing" else "invalid", fault["msg"])
        for fault in error.errors(include_url=False, include_input=False)
    ]
    return Rejected("malformed", f"Not a callback of this carrier: {_first_fault(error)}", faults, Kind.MALFORMED)


def _first_fault(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}"


def _pointer(path: Iterable[str]) -> str:
    """Write a path in the carrier's words as a JSON pointer in ours."""
    return "".join(f"/{FIELDS.get(part, part).replace('~', '~0').replace('/', '~1')}" for part in path)
