"""What the carrier takes and what it refuses for good, whatever the shape of the request."""

from __future__ import annotations

from sandbox.carrier.countries import COUNTRIES
from sandbox.carrier.errors import CarrierError
from sandbox.carrier.words import Address, ParcelOrder, ShipmentOrder

_UNPROCESSABLE = 422
_REQUIRED = ("name", "street_lines", "postal_code", "city", "country_code")


def check_shipment(order: ShipmentOrder) -> None:
    """Refuse what cannot be delivered, naming the first field that is to blame."""
    _check_address(order.ship_from, "ship_from")
    _check_address(order.ship_to, "ship_to")
    _check_parcels(order.parcels)


def _check_address(address: Address, field: str) -> None:
    for name in _REQUIRED:
        if not getattr(address, name):
            raise CarrierError(_UNPROCESSABLE, "invalid_address", f"{name} is required.", field=f"{field}.{name}")
    if address.country_code not in COUNTRIES:
        text = f"{address.country_code} is no country that we deliver to."
        raise CarrierError(_UNPROCESSABLE, "unknown_country", text, field=f"{field}.country_code")


def _check_parcels(parcels: list[ParcelOrder]) -> None:
    if len({parcel.parcel_no for parcel in parcels}) < len(parcels):
        text = "Two parcels have the same number."
        raise CarrierError(_UNPROCESSABLE, "duplicate_parcel", text, field="parcels")
    for place, parcel in enumerate(parcels):
        if parcel.weight_g < 1:
            text = "A parcel weighs something."
            raise CarrierError(_UNPROCESSABLE, "invalid_weight", text, field=f"parcels.{place}.weight_g")
