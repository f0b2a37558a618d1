"""In-memory stand-ins for the ports. They pass the contract suites of the real adapters, and can be told to fail."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from adapters.carriers.sandbox.mapping import callback_event, oldest_first
from adapters.carriers.signatures import verify_timestamped
from domain.carriers import PHYSICAL, Booking, BookingRequest, LabeledParcel, TrackingEvent, TrackingStatus
from domain.erp import ErpMessage, ErpReceipt
from domain.errors import Kind, OutcomeUnknown, Rejected, StockbridgeError, Unavailable


@dataclass
class Mishaps:
    """What goes wrong in the next calls, one call each. `tell` and the like are `changing` calls, questions aren't."""

    _next: deque[tuple[StockbridgeError, bool]] = field(default_factory=deque)

    def refuse(self, partner: str, code: str, text: str) -> None:
        """Refuse the next call for good, with a code that is the partner's own."""
        refusal = Rejected(f"{partner}_refused", "It refused: read what it said.", said=f"{code}: {text}")
        self._next.append((refusal, False))

    def be_busy(self) -> None:
        """Do nothing at the next call, and say so."""
        self._next.append((Unavailable("busy"), False))

    def lose_answer(self) -> None:
        """Do what the next call asks for, and let the answer get lost."""
        self._next.append((OutcomeUnknown("no answer"), True))

    def garble_answer(self) -> None:
        """Do nothing at the next call, and answer with what nobody can read."""
        self._next.append((OutcomeUnknown("garbage"), False))

    @contextmanager
    def around(self, *, changing: bool) -> Iterator[None]:
        """Let a call go wrong as planned."""
        error, done = self._next.popleft() if self._next else (None, True)
        if isinstance(error, OutcomeUnknown) and not changing:
            error = Unavailable(str(error))
        if error is not None and not done:
            raise error
        yield
        if error is not None:
            raise error


@dataclass
class FakeErp:
    """An ERP that keeps what it was told, once each. `documents` are in the order of their making."""

    digest: str = "0" * 64
    mishaps: Mishaps = field(default_factory=Mishaps)
    documents: list[tuple[ErpReceipt, ErpMessage]] = field(default_factory=list)

    def tell(self, message: ErpMessage) -> ErpReceipt:
        with self.mishaps.around(changing=True):
            known = next((receipt for receipt, _ in self.documents if receipt.reference == message.reference), None)
            if known is None:
                known = ErpReceipt(message.reference, f"DOC-{len(self.documents) + 1}")
                self.documents.append((known, message))
        return known

    def find(self, reference: str) -> ErpReceipt | None:
        with self.mishaps.around(changing=False):
            return next((receipt for receipt, _ in self.documents if receipt.reference == reference), None)


@dataclass
class FakeCarrier:
    """A carrier that books as often as it is asked. `scan` moves a parcel; callbacks are the sandbox carrier's."""

    secret: str = "fake-carrier-secret"
    mishaps: Mishaps = field(default_factory=Mishaps)
    bookings: list[Booking] = field(default_factory=list)
    voided: set[str] = field(default_factory=set)
    intercepts: dict[str, str] = field(default_factory=dict)
    events: list[TrackingEvent] = field(default_factory=list)

    async def book(self, request: BookingRequest) -> Booking:
        with self.mishaps.around(changing=True):
            number = len(self.bookings) + 1
            parcels = tuple(
                LabeledParcel(parcel.parcel_no, f"FAKE{number:04d}{parcel.parcel_no:02d}", b"label", "text/plain")
                for parcel in request.parcels
            )
            self.bookings.append(Booking(request.reference, f"B-{number}", parcels))
        return self.bookings[-1]

    async def find(self, reference: str) -> Booking | None:
        with self.mishaps.around(changing=False):
            live = (booking for booking in self.bookings if booking.booking_id not in self.voided)
            return next((booking for booking in live if booking.reference == reference), None)

    async def void(self, booking_id: str) -> None:
        with self.mishaps.around(changing=True):
            booking = next((booking for booking in self.bookings if booking.booking_id == booking_id), None)
            if booking is None:
                raise Rejected("carrier_unknown_booking", f"There is no booking {booking_id}.")
            if any(event.status in PHYSICAL for event in self._events_of(_numbers(booking))):
                raise Rejected("already_shipped", f"Booking {booking_id} is on its way.", kind=Kind.CONFLICT)
            self.voided.add(booking_id)

    async def intercept(self, tracking_number: str, reference: str) -> None:
        with self.mishaps.around(changing=True):
            if tracking_number not in {number for booking in self.bookings for number in _numbers(booking)}:
                raise Rejected("carrier_unknown_booking", f"There is no parcel {tracking_number}.")
            last = [event.status for event in self._events_of({tracking_number})][-1:]
            if tracking_number not in self.intercepts and last in _TOO_LATE:
                raise Rejected("too_late", f"Parcel {tracking_number} can't be stopped any more.", kind=Kind.CONFLICT)
            self.intercepts.setdefault(tracking_number, reference)

    async def is_intercepted(self, reference: str) -> bool:
        with self.mishaps.around(changing=False):
            return reference in self.intercepts.values()

    async def track(self, tracking_numbers: Sequence[str]) -> list[TrackingEvent]:
        with self.mishaps.around(changing=False):
            return oldest_first(self._events_of(set(tracking_numbers)))

    def verify_callback(self, body: bytes, headers: Mapping[str, str], now: datetime) -> None:
        verify_timestamped(body, headers, "X-Sandbox-Signature", self.secret, now)

    def parse_callback(self, body: bytes) -> list[TrackingEvent]:
        return [callback_event(body)]

    def scan(self, event: TrackingEvent) -> None:
        """Have the carrier see a parcel."""
        self.events.append(replace(event, event_id=event.event_id or f"scan-{len(self.events) + 1}"))

    def _events_of(self, numbers: set[str]) -> list[TrackingEvent]:
        return [event for event in self.events if event.tracking_number in numbers]


_TOO_LATE = ([TrackingStatus.OUT_FOR_DELIVERY], [TrackingStatus.DELIVERED])


def _numbers(booking: Booking) -> set[str]:
    return {parcel.tracking_number for parcel in booking.parcels}
