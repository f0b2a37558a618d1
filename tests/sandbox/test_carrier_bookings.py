"""The carrier's bookings: book and void, find by reference, and what it refuses."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest


async def test_a_booking_gives_numbers_and_labels_that_carry_them(sandbox: Any, reference: str) -> None:
    booking = sandbox.booking(reference)
    booking["parcels"].append({"parcel_no": 2, "weight_g": 100})
    response = await sandbox.carrier.post("/v1/shipments", json=booking)
    assert response.status_code == 201
    parcels = response.json()["parcels"]
    assert [parcel["parcel_no"] for parcel in parcels] == [1, 2]
    assert len({parcel["tracking_number"] for parcel in parcels}) == 2
    for parcel in parcels:
        label = base64.b64decode(parcel["label_base64"]).decode()
        assert parcel["label_media_type"] == "application/zpl"
        assert label.startswith("^XA")
        assert f"^FD{parcel['tracking_number']}^FS" in label


async def test_two_posts_are_two_bookings_and_both_are_found_by_reference(sandbox: Any, reference: str) -> None:
    first, second = await sandbox.book(reference), await sandbox.book(reference)
    await sandbox.carrier.post(f"/v1/shipments/{first['shipment_id']}/void")
    found = (await sandbox.carrier.get("/v1/shipments", params={"reference": reference})).json()
    assert [(row["shipment_id"], row["status"]) for row in found] == [
        (first["shipment_id"], "voided"),
        (second["shipment_id"], "booked"),
    ]
    assert found[1]["parcels"] == second["parcels"]


async def test_a_reference_never_booked_finds_nothing(sandbox: Any, reference: str) -> None:
    assert (await sandbox.carrier.get("/v1/shipments", params={"reference": reference})).json() == []


async def test_voiding_again_is_fine(sandbox: Any) -> None:
    path = f"/v1/shipments/{(await sandbox.book())['shipment_id']}/void"
    first, again = await sandbox.carrier.post(path), await sandbox.carrier.post(path)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert again.json()["status"] == "voided"


async def test_what_was_picked_up_cannot_be_voided(sandbox: Any) -> None:
    booked = await sandbox.book()
    await sandbox.scan(booked["parcels"][0]["tracking_number"], "picked_up")
    response = await sandbox.carrier.post(f"/v1/shipments/{booked['shipment_id']}/void")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "already_shipped")


async def test_a_voided_parcel_cannot_be_collected(sandbox: Any) -> None:
    booked = await sandbox.book()
    await sandbox.carrier.post(f"/v1/shipments/{booked['shipment_id']}/void")
    number = booked["parcels"][0]["tracking_number"]
    assert (await sandbox.carrier.post(f"/admin/parcels/{number}/collect")).status_code == 409
    assert number not in (await sandbox.carrier.post("/admin/collect-all")).json()["collected"]


async def test_a_shipment_that_nobody_booked_cannot_be_voided(sandbox: Any) -> None:
    assert (await sandbox.carrier.post("/v1/shipments/SHP-999999/void")).status_code == 404
    assert (await sandbox.carrier.post("/v1/shipments/nonsense/void")).status_code == 404


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"postal_code": None}, "invalid_address"),
        ({"street_lines": []}, "invalid_address"),
        ({"country_code": "XX"}, "unknown_country"),
    ],
)
async def test_a_bad_address_is_refused_for_good_naming_the_field(
    sandbox: Any, reference: str, change: dict[str, Any], code: str
) -> None:
    booking = sandbox.booking(reference)
    booking["ship_to"] |= change
    response = await sandbox.carrier.post("/v1/shipments", json=booking)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["field"]) == (422, code, f"ship_to.{next(iter(change))}")


async def test_a_parcel_without_weight_is_refused(sandbox: Any, reference: str) -> None:
    booking = sandbox.booking(reference)
    booking["parcels"][0]["weight_g"] = 0
    response = await sandbox.carrier.post("/v1/shipments", json=booking)
    assert (response.status_code, response.json()["error"]["field"]) == (422, "parcels.0.weight_g")


async def test_what_is_no_booking_is_malformed_and_not_refused(sandbox: Any) -> None:
    response = await sandbox.carrier.post("/v1/shipments", json={"reference": "r"})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "malformed")


async def test_a_wrong_token_is_turned_away(sandbox: Any, reference: str) -> None:
    response = await sandbox.carrier.post(
        "/v1/shipments", json=sandbox.booking(reference), headers={"Authorization": "Bearer guess"}
    )
    assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthorized")


async def test_numbers_follow_from_the_seed_and_survive_a_restart(
    another_sandbox: Callable[..., Any], tmp_path: Path
) -> None:
    async with another_sandbox(tmp_path, seed=7) as before:
        first = await before.parcel()
    async with another_sandbox(tmp_path, seed=7) as after:
        second = await after.parcel()
        known = (await after.carrier.get("/admin/shipments")).json()
    assert (first, second) == ("SBX007000001", "SBX007000002")
    assert [shipment["parcels"][0]["tracking_number"] for shipment in known] == [first, second]


@pytest.mark.parametrize(
    ("fault", "booked"),
    [({"kind": "down"}, 0), ({"kind": "timeout_after"}, 1), ({"kind": "timeout_after", "seconds": 1.5}, 1)],
)
async def test_a_connection_that_breaks_books_or_not_as_the_fault_says(
    sandbox: Any, reference: str, fault: dict[str, Any], booked: int
) -> None:
    await sandbox.carrier.post("/admin/faults", json={**fault, "operation": "book", "count": 1})
    with pytest.raises(httpx.TransportError):
        await sandbox.carrier.post("/v1/shipments", json=sandbox.booking(reference), timeout=0.3)
    found = (await sandbox.carrier.get("/v1/shipments", params={"reference": reference})).json()
    assert len(found) == booked


@pytest.mark.parametrize(("kind", "status"), [("busy", 503), ("fault", 422), ("garbage", 200)])
async def test_an_answer_instead_of_the_work_books_nothing(
    sandbox: Any, reference: str, kind: str, status: int
) -> None:
    await sandbox.carrier.post("/admin/faults", json={"kind": kind, "operation": "book", "count": 1})
    response = await sandbox.carrier.post("/v1/shipments", json=sandbox.booking(reference))
    found = (await sandbox.carrier.get("/v1/shipments", params={"reference": reference})).json()
    assert response.status_code == status
    assert found == []
    assert (await sandbox.book(reference))["status"] == "booked"
