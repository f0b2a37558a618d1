"""The shapes of what the sandbox carrier sends, as leniently as they can be read.

Unknown fields are left out, a single object stands for a list of one, an optional field of a wrong type is no field.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, FailFast, RootModel, StringConstraints, ValidationError

from domain.characters import storable


def _as_list(value: object) -> object:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _storable(text: str) -> str:
    """Refuse what PostgreSQL can't keep as text."""
    if "\x00" in text:
        raise ValueError("must not hold a NUL")
    return text


def _text_or_none(value: object) -> str | None:
    return value.replace("\x00", "") or None if isinstance(value, str) else None


def _decoded(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("must be base64")  # noqa: TRY004 - pydantic makes a validation error of a ValueError only
    return b64decode(value, validate=True)


_Item = TypeVar("_Item")
_OneOrMany = Annotated[list[_Item], FailFast(), BeforeValidator(_as_list)]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_storable)]
_Kept = Annotated[str, AfterValidator(storable)]
_Words = Annotated[str | None, BeforeValidator(_text_or_none)]


def _number_or_none(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


_Number = Annotated[int | None, BeforeValidator(_number_or_none)]


class Parcel(BaseModel):
    """A booked parcel, with its label."""

    parcel_no: int
    tracking_number: _Text
    label_base64: Annotated[bytes, BeforeValidator(_decoded)]
    label_media_type: _Text
    weight_g: _Number = None


class ShipTo(BaseModel):
    """Where a booking goes to."""

    name: str
    street_lines: _OneOrMany[str]
    postal_code: str
    city: str
    country_code: str
    company: _Words = None
    state: _Words = None
    phone: _Words = None
    email: _Words = None


def _ship_to_or_none(value: object) -> ShipTo | None:
    try:
        return ShipTo.model_validate(value)
    except ValidationError:
        return None


_ShipTo = Annotated[ShipTo | None, BeforeValidator(_ship_to_or_none)]


class Shipment(BaseModel):
    """A booking. Only lists of bookings say whether it was voided, and what it was for."""

    shipment_id: _Text
    reference: str
    parcels: _OneOrMany[Parcel]
    status: str = "booked"
    service: _Words = None
    ship_to: _ShipTo = None


class Shipments(RootModel[_OneOrMany[Shipment]]):
    """All bookings under a reference, voided ones too, the oldest first."""


class Voided(BaseModel):
    """The answer to a void."""

    shipment_id: str
    status: str


class Intercept(BaseModel):
    """A parcel that the carrier will send back, under the reference of who asked first."""

    tracking_number: str
    reference: str
    status: str


class Intercepts(RootModel[_OneOrMany[Intercept]]):
    """All intercepts under a reference."""


class Scan(BaseModel):
    """One scan, inside the parcel that it is of."""

    event_id: _Text | None = None
    status: _Text
    occurred_at: _Words = None
    location: _Words = None
    signed_by: _Words = None


class Callback(Scan):
    """One scan, as a callback brings it."""

    event_id: _Text
    tracking_number: _Text


class TrackedParcel(BaseModel):
    """A parcel with all its scans."""

    tracking_number: _Text
    events: _OneOrMany[Scan]


class Tracking(BaseModel):
    """The answer to a question for scans."""

    parcels: _OneOrMany[TrackedParcel]


class ErrorDetail(BaseModel):
    """Why the carrier did not do it. `field` is a path into the request, in the carrier's words."""

    code: _Kept
    message: _Kept = ""
    field: _Kept | None = None


class ErrorBody(BaseModel):
    """What the carrier answers instead, when it doesn't do it."""

    error: ErrorDetail
