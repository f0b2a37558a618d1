"""The carrier's intercepts: what it promises to send back comes back, and what it can't stop any more it says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest


async def ask(sandbox: Any, number: str, reference: str = "ref-1") -> httpx.Response:
    response: httpx.Response = await sandbox.carrier.post(
        f"/v1/parcels/{number}/intercept", json={"reference": reference}
    )
    return response


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


async def test_an_intercepted_parcel_turns_round_at_its_next_scan(
    sandbox: Any, eventually: Callable[..., Awaitable[None]], reference: str
) -> None:
    number = await sandbox.parcel()
    promised = await ask(sandbox, number, reference)
    await sandbox.carrier.post(f"/admin/parcels/{number}/collect")

    await eventually(lambda: sandbox.hub.statuses_of(number) == ["picked_up", "return_to_sender"])
    again = await ask(sandbox, number, "another")

    assert promised.status_code == 200
    assert (promised.json()["tracking_number"], promised.json()["status"]) == (number, "accepted")
    assert again.json() == promised.json(), "the first promise stands"
    found = await sandbox.carrier.get("/v1/intercepts", params={"reference": reference})
    assert found.json() == [promised.json()]
    assert (await sandbox.carrier.get("/v1/intercepts", params={"reference": "another"})).json() == []


@pytest.mark.parametrize("seen", [["in_transit"], ["out_for_delivery", "delivery_failed"], ["ready_for_pickup"]])
async def test_a_parcel_that_lies_somewhere_comes_back_when_it_is_asked_for(
    sandbox: Any, eventually: Callable[..., Awaitable[None]], seen: list[str]
) -> None:
    number = await sandbox.parcel()
    for status in seen:
        await sandbox.scan(number, status)

    assert (await ask(sandbox, number)).status_code == 200
    await eventually(lambda: sandbox.hub.statuses_of(number) == [*seen, "return_to_sender"])


@pytest.mark.parametrize(
    ("seen", "code"),
    [("out_for_delivery", "too_late"), ("delivered", "too_late"), ("return_to_sender", "returning")],
)
async def test_what_can_be_stopped_no_more_is_refused(sandbox: Any, seen: str, code: str) -> None:
    number = await sandbox.parcel()
    await sandbox.scan(number, seen)

    assert code_of(await ask(sandbox, number)) == (409, code)


async def test_a_parcel_that_nobody_booked_or_whose_label_was_voided_is_refused(sandbox: Any) -> None:
    booked = await sandbox.book()
    await sandbox.carrier.post(f"/v1/shipments/{booked['shipment_id']}/void")

    assert code_of(await ask(sandbox, "NOBODY")) == (404, "not_found")
    assert code_of(await ask(sandbox, booked["parcels"][0]["tracking_number"])) == (409, "voided")


async def test_an_intercept_whose_answer_gets_lost_is_found_by_its_reference(sandbox: Any, reference: str) -> None:
    number = await sandbox.parcel()
    fault = {"kind": "timeout_after", "operation": "intercept", "count": 1}
    (await sandbox.carrier.post("/admin/faults", json=fault)).raise_for_status()

    with pytest.raises(httpx.TransportError):
        await ask(sandbox, number, reference)

    found = (await sandbox.carrier.get("/v1/intercepts", params={"reference": reference})).json()
    assert [each["tracking_number"] for each in found] == [number]
