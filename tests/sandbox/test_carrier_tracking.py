"""The carrier's scans and callbacks: the fast clock, the signature, the repeats, and what goes wrong on demand."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

JOURNEY = ["picked_up", "in_transit", "out_for_delivery", "delivered"]


def _is_signed(secret: str, header: str, raw: bytes) -> bool:
    parts = dict(part.split("=", 1) for part in header.split(","))
    expected = hmac.new(secret.encode(), parts["t"].encode() + b"." + raw, hashlib.sha256).hexdigest()
    return hmac.compare_digest(parts["v1"], expected)


def _sent(sandbox: Any, tracking_number: str) -> list[tuple[str, str, bytes]]:
    return [
        (path, headers["x-sandbox-signature"], raw)
        for path, headers, raw in sandbox.hub.requests
        if "/callbacks/" in path and tracking_number.encode() in raw
    ]


async def test_a_collected_parcel_makes_its_journey_and_each_scan_is_told(
    sandbox: Any, eventually: Callable[..., Awaitable[None]]
) -> None:
    number = await sandbox.parcel()
    response = await sandbox.carrier.post(f"/admin/parcels/{number}/collect")
    await eventually(lambda: sandbox.hub.statuses_of(number) == JOURNEY)
    tracked = (await sandbox.carrier.get("/v1/tracking", params={"numbers": number})).json()
    again = await sandbox.carrier.post(f"/admin/parcels/{number}/collect")

    assert response.json() == {"tracking_number": number, "collected": True}
    assert again.json()["collected"] is False
    (parcel,) = tracked["parcels"]
    assert [event["status"] for event in parcel["events"]] == JOURNEY
    assert parcel["events"][-1]["signed_by"] == "Ida Holm"
    assert [{**event, "tracking_number": number} for event in parcel["events"]] == sandbox.hub.callbacks_of(number)


async def test_nothing_happens_to_a_parcel_that_was_not_collected(sandbox: Any) -> None:
    number = await sandbox.parcel()
    tracked = (await sandbox.carrier.get("/v1/tracking", params={"numbers": f"{number},NOBODY"})).json()
    assert tracked["parcels"] == [
        {"tracking_number": number, "events": []},
        {"tracking_number": "NOBODY", "events": []},
    ]


async def test_a_callbacks_signature_verifies_over_its_raw_bytes(
    sandbox: Any, eventually: Callable[..., Awaitable[None]]
) -> None:
    number = await sandbox.parcel()
    await sandbox.scan(number, "on_hold")
    await eventually(lambda: _sent(sandbox, number))
    ((path, header, raw),) = _sent(sandbox, number)
    assert path == "/api/callbacks/carriers/sandbox/sandbox"
    assert _is_signed(sandbox.settings.carrier_secret, header, raw)
    assert not _is_signed(sandbox.settings.carrier_secret, header, raw + b" ")


async def test_a_scan_by_hand_keeps_its_time_and_ends_the_journey_if_final(
    sandbox: Any, eventually: Callable[..., Awaitable[None]]
) -> None:
    number = await sandbox.parcel()
    scan = {"status": "return_to_sender", "occurred_at": "2026-11-20T09:00:00+01:00", "location": "Hamburg"}
    response = await sandbox.carrier.post(f"/admin/parcels/{number}/scan", json=scan)
    await eventually(lambda: sandbox.hub.statuses_of(number) == ["return_to_sender"])
    collected = (await sandbox.carrier.post(f"/admin/parcels/{number}/collect")).json()["collected"]
    assert response.status_code == 201
    assert response.json()["occurred_at"] == "2026-11-20T09:00:00.000+01:00"
    assert collected is False


async def test_a_scan_of_an_unknown_parcel_is_not_found(sandbox: Any) -> None:
    response = await sandbox.carrier.post("/admin/parcels/NOBODY/scan", json={"status": "picked_up"})
    assert response.status_code == 404


async def test_collect_all_gives_the_carrier_all_it_has_not_got(sandbox: Any) -> None:
    number = await sandbox.parcel()
    assert number in (await sandbox.carrier.post("/admin/collect-all")).json()["collected"]
    assert number not in (await sandbox.carrier.post("/admin/collect-all")).json()["collected"]


async def test_parcels_are_collected_without_being_told_when_set_so(
    another_sandbox: Callable[..., Any], eventually: Callable[..., Awaitable[None]]
) -> None:
    async with another_sandbox(auto_collect=True, auto_collect_after_s=0.05, seed=9) as sandbox:
        number = await sandbox.parcel()
        await eventually(lambda: sandbox.hub.statuses_of(number) == JOURNEY)


async def test_a_refused_callback_is_repeated_three_times_then_never_again(
    sandbox: Any, eventually: Callable[..., Awaitable[None]]
) -> None:
    number = await sandbox.parcel()
    sandbox.hub.next_statuses.extend([500] * 4)
    await sandbox.scan(number, "on_hold")
    await eventually(lambda: _given_up(sandbox, number))
    assert len(_sent(sandbox, number)) == 4
    assert len({raw for _, _, raw in _sent(sandbox, number)}) == 1


async def _given_up(sandbox: Any, number: str) -> bool:
    return bool(await sandbox.callback_states(number) == ["given_up"])


async def test_a_callback_refused_once_arrives_by_the_repeat(
    sandbox: Any, eventually: Callable[..., Awaitable[None]]
) -> None:
    number = await sandbox.parcel()
    sandbox.hub.next_statuses.append(503)
    await sandbox.scan(number, "on_hold")
    await eventually(lambda: len(_sent(sandbox, number)) == 2)


async def test_a_duplicate_callback_is_the_same_event_twice(
    sandbox: Any, eventually: Callable[..., Awaitable[None]]
) -> None:
    number = await sandbox.parcel()
    await sandbox.carrier.post("/admin/faults", json={"kind": "duplicate_callback", "count": 1})
    await sandbox.scan(number, "picked_up")
    await sandbox.scan(number, "in_transit")
    await eventually(lambda: sandbox.hub.statuses_of(number) == ["picked_up", "picked_up", "in_transit"])
    first, second, _ = sandbox.hub.callbacks_of(number)
    assert first == second


async def test_out_of_order_holds_so_many_and_sends_them_the_last_first(
    sandbox: Any, eventually: Callable[..., Awaitable[None]]
) -> None:
    number = await sandbox.parcel()
    await sandbox.carrier.post("/admin/faults", json={"kind": "out_of_order", "count": 3})
    await sandbox.scan(number, "picked_up")
    await sandbox.scan(number, "in_transit")
    assert await sandbox.callback_states(number) == ["held", "held"]
    await sandbox.scan(number, "delivered")
    await eventually(lambda: sandbox.hub.statuses_of(number) == ["delivered", "in_transit", "picked_up"])


async def test_clearing_the_faults_lets_go_of_what_was_held(
    sandbox: Any, eventually: Callable[..., Awaitable[None]]
) -> None:
    number = await sandbox.parcel()
    await sandbox.carrier.post("/admin/faults", json={"kind": "out_of_order"})
    await sandbox.scan(number, "picked_up")
    await sandbox.scan(number, "in_transit")
    assert sandbox.hub.statuses_of(number) == []
    await sandbox.carrier.delete("/admin/faults")
    await eventually(lambda: sandbox.hub.statuses_of(number) == ["in_transit", "picked_up"])


async def test_callbacks_that_were_owed_are_sent_after_a_restart(
    another_sandbox: Callable[..., Any], tmp_path: Path, eventually: Callable[..., Awaitable[None]]
) -> None:
    async with another_sandbox(tmp_path, seed=8) as before:
        number = await before.parcel()
        await before.carrier.post("/admin/faults", json={"kind": "out_of_order"})
        await before.scan(number, "picked_up")
    assert before.hub.statuses_of(number) == []
    async with another_sandbox(tmp_path, seed=8) as after:
        await eventually(lambda: after.hub.statuses_of(number) == ["picked_up"])


async def test_a_dropped_callback_is_never_sent_but_tracking_knows_the_scan(
    sandbox: Any, eventually: Callable[..., Awaitable[None]]
) -> None:
    number = await sandbox.parcel()
    await sandbox.carrier.post("/admin/faults", json={"kind": "drop_callback", "operation": "delivered"})
    await sandbox.scan(number, "picked_up")
    await sandbox.scan(number, "delivered")
    await eventually(lambda: sandbox.hub.statuses_of(number) == ["picked_up"])
    (parcel,) = (await sandbox.carrier.get("/v1/tracking", params={"numbers": number})).json()["parcels"]
    assert [event["status"] for event in parcel["events"]] == ["picked_up", "delivered"]
    assert (await sandbox.callback_states(number))[1] == "dropped"


async def test_a_bad_signature_does_not_verify(sandbox: Any, eventually: Callable[..., Awaitable[None]]) -> None:
    number = await sandbox.parcel()
    await sandbox.carrier.post("/admin/faults", json={"kind": "bad_signature", "count": 1})
    await sandbox.scan(number, "picked_up")
    await eventually(lambda: _sent(sandbox, number))
    ((_, header, raw),) = _sent(sandbox, number)
    assert not _is_signed(sandbox.settings.carrier_secret, header, raw)


async def test_more_numbers_than_allowed_are_refused(sandbox: Any) -> None:
    numbers = ",".join(f"SBX{n}" for n in range(51))
    response = await sandbox.carrier.get("/v1/tracking", params={"numbers": numbers})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "too_many_numbers")


async def test_asking_too_often_is_429_with_a_time_to_wait(another_sandbox: Callable[..., Any]) -> None:
    async with another_sandbox(tracking_rate_per_s=1) as sandbox:
        answers = [await sandbox.carrier.get("/v1/tracking", params={"numbers": "SBX1"}) for _ in range(5)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].headers["retry-after"] == "1"
