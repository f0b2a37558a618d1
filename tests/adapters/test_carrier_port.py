"""The contract of the carrier port, held against the fake and against the adapter with the sandbox's real server."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Protocol

import pytest

from adapters.carriers.port import CarrierPort, InterceptingCarrier
from adapters.carriers.sandbox.adapter import SandboxCarrier, SandboxCarrierSettings
from domain.carriers import Address, BookingRequest, ParcelRequest, TrackingEvent, TrackingStatus
from domain.errors import Kind, OutcomeUnknown, Rejected, Unavailable
from tests.adapters.erp.connected import LOOPBACK

from .conftest import Sandbox
from .fakes import FakeCarrier

_numbers = count(1)
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def shipment() -> BookingRequest:
    """Make a shipment of two parcels under a reference of its own."""
    return BookingRequest(
        reference=f"acme/SO-{next(_numbers)}-1/label",
        service_level="ground",
        ship_from=Address("Acme", ("Am Sandtorkai 1",), "20457", "Hamburg", "DE"),
        ship_to=Address("Ida Holm", ("Kehrwieder 2", "3rd floor"), "20457", "Hamburg", "DE", email="ida@example.com"),
        parcels=(ParcelRequest(1, 5400, 400, 300, 200), ParcelRequest(2, 800)),
    )


class InterceptingPort(CarrierPort, InterceptingCarrier, Protocol):
    """A carrier that can do all that there is."""


class Carrier(Protocol):
    """A carrier behind its port, the ways to make it misbehave at its next call, and its people with their scanners."""

    @property
    def port(self) -> InterceptingPort: ...
    @property
    def secret(self) -> str: ...

    async def refuse(self, code: str, text: str) -> None: ...
    async def be_busy(self) -> None: ...
    async def lose_answer(self) -> None: ...
    async def garble_answer(self) -> None: ...
    async def scan(self, tracking_number: str, status: TrackingStatus, at: datetime) -> None: ...


class Fake:
    def __init__(self) -> None:
        self.port = FakeCarrier()
        self.secret = self.port.secret

    async def refuse(self, code: str, text: str) -> None:
        self.port.mishaps.refuse("carrier", code, text)

    async def be_busy(self) -> None:
        self.port.mishaps.be_busy()

    async def lose_answer(self) -> None:
        self.port.mishaps.lose_answer()

    async def garble_answer(self) -> None:
        self.port.mishaps.garble_answer()

    async def scan(self, tracking_number: str, status: TrackingStatus, at: datetime) -> None:
        self.port.scan(TrackingEvent("", tracking_number, status, status.value, at, "Hamburg"))


class Real:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.secret = sandbox.settings.carrier_secret
        self.port = SandboxCarrier(
            SandboxCarrierSettings(
                base_url=str(sandbox.carrier.base_url),
                token=sandbox.settings.carrier_token,
                secret=self.secret,
                timeout_s=5,
                egress=LOOPBACK,
            )
        )

    async def refuse(self, code: str, text: str) -> None:
        await self._misbehave(kind="fault", code=code, message=text)

    async def be_busy(self) -> None:
        await self._misbehave(kind="busy")

    async def lose_answer(self) -> None:
        await self._misbehave(kind="timeout_after")

    async def garble_answer(self) -> None:
        await self._misbehave(kind="garbage")

    async def scan(self, tracking_number: str, status: TrackingStatus, at: datetime) -> None:
        seen = {"status": status.value, "occurred_at": at.isoformat(), "location": "Hamburg"}
        response = await self._sandbox.carrier.post(f"/admin/parcels/{tracking_number}/scan", json=seen)
        response.raise_for_status()

    async def _misbehave(self, **fault: str) -> None:
        response = await self._sandbox.carrier.post("/admin/faults", json={"count": 1, **fault})
        response.raise_for_status()


@pytest.fixture(params=["fake", "sandbox"])
async def carrier(request: pytest.FixtureRequest, sandbox: Sandbox) -> AsyncIterator[Carrier]:
    if request.param == "fake":
        yield Fake()
        return
    real = Real(sandbox)
    yield real
    await real.port.aclose()


# Bookings


async def test_a_booking_labels_every_parcel_under_our_reference(carrier: Carrier) -> None:
    asked = shipment()
    booking = await carrier.port.book(asked)
    assert booking.reference == asked.reference
    assert [parcel.parcel_no for parcel in booking.parcels] == [1, 2]
    assert len({parcel.tracking_number for parcel in booking.parcels}) == 2
    assert all(parcel.label and parcel.label_media_type for parcel in booking.parcels)


async def test_a_booking_is_found_whole_by_our_reference(carrier: Carrier) -> None:
    asked = shipment()
    booking = await carrier.port.book(asked)
    found = await carrier.port.find(asked.reference)
    assert found == booking
    assert found.is_of(asked)
    assert not found.is_of(replace(asked, parcels=asked.parcels[:1]))


async def test_a_carrier_that_tells_what_a_booking_was_for_tells_another_address_from_ours(carrier: Carrier) -> None:
    asked = shipment()
    await carrier.port.book(asked)
    found = await carrier.port.find(asked.reference)
    assert found is not None
    elsewhere = replace(asked, ship_to=replace(asked.ship_to, city="Kiel"))
    assert found.is_of(elsewhere) is (found.terms is None)


async def test_what_was_never_booked_is_not_found(carrier: Carrier) -> None:
    assert await carrier.port.find(shipment().reference) is None


async def test_what_was_booked_twice_is_found_as_its_first_live_booking(carrier: Carrier) -> None:
    asked = shipment()
    first, second = await carrier.port.book(asked), await carrier.port.book(asked)
    assert first.booking_id != second.booking_id, "no carrier is idempotent"
    assert await carrier.port.find(asked.reference) == first
    await carrier.port.void(first.booking_id)
    assert await carrier.port.find(asked.reference) == second


async def test_a_voided_booking_is_not_found_and_may_be_voided_again(carrier: Carrier) -> None:
    booking = await carrier.port.book(shipment())
    await carrier.port.void(booking.booking_id)
    await carrier.port.void(booking.booking_id)
    assert await carrier.port.find(booking.reference) is None


async def test_what_the_carrier_has_can_no_longer_be_voided(carrier: Carrier) -> None:
    booking = await carrier.port.book(shipment())
    await carrier.scan(booking.parcels[1].tracking_number, TrackingStatus.PICKED_UP, NOON)
    with pytest.raises(Rejected) as refusal:
        await carrier.port.void(booking.booking_id)
    assert (refusal.value.code, refusal.value.kind) == ("already_shipped", Kind.CONFLICT)
    assert await carrier.port.find(booking.reference) == booking


async def test_a_booking_that_nobody_knows_can_not_be_voided(carrier: Carrier) -> None:
    with pytest.raises(Rejected) as refusal:
        await carrier.port.void("SHP-999999")
    assert refusal.value.code == "carrier_unknown_booking"


# Intercepts


async def underway(carrier: Carrier) -> str:
    """Book a shipment that the carrier has, and return its first parcel's number."""
    number = (await carrier.port.book(shipment())).parcels[0].tracking_number
    await carrier.scan(number, TrackingStatus.IN_TRANSIT, NOON)
    return number


async def test_a_parcel_on_its_way_is_intercepted_under_our_reference(carrier: Carrier) -> None:
    number = await underway(carrier)
    assert not await carrier.port.is_intercepted(f"{number}/1")
    await carrier.port.intercept(number, f"{number}/1")
    assert await carrier.port.is_intercepted(f"{number}/1")


async def test_a_parcel_may_be_intercepted_again(carrier: Carrier) -> None:
    number = await underway(carrier)
    await carrier.port.intercept(number, f"{number}/1")
    await carrier.port.intercept(number, f"{number}/2")
    assert await carrier.port.is_intercepted(f"{number}/1")


@pytest.mark.parametrize("status", [TrackingStatus.OUT_FOR_DELIVERY, TrackingStatus.DELIVERED])
async def test_what_can_be_stopped_no_more_is_not_intercepted(carrier: Carrier, status: TrackingStatus) -> None:
    number = await underway(carrier)
    await carrier.scan(number, status, NOON + timedelta(hours=1))
    with pytest.raises(Rejected) as refusal:
        await carrier.port.intercept(number, f"{number}/1")
    assert (refusal.value.code, refusal.value.kind) == ("too_late", Kind.CONFLICT)
    assert not await carrier.port.is_intercepted(f"{number}/1")


async def test_a_parcel_that_nobody_knows_can_not_be_intercepted(carrier: Carrier) -> None:
    with pytest.raises(Rejected) as refusal:
        await carrier.port.intercept("NOBODY-KNOWS", "NOBODY-KNOWS/1")
    assert refusal.value.code == "carrier_unknown_booking"


async def test_a_lost_answer_leaves_the_outcome_of_an_intercept_unknown_until_it_is_asked_for(carrier: Carrier) -> None:
    number = await underway(carrier)
    for fail, done in ((carrier.garble_answer, False), (carrier.lose_answer, True)):
        await fail()
        with pytest.raises(OutcomeUnknown):
            await carrier.port.intercept(number, f"{number}/1")
        assert await carrier.port.is_intercepted(f"{number}/1") is done


async def test_a_busy_carrier_intercepts_nothing_and_may_be_asked_again(carrier: Carrier) -> None:
    number = await underway(carrier)
    await carrier.be_busy()
    with pytest.raises(Unavailable):
        await carrier.port.intercept(number, f"{number}/1")
    await carrier.be_busy()
    with pytest.raises(Unavailable):
        await carrier.port.is_intercepted(f"{number}/1")
    assert not await carrier.port.is_intercepted(f"{number}/1")


# Mishaps


async def test_a_refusal_is_rejected_in_our_words_with_the_vendors_beside_them_and_leaves_nothing(
    carrier: Carrier,
) -> None:
    asked = shipment()
    await carrier.refuse("NO_ROUTE", "We don't go there.")
    with pytest.raises(Rejected) as refusal:
        await carrier.port.book(asked)
    assert (refusal.value.code, refusal.value.said) == ("carrier_refused", "NO_ROUTE: We don't go there.")
    assert "go there" not in str(refusal.value.as_json())
    assert await carrier.port.find(asked.reference) is None


async def test_a_busy_carrier_is_unavailable_and_did_nothing(carrier: Carrier) -> None:
    asked = shipment()
    await carrier.be_busy()
    with pytest.raises(Unavailable):
        await carrier.port.book(asked)
    assert await carrier.port.find(asked.reference) is None


async def test_a_lost_answer_leaves_the_outcome_of_a_booking_unknown_until_it_is_asked_for(carrier: Carrier) -> None:
    asked = shipment()
    await carrier.lose_answer()
    with pytest.raises(OutcomeUnknown):
        await carrier.port.book(asked)
    assert await carrier.port.find(asked.reference) is not None


async def test_garbage_for_an_answer_leaves_the_outcome_of_a_booking_unknown(carrier: Carrier) -> None:
    asked = shipment()
    await carrier.garble_answer()
    with pytest.raises(OutcomeUnknown):
        await carrier.port.book(asked)
    assert await carrier.port.find(asked.reference) is None


async def test_a_lost_answer_leaves_the_outcome_of_a_void_unknown_until_it_is_asked_for(carrier: Carrier) -> None:
    booking = await carrier.port.book(shipment())
    await carrier.lose_answer()
    with pytest.raises(OutcomeUnknown):
        await carrier.port.void(booking.booking_id)
    assert await carrier.port.find(booking.reference) is None


async def test_garbage_for_an_answer_is_no_proof_of_a_void(carrier: Carrier) -> None:
    booking = await carrier.port.book(shipment())
    await carrier.garble_answer()
    with pytest.raises(OutcomeUnknown):
        await carrier.port.void(booking.booking_id)
    assert await carrier.port.find(booking.reference) == booking


async def test_a_question_that_is_not_answered_may_simply_be_asked_again(carrier: Carrier) -> None:
    booking = await carrier.port.book(shipment())
    for fail in (carrier.lose_answer, carrier.garble_answer, carrier.be_busy):
        await fail()
        with pytest.raises(Unavailable):
            await carrier.port.find(booking.reference)
        await fail()
        with pytest.raises(Unavailable):
            await carrier.port.track([booking.parcels[0].tracking_number])


# Tracking


async def test_all_scans_of_the_parcels_asked_for_come_oldest_first(carrier: Carrier) -> None:
    booking = await carrier.port.book(shipment())
    one, two = (parcel.tracking_number for parcel in booking.parcels)
    await carrier.scan(one, TrackingStatus.IN_TRANSIT, NOON + timedelta(hours=2))
    await carrier.scan(two, TrackingStatus.PICKED_UP, NOON + timedelta(hours=1))
    await carrier.scan(one, TrackingStatus.PICKED_UP, NOON)
    events = await carrier.port.track([one, two])
    assert [(event.tracking_number, event.status, event.occurred_at, event.location) for event in events] == [
        (one, TrackingStatus.PICKED_UP, NOON, "Hamburg"),
        (two, TrackingStatus.PICKED_UP, NOON + timedelta(hours=1), "Hamburg"),
        (one, TrackingStatus.IN_TRANSIT, NOON + timedelta(hours=2), "Hamburg"),
    ]
    assert len({event.event_id for event in events}) == 3
    assert await carrier.port.track([two]) == [events[1]]


async def test_parcels_without_scans_and_unknown_numbers_have_none(carrier: Carrier) -> None:
    booking = await carrier.port.book(shipment())
    assert await carrier.port.track([booking.parcels[0].tracking_number, "NOBODY-KNOWS"]) == []
    assert await carrier.port.track([]) == []


async def test_more_parcels_than_one_call_takes_are_tracked_all_the_same(carrier: Carrier) -> None:
    many = replace(shipment(), parcels=tuple(ParcelRequest(number, 100) for number in range(1, 52)))
    numbers = [parcel.tracking_number for parcel in (await carrier.port.book(many)).parcels]
    await carrier.scan(numbers[0], TrackingStatus.PICKED_UP, NOON)
    await carrier.scan(numbers[50], TrackingStatus.PICKED_UP, NOON)
    assert {event.tracking_number for event in await carrier.port.track(numbers)} == {numbers[0], numbers[50]}


# Callbacks


def signed(carrier: Carrier, body: bytes, at: datetime) -> dict[str, str]:
    """Sign as API.md says, by hand."""
    stamp = int(at.timestamp())
    digest = hmac.new(carrier.secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"x-sandbox-signature": f"t={stamp},v1={digest}"}


def callback(**fields: Any) -> bytes:
    scan: dict[str, Any] = {
        "event_id": "E-1",
        "tracking_number": "SBX1",
        "status": "delivered",
        "occurred_at": "2026-01-05T12:00:00+01:00",
        "location": None,
        "signed_by": "I. Holm",
    }
    return json.dumps(scan | fields).encode()


async def test_a_signed_callback_is_accepted_and_read(carrier: Carrier) -> None:
    body = callback()
    carrier.port.verify_callback(body, signed(carrier, body, NOON), NOON)
    (event,) = carrier.port.parse_callback(body)
    assert (event.event_id, event.tracking_number, event.status) == ("E-1", "SBX1", TrackingStatus.DELIVERED)
    assert (event.vendor_status, event.location, event.signed_by) == ("delivered", None, "I. Holm")
    assert event.occurred_at is not None
    assert event.occurred_at.isoformat() == "2026-01-05T12:00:00+01:00", "the offset that was sent is kept"


async def test_a_callback_whose_body_was_changed_by_one_byte_is_refused(carrier: Carrier) -> None:
    body = callback()
    with pytest.raises(Rejected) as refusal:
        carrier.port.verify_callback(body + b" ", signed(carrier, body, NOON), NOON)
    assert (refusal.value.code, refusal.value.kind) == ("invalid_signature", Kind.UNPROVEN)


async def test_a_replayed_callback_is_refused_as_stale(carrier: Carrier) -> None:
    body = callback()
    with pytest.raises(Rejected) as refusal:
        carrier.port.verify_callback(body, signed(carrier, body, NOON), NOON + timedelta(minutes=6))
    assert (refusal.value.code, refusal.value.kind) == ("stale_signature", Kind.UNPROVEN)


async def test_a_callback_that_can_not_be_read_is_malformed(carrier: Carrier) -> None:
    with pytest.raises(Rejected) as refusal:
        carrier.port.parse_callback(b"<html>")
    assert (refusal.value.code, refusal.value.kind) == ("malformed", Kind.MALFORMED)


async def test_what_the_sandbox_really_sends_is_accepted_and_tells_what_a_poll_tells(sandbox: Sandbox) -> None:
    real = Real(sandbox)
    booking = await real.port.book(shipment())
    number = booking.parcels[0].tracking_number
    await real.scan(number, TrackingStatus.PICKED_UP, NOON)
    async with asyncio.timeout(5):
        heard = await sandbox.hub.arrivals.get()
        while number.encode() not in heard.body:
            heard = await sandbox.hub.arrivals.get()
    real.port.verify_callback(heard.body, heard.headers, datetime.now(UTC))
    assert real.port.parse_callback(heard.body) == await real.port.track([number])
    await real.port.aclose()
