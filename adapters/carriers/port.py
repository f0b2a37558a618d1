"""The carrier port: what the hub needs of any carrier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol, runtime_checkable

from domain.carriers import Booking, BookingRequest, TrackingEvent
from domain.connections import Flow


class CarrierPort(Protocol):
    """A carrier account: it books, voids, tracks, and reads the carrier's own callbacks.

    `book`, `void`, `find` and `track` are coroutines over HTTP, each with a timeout. They raise `Rejected` (the
    carrier says no: never retried), `Unavailable` (nothing was done: retried) and, for `book` and `void`,
    `OutcomeUnknown` (sent, but no usable answer: `find` first).
    """

    async def book(self, request: BookingRequest) -> Booking:
        """Book a shipment and buy its labels."""
        ...

    async def find(self, reference: str) -> Booking | None:
        """Return the live booking with our reference, or None where the carrier has none, or only a voided one."""
        ...

    async def void(self, booking_id: str) -> None:
        """Cancel a booking and its labels. Voiding what is void already succeeds.

        `Rejected` with code `already_shipped` where the carrier has the parcels.
        """
        ...

    async def track(self, tracking_numbers: Sequence[str]) -> list[TrackingEvent]:
        """Return all scans that the carrier has of these parcels, oldest first. A number it doesn't know has none."""
        ...

    def verify_callback(self, body: bytes, headers: Mapping[str, str], now: datetime) -> None:
        """Check a callback's signature over its raw body. `Rejected` as unproven: a wrong or stale one."""
        ...

    def parse_callback(self, body: bytes) -> list[TrackingEvent]:
        """Read the scans in a callback's raw body. `Rejected` with code `malformed` where it can't be read."""
        ...


@runtime_checkable
class InterceptingCarrier(Protocol):
    """What the port of a carrier has besides that stops parcels on their way, if asked, and sends them back.

    An adapter without these two says by that that its carrier can't. They raise as `book` and `find` do.
    """

    async def intercept(self, tracking_number: str, reference: str) -> None:
        """Have a parcel stopped and sent back: its scans then tell `return_to_sender`. Asking again succeeds.

        `Rejected` with code `too_late` where the carrier can't stop it any more.
        """
        ...

    async def is_intercepted(self, reference: str) -> bool:
        """Say whether the carrier took on an intercept with our reference."""
        ...


class Carriers(Protocol):
    """The carriers of all tenants, by their connections as they are now."""

    def of(self, tenant: str, carrier: str, least: Flow = Flow.BOTH) -> AbstractAsyncContextManager[CarrierPort]:
        """Lend the port of a tenant's carrier, for the calls of one piece of work.

        Raises `Rejected` with code `unknown_carrier` where there is none, and `Unavailable` where what needs the flow
        `least` does not go through its connection now.
        """
        ...
