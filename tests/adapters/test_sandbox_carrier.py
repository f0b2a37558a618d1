"""The sandbox carrier on the wire: for each operation our request, the call, the parsed answer, the parsed error."""

from __future__ import annotations

import json
import socket
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from adapters.carriers.sandbox.adapter import SandboxCarrier, SandboxCarrierSettings
from domain.carriers import (
    Address,
    Booking,
    BookingRequest,
    LabeledParcel,
    ParcelRequest,
    TrackingEvent,
    TrackingStatus,
)
from domain.errors import Fault, Kind, OutcomeUnknown, Rejected, StockbridgeError, Unavailable
from tests.adapters.erp.connected import LOOPBACK

from .conftest import Sandbox
from .scripted import Behavior, Scripted, answer, break_off, hang_up, never_answer, scripted

REQUEST = BookingRequest(
    reference="acme/SO-1-1/label",
    service_level="ground",
    ship_from=Address("Acme", ("Am Sandtorkai 1",), "20457", "Hamburg", "DE", company="Acme GmbH"),
    ship_to=Address("Ida Holm", ("Kehrwieder 2", "3rd floor"), "20457", "Hamburg", "DE", phone="+49 40 1"),
    parcels=(ParcelRequest(1, 5400, 400, 300, 200), ParcelRequest(2, 800)),
)
REQUEST_BODY = {
    "reference": "acme/SO-1-1/label",
    "service": "ground",
    "ship_from": {
        "name": "Acme",
        "company": "Acme GmbH",
        "street_lines": ["Am Sandtorkai 1"],
        "postal_code": "20457",
        "city": "Hamburg",
        "state": None,
        "country_code": "DE",
        "phone": None,
        "email": None,
    },
    "ship_to": {
        "name": "Ida Holm",
        "company": None,
        "street_lines": ["Kehrwieder 2", "3rd floor"],
        "postal_code": "20457",
        "city": "Hamburg",
        "state": None,
        "country_code": "DE",
        "phone": "+49 40 1",
        "email": None,
    },
    "parcels": [
        {"parcel_no": 1, "weight_g": 5400, "length_mm": 400, "width_mm": 300, "height_mm": 200},
        {"parcel_no": 2, "weight_g": 800, "length_mm": None, "width_mm": None, "height_mm": None},
    ],
}


def parcel(number: int, **fields: Any) -> dict[str, Any]:
    label = b64encode(f"label {number}".encode()).decode()
    booked = {"parcel_no": number, "tracking_number": f"SBX{number}", "label_base64": label}
    return booked | {"label_media_type": "image/svg+xml"} | fields


SHIPMENT = {
    "shipment_id": "SHP-1",
    "reference": REQUEST.reference,
    "status": "booked",
    "parcels": [parcel(1), parcel(2)],
    "a_field_of_next_year": {},
}
BOOKING = Booking(
    REQUEST.reference,
    "SHP-1",
    (LabeledParcel(1, "SBX1", b"label 1", "image/svg+xml"), LabeledParcel(2, "SBX2", b"label 2", "image/svg+xml")),
)
PROMISED = {"tracking_number": "SBX1", "reference": "acme/SO-1/1", "status": "accepted"}
VOIDED = {"shipment_id": "SHP-1", "reference": REQUEST.reference, "status": "voided"}


def json_answer(status: int, body: Any, headers: dict[str, str] | None = None) -> Behavior:
    return answer(status, json.dumps(body), {"Content-Type": "application/json", **(headers or {})})


def error(code: str, message: str = "No.", field: str | None = None) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "field": field}}


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    async with scripted(hang_up()) as server:
        yield server


def carrier_at(url: str, timeout_s: float = 5) -> SandboxCarrier:
    return SandboxCarrier(
        SandboxCarrierSettings(base_url=url, token="t0ken", secret="s3cret", timeout_s=timeout_s, egress=LOOPBACK)
    )


@pytest.fixture
async def carrier(server: Scripted) -> AsyncIterator[SandboxCarrier]:
    carrier = carrier_at(server.url)
    yield carrier
    await carrier.aclose()


Call = Callable[[SandboxCarrier], Awaitable[object]]
CALLS: dict[str, Call] = {
    "book": lambda carrier: carrier.book(REQUEST),
    "void": lambda carrier: carrier.void("SHP-1"),
    "intercept": lambda carrier: carrier.intercept("SBX1", "acme/SO-1/1"),
    "find": lambda carrier: carrier.find(REQUEST.reference),
    "is_intercepted": lambda carrier: carrier.is_intercepted("acme/SO-1/1"),
    "track": lambda carrier: carrier.track(["SBX1"]),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
CHANGING = [CALLS["book"], CALLS["void"], CALLS["intercept"]]


# Book


async def test_a_booking_goes_out_in_the_carriers_words(server: Scripted, carrier: SandboxCarrier) -> None:
    server.behavior = json_answer(201, SHIPMENT)
    await carrier.book(REQUEST)
    assert json.loads(server.heard[0].body) == REQUEST_BODY


async def test_a_booking_is_one_post_with_our_token(server: Scripted, carrier: SandboxCarrier) -> None:
    server.behavior = json_answer(201, SHIPMENT)
    await carrier.book(REQUEST)
    (call,) = server.heard
    assert (call.method, call.path) == ("POST", "/v1/shipments")
    assert (call.headers["authorization"], call.headers["content-type"]) == ("Bearer t0ken", "application/json")


async def test_the_answer_to_a_booking_has_its_id_numbers_and_labels(server: Scripted, carrier: SandboxCarrier) -> None:
    server.behavior = json_answer(201, SHIPMENT)
    assert await carrier.book(REQUEST) == BOOKING


async def test_a_single_parcel_may_come_as_an_object_where_a_list_is_meant(
    server: Scripted, carrier: SandboxCarrier
) -> None:
    server.behavior = json_answer(201, SHIPMENT | {"parcels": parcel(1)})
    booking = await carrier.book(replace(REQUEST, parcels=REQUEST.parcels[:1]))
    assert [parcel.tracking_number for parcel in booking.parcels] == ["SBX1"]


async def test_a_refused_booking_names_the_field_in_our_words(server: Scripted, carrier: SandboxCarrier) -> None:
    server.behavior = json_answer(422, error("unknown_country", "XX is no country.", "ship_to.country_code"))
    with pytest.raises(Rejected, match="does not deliver to the country") as refusal:
        await carrier.book(REQUEST)
    fault = Fault("/ship_to/country", "carrier_unknown_country", refusal.value.detail)
    assert (refusal.value.code, refusal.value.kind) == ("carrier_unknown_country", Kind.INVALID)
    assert refusal.value.faults == (fault,)
    assert refusal.value.said == "XX is no country."


@pytest.mark.parametrize("field", ["ship_to.Ida Holm", "Ida Holm", "ship_to.99999", "", "."])
async def test_a_field_that_we_never_sent_is_the_carriers_to_say(
    server: Scripted, carrier: SandboxCarrier, field: str
) -> None:
    server.behavior = json_answer(422, error("Ida Holm", "No Ida Holm.", field))
    with pytest.raises(Rejected) as refusal:
        await carrier.book(REQUEST)
    assert (refusal.value.code, refusal.value.faults) == ("carrier_refused", ())
    assert "Ida Holm" not in str(refusal.value.as_json())
    assert refusal.value.said == f"Ida Holm: No Ida Holm.{f' ({field})' if field else ''}"


@pytest.mark.parametrize(
    "body",
    [
        SHIPMENT | {"reference": "somebody/else"},
        SHIPMENT | {"parcels": [parcel(1)]},
        SHIPMENT | {"parcels": [parcel(1), parcel(2), parcel(3)]},
        SHIPMENT | {"parcels": [parcel(1), parcel(2, tracking_number="")]},
        SHIPMENT | {"parcels": [parcel(1), parcel(2, tracking_number="A\x00")]},
        SHIPMENT | {"parcels": [parcel(1), parcel(2, label_base64="not base64!")]},
        SHIPMENT | {"parcels": [parcel(1), parcel(2, label_base64=7)]},
        {key: value for key, value in SHIPMENT.items() if key != "shipment_id"},
    ],
)
async def test_an_answer_about_another_shipment_or_half_of_ours_leaves_the_outcome_unknown(
    server: Scripted, carrier: SandboxCarrier, body: dict[str, Any]
) -> None:
    server.behavior = json_answer(201, body)
    with pytest.raises(OutcomeUnknown):
        await carrier.book(REQUEST)


# Find


async def test_a_question_for_bookings_is_one_get_by_our_reference(server: Scripted, carrier: SandboxCarrier) -> None:
    server.behavior = json_answer(200, [])
    await carrier.find("acme/SO 1&2")
    (call,) = server.heard
    assert (call.method, urlsplit(call.path).path, call.body) == ("GET", "/v1/shipments", b"")
    assert parse_qs(urlsplit(call.path).query) == {"reference": ["acme/SO 1&2"]}
    assert call.headers["authorization"] == "Bearer t0ken"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ([], None),
        ([SHIPMENT | {"status": "voided"}], None),
        ([SHIPMENT | {"reference": "somebody/else"}], None),
        (SHIPMENT, BOOKING),
        ([SHIPMENT | {"status": "voided"}, SHIPMENT, SHIPMENT | {"shipment_id": "SHP-9"}], BOOKING),
    ],
)
async def test_the_first_live_booking_of_ours_is_found(
    server: Scripted, carrier: SandboxCarrier, body: Any, found: Booking | None
) -> None:
    server.behavior = json_answer(200, body)
    assert await carrier.find(REQUEST.reference) == found


async def test_a_refused_question_is_rejected(server: Scripted, carrier: SandboxCarrier) -> None:
    server.behavior = json_answer(400, error("malformed", "Field required", "reference"))
    with pytest.raises(Rejected) as refusal:
        await carrier.find(REQUEST.reference)
    assert refusal.value.code == "carrier_contract"


# Void


async def test_a_void_is_one_post_without_a_body_to_the_booking_whatever_its_id(
    server: Scripted, carrier: SandboxCarrier
) -> None:
    server.behavior = json_answer(200, VOIDED | {"shipment_id": "a/../b?c"})
    await carrier.void("a/../b?c")
    (call,) = server.heard
    assert (call.method, call.path, call.body) == ("POST", "/v1/shipments/a%2F..%2Fb%3Fc/void", b"")
    assert call.headers["authorization"] == "Bearer t0ken"


async def test_a_void_is_done_when_the_carrier_says_so(server: Scripted, carrier: SandboxCarrier) -> None:
    server.behavior = json_answer(200, VOIDED)
    await carrier.void("SHP-1")


async def test_a_void_of_what_is_under_way_is_refused_as_already_shipped(
    server: Scripted, carrier: SandboxCarrier
) -> None:
    server.behavior = json_answer(409, error("already_shipped", "On its way."))
    with pytest.raises(Rejected) as refusal:
        await carrier.void("SHP-1")
    assert (refusal.value.code, refusal.value.kind) == ("already_shipped", Kind.CONFLICT)
    assert refusal.value.said == "On its way."


@pytest.mark.parametrize("body", [VOIDED | {"status": "booked"}, VOIDED | {"shipment_id": "SHP-2"}, {}, [], "ok"])
async def test_a_void_that_the_carrier_does_not_confirm_leaves_the_outcome_unknown(
    server: Scripted, carrier: SandboxCarrier, body: Any
) -> None:
    server.behavior = json_answer(200, body)
    with pytest.raises(OutcomeUnknown):
        await carrier.void("SHP-1")


# Intercept


async def test_an_intercept_is_one_post_to_the_parcel_with_our_reference(
    server: Scripted, carrier: SandboxCarrier
) -> None:
    server.behavior = json_answer(200, PROMISED | {"tracking_number": "a/../b"})
    await carrier.intercept("a/../b", "acme/SO-1/1")
    (call,) = server.heard
    assert (call.method, call.path) == ("POST", "/v1/parcels/a%2F..%2Fb/intercept")
    assert json.loads(call.body) == {"reference": "acme/SO-1/1"}


async def test_an_intercept_that_comes_too_late_is_rejected(server: Scripted, carrier: SandboxCarrier) -> None:
    server.behavior = json_answer(409, error("too_late", "In the van."))
    with pytest.raises(Rejected) as refusal:
        await carrier.intercept("SBX1", "acme/SO-1/1")
    assert (refusal.value.code, refusal.value.kind) == ("too_late", Kind.CONFLICT)
    assert refusal.value.said == "In the van."


@pytest.mark.parametrize("body", [PROMISED | {"status": "noted"}, PROMISED | {"tracking_number": "SBX2"}, {}, "ok"])
async def test_an_intercept_that_the_carrier_does_not_promise_leaves_the_outcome_unknown(
    server: Scripted, carrier: SandboxCarrier, body: Any
) -> None:
    server.behavior = json_answer(200, body)
    with pytest.raises(OutcomeUnknown):
        await carrier.intercept("SBX1", "acme/SO-1/1")


@pytest.mark.parametrize(
    ("body", "found"),
    [([], False), (PROMISED, True), ([PROMISED | {"reference": "x"}], False), ([PROMISED | {"status": "x"}], False)],
)
async def test_an_intercept_of_ours_is_found_by_its_reference(
    server: Scripted, carrier: SandboxCarrier, body: Any, found: bool
) -> None:
    server.behavior = json_answer(200, body)
    assert await carrier.is_intercepted("acme/SO-1/1") is found
    (call,) = server.heard
    assert urlsplit(call.path).path == "/v1/intercepts"


# Track


def scan(**fields: Any) -> dict[str, Any]:
    seen = {"event_id": "E-1", "status": "in_transit", "occurred_at": "2026-01-05T12:00:00+01:00"}
    return seen | {"location": "Hamburg", "signed_by": None} | fields


def tracked(*scans: dict[str, Any]) -> dict[str, Any]:
    return {"parcels": [{"tracking_number": "SBX1", "events": list(scans)}]}


async def only_event(server: Scripted, carrier: SandboxCarrier, **fields: Any) -> TrackingEvent:
    server.behavior = json_answer(200, tracked(scan(**fields)))
    (event,) = await carrier.track(["SBX1"])
    return event


async def test_a_question_for_scans_names_each_number_once(server: Scripted, carrier: SandboxCarrier) -> None:
    server.behavior = json_answer(200, tracked())
    await carrier.track(["SBX1", "SBX2", "SBX1"])
    (call,) = server.heard
    assert (call.method, urlsplit(call.path).path) == ("GET", "/v1/tracking")
    assert parse_qs(urlsplit(call.path).query) == {"numbers": ["SBX1,SBX2"]}


async def test_no_call_asks_for_more_than_fifty_numbers(server: Scripted, carrier: SandboxCarrier) -> None:
    server.behavior = json_answer(200, {"parcels": []})
    await carrier.track([f"SBX{number}" for number in range(120)])
    asked = [parse_qs(urlsplit(call.path).query)["numbers"][0].split(",") for call in server.heard]
    assert [len(numbers) for numbers in asked] == [50, 50, 20]


async def test_a_scan_is_read_with_the_offset_that_was_sent(server: Scripted, carrier: SandboxCarrier) -> None:
    event = await only_event(server, carrier)
    assert event.status is TrackingStatus.IN_TRANSIT
    assert (event.event_id, event.tracking_number, event.location) == ("E-1", "SBX1", "Hamburg")
    assert event.occurred_at is not None
    assert event.occurred_at.isoformat() == "2026-01-05T12:00:00+01:00"


@pytest.mark.parametrize(
    "time", ["2026-01-05T12:00:00", "2026-01-05", "noon", "", None, 1767610800, "0001-01-01T00:00:00+14:00"]
)
async def test_no_time_is_invented_where_none_with_an_offset_was_sent(
    server: Scripted, carrier: SandboxCarrier, time: object
) -> None:
    assert (await only_event(server, carrier, occurred_at=time)).occurred_at is None


async def test_a_word_that_nobody_knows_is_kept_and_proves_nothing(server: Scripted, carrier: SandboxCarrier) -> None:
    event = await only_event(server, carrier, status="Abducted by aliens")
    assert (event.status, event.vendor_status) == (TrackingStatus.UNKNOWN, "Abducted by aliens")


async def test_a_scan_without_an_id_is_named_by_its_content(server: Scripted, carrier: SandboxCarrier) -> None:
    one = await only_event(server, carrier, event_id=None)
    again = await only_event(server, carrier, event_id=None)
    other = await only_event(server, carrier, event_id=None, location="Bremen")
    assert one.event_id == again.event_id != other.event_id


async def test_single_objects_are_read_where_lists_are_meant(server: Scripted, carrier: SandboxCarrier) -> None:
    server.behavior = json_answer(200, {"parcels": {"tracking_number": "SBX1", "events": scan()}})
    assert len(await carrier.track(["SBX1"])) == 1
    server.behavior = json_answer(200, {"parcels": [{"tracking_number": "SBX1", "events": None}]})
    assert await carrier.track(["SBX1"]) == []


async def test_a_rate_limit_is_unavailable_and_says_when_to_come_back(
    server: Scripted, carrier: SandboxCarrier
) -> None:
    server.behavior = json_answer(429, error("rate_limited", "Too often."), {"Retry-After": "7"})
    with pytest.raises(Unavailable, match="try again after 7"):
        await carrier.track(["SBX1"])


async def test_a_refused_question_for_scans_is_rejected(server: Scripted, carrier: SandboxCarrier) -> None:
    server.behavior = json_answer(400, error("too_many_numbers", "Ask for 1 to 50 numbers.", "numbers"))
    with pytest.raises(Rejected) as refusal:
        await carrier.track(["SBX1"])
    assert refusal.value.code == "carrier_contract"


# What an answer means depends on what is in it


@each_call
@pytest.mark.parametrize(
    ("status", "body", "raised"),
    [
        (200, error("no_route"), Rejected),
        (418, error("NO ROUTE!", ""), Rejected),
        (401, error("unauthorized"), Unavailable),
        (500, error("busy"), Unavailable),
        (503, error("busy"), Unavailable),
    ],
)
async def test_the_carriers_own_error_decides_under_any_http_status(
    server: Scripted, carrier: SandboxCarrier, call: Call, status: int, body: Any, raised: type[StockbridgeError]
) -> None:
    server.behavior = json_answer(status, body)
    with pytest.raises(raised) as refusal:
        await call(carrier)
    assert getattr(refusal.value, "code", "carrier_refused") == "carrier_refused"


UNUSABLE: dict[str, Behavior] = {
    "nothing at all": answer(200, ""),
    "a page for people": answer(200, "<html>Back soon</html>"),
    "half of it": answer(200, json.dumps(SHIPMENT)[:-9]),
    "something else": json_answer(200, {"hello": "world"}),
    "bytes": answer(200, b"\xff\xfe\x00"),
    "more than fits": answer(200, b" " * (16 * 1024 * 1024 + 1)),
    "a gateway's 502": answer(502, "<html>Bad gateway</html>"),
    "a gateway's 504": answer(504, ""),
    "a bare 500": answer(500, "Internal Server Error"),
    "an error of its own": json_answer(500, error("internal", "Dump.")),
    "a hang-up": hang_up(),
    "a hang-up in the middle": break_off(),
}


@each_call
@pytest.mark.parametrize("behavior", UNUSABLE.values(), ids=UNUSABLE.keys())
async def test_an_unusable_answer_leaves_the_outcome_unknown_but_a_question_merely_unavailable(
    server: Scripted, carrier: SandboxCarrier, call: Call, behavior: Behavior
) -> None:
    server.behavior = behavior
    with pytest.raises(OutcomeUnknown if call in CHANGING else Unavailable):
        await call(carrier)


@each_call
@pytest.mark.parametrize("status", [302, 403, 404, 408, 429, 503])
async def test_a_status_by_which_somebody_in_front_turned_it_down_is_unavailable(
    server: Scripted, carrier: SandboxCarrier, call: Call, status: int
) -> None:
    server.behavior = answer(status, "<html>no</html>", {"Location": server.url})
    with pytest.raises(Unavailable, match=f"HTTP {status}"):
        await call(carrier)
    assert len(server.heard) == 1


@each_call
async def test_a_refused_connection_is_unavailable_for_nothing_was_sent(call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    carrier = carrier_at(f"http://127.0.0.1:{port}")
    with pytest.raises(Unavailable, match="can't be reached"):
        await call(carrier)
    await carrier.aclose()


@each_call
async def test_silence_after_sending_leaves_the_outcome_of_a_change_unknown(server: Scripted, call: Call) -> None:
    server.behavior = never_answer()
    carrier = carrier_at(server.url, timeout_s=0.1)
    with pytest.raises(OutcomeUnknown if call in CHANGING else Unavailable, match="Timeout"):
        await call(carrier)
    await carrier.aclose()


# Callbacks


def callback(**fields: Any) -> dict[str, Any]:
    return scan(tracking_number="SBX1", **fields)


@pytest.mark.parametrize("field", ["event_id", "tracking_number", "status"])
@pytest.mark.parametrize("spoilt", [None, "", 7, [], "A\x00", "x" * 256])
def test_a_callback_with_a_spoilt_field_is_malformed_and_the_field_is_named(field: str, spoilt: object) -> None:
    with pytest.raises(Rejected, match=field) as refusal:
        carrier_at("http://unused").parse_callback(json.dumps(callback() | {field: spoilt}).encode())
    assert (refusal.value.code, refusal.value.kind) == ("malformed", Kind.MALFORMED)
    assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [(f"/{field}", "invalid")]


def test_all_missing_fields_of_a_callback_are_named_at_once() -> None:
    with pytest.raises(Rejected) as refusal:
        carrier_at("http://unused").parse_callback(b"{}")
    missing = {(fault.pointer, fault.code) for fault in refusal.value.faults}
    assert missing == {("/event_id", "missing"), ("/tracking_number", "missing"), ("/status", "missing")}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b"[]", b"\xff", b'"x"', b"[" * 100_000, b'{"event_id": "\\ud800"}', b"NaN"]
)
def test_a_callback_that_is_no_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(Rejected) as refusal:
        carrier_at("http://unused").parse_callback(body)
    assert refusal.value.code == "malformed"


def test_a_callback_may_leave_out_what_may_be_null_and_bring_what_we_do_not_know() -> None:
    told = {"event_id": "E-1", "tracking_number": "SBX1", "status": "on_hold", "weather": "rain"}
    (event,) = carrier_at("http://unused").parse_callback(json.dumps(told).encode())
    assert event == TrackingEvent("E-1", "SBX1", TrackingStatus.ON_HOLD, "on_hold", None)


@pytest.mark.parametrize("status", list(TrackingStatus))
def test_every_status_of_the_contract_is_read_as_itself(status: TrackingStatus) -> None:
    (event,) = carrier_at("http://unused").parse_callback(json.dumps(callback(status=status.value)).encode())
    assert (event.status, event.vendor_status) == (status, status.value)


# Against the sandbox's own server


async def test_what_postgresql_cannot_keep_of_a_refusal_is_marked(server: Scripted, carrier: SandboxCarrier) -> None:
    server.behavior = json_answer(422, error("invalid_address", "half \ud800, nothing \x00, whole \U0001f600"))
    with pytest.raises(Rejected) as refusal:
        await carrier.book(REQUEST)
    refusal.value.detail.encode()
    assert "\x00" not in refusal.value.detail


def test_half_a_character_in_a_callback_is_marked_and_the_scan_is_heard() -> None:
    body = json.dumps(callback(signed_by="I. \udc00H\ud83d", location="\U0001f600 \\ud800"))
    (event,) = carrier_at("http://unused").parse_callback(body.encode())
    assert (event.signed_by, event.location) == ("I. \ufffdH\ufffd", "\U0001f600 \\ud800")


async def test_a_wrong_token_is_unavailable_until_an_operator_sets_it_right(sandbox: Sandbox) -> None:
    carrier = carrier_at(str(sandbox.carrier.base_url))
    with pytest.raises(Unavailable, match="unauthorized"):
        await carrier.book(REQUEST)
    await carrier.aclose()


async def test_the_sandbox_refuses_an_address_and_we_know_which_field(sandbox: Sandbox) -> None:
    carrier = SandboxCarrier(
        SandboxCarrierSettings(
            base_url=str(sandbox.carrier.base_url),
            token=sandbox.settings.carrier_token,
            secret="x",
            timeout_s=5,
            egress=LOOPBACK,
        )
    )
    nowhere = replace(REQUEST, ship_to=replace(REQUEST.ship_to, street=()))
    with pytest.raises(Rejected) as refusal:
        await carrier.book(nowhere)
    assert [fault.pointer for fault in refusal.value.faults] == ["/ship_to/street"]
    await carrier.aclose()
