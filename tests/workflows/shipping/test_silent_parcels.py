"""Carriers are asked about silent parcels, each about its own: none waits for another's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, text

from activities.orders import OrderActivities
from domain import messages as m
from domain.carriers import TrackingEvent, TrackingStatus
from domain.errors import Rejected, Unavailable
from records.tables import parcel
from relay.silent_parcels import BATCH, SilentParcels
from tests.workflows.hub import Hub
from tests.workflows.partners import Lending


@dataclass
class Told:
    """A carrier that has picked everything up, and is asked for nothing else. Some numbers it does not want to hear."""

    away: bool = False
    refused: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()
    asked: list[str] = field(default_factory=list)

    async def track(self, tracking_numbers: Sequence[str]) -> list[TrackingEvent]:
        if self.away:
            raise Unavailable("nobody answers")
        if self.refused & {*tracking_numbers}:
            raise Rejected("carrier_malformed", "There is a number that is none.")
        self.asked += tracking_numbers
        return [
            TrackingEvent(
                f"{number}/picked_up",
                "\x00" if number in self.broken else number,
                TrackingStatus.PICKED_UP,
                "picked_up",
                datetime.now(UTC),
            )
            for number in tracking_numbers
        ]


async def silent(hub: Hub, carrier: str, parcels: int) -> list[str]:
    """Make a shipment of so many parcels, an hour ago, and hear nothing of them. Returns their numbers."""
    order_no, house = f"SO-{carrier}", OrderActivities(hub.engine, hub.ledger)
    await hub.receive("MUG", 1, f"GR-{carrier}")
    for said in (
        hub.pushing(order_no, {1: ("MUG", 1)}, await hub.keep_address(), carrier=carrier),
        hub.picking(order_no, {1: ("MUG", 1)}),
        hub.shipping(order_no),
    ):
        row = await hub.keep(order_no, *said)
        name = {"tenant": hub.tenant, "order_ref": order_no}
        await house.decide_next(m.Command(**name, inbox_id=row.inbox_id, kind=row.kind, key=row.key))
    numbers = [f"TN-{carrier}-{n:03}" for n in range(parcels)]
    name = {"tenant": hub.tenant, "order_ref": order_no, "shipment_no": f"{order_no}-1"}
    rows = [
        {**name, "parcel_no": n, "weight_g": 1, "lines": [], "tracking_number": number, "tracking_status": "pending"}
        for n, number in enumerate(numbers, 2)
    ]
    async with hub.engine.begin() as connection:
        await connection.execute(insert(parcel), rows)
        earlier = text("update records.shipment set created_at = created_at - interval '1 hour' where tenant = :tenant")
        await connection.execute(earlier, {"tenant": hub.tenant})
    return numbers


def sweep(hub: Hub, carrier: str, port: Told, silent_for_s: float = 0.0) -> SilentParcels:
    carriers = Lending(port)  # type: ignore[arg-type]  # it is only tracked by
    return SilentParcels(hub.engine, carriers, hub.tenant, carrier, silent_for_s)


async def heard(hub: Hub) -> set[str]:
    rows = await hub.rows("select tracking_number from records.carrier_event where tenant = :tenant")
    return {row["tracking_number"] for row in rows}


async def test_a_carrier_that_is_away_or_unknown_keeps_no_other_from_being_asked(hub: Hub) -> None:
    away, known, unknown = (f"{name}-{hub.tenant}" for name in ("away", "known", "unknown"))
    for carrier in (unknown, away):
        await silent(hub, carrier, BATCH + 1)
    numbers = await silent(hub, known, 1)
    port = Told()

    with pytest.raises(Unavailable):
        await sweep(hub, away, Told(away=True)).round()
    await sweep(hub, known, port).round()

    assert port.asked == numbers
    assert await heard(hub) == {*numbers}


async def test_a_carrier_that_was_away_is_asked_about_all_that_it_missed(hub: Hub) -> None:
    carrier = f"away-{hub.tenant}"
    numbers = await silent(hub, carrier, 2 * BATCH + 1)
    port = Told(away=True)
    looking = sweep(hub, carrier, port, silent_for_s=1800)
    with pytest.raises(Unavailable):
        await looking.round()
    port.away = False

    rounds = [await looking.round() for _ in range(3)]

    assert rounds == [BATCH, BATCH, 0], "it goes on while there are more"
    assert sorted(port.asked) == numbers


async def test_a_parcel_that_its_carrier_does_not_want_to_hear_of_spoils_no_other(hub: Hub) -> None:
    carrier = f"strict-{hub.tenant}"
    numbers = await silent(hub, carrier, 7)
    port = Told(refused=frozenset(numbers[2:3]), broken=frozenset(numbers[4:5]))

    await sweep(hub, carrier, port).round()

    assert await heard(hub) == {*numbers} - {numbers[2], numbers[4]}
    marked = await hub.rows("select from records.parcel where tenant = :tenant and last_heard_at is not null")
    assert len(marked) == len(numbers), "each is asked about again after the same silence only"


async def test_who_changes_a_parcel_just_now_does_not_wait_for_the_sweep_nor_the_sweep_for_them(hub: Hub) -> None:
    numbers = await silent(hub, f"busy-{hub.tenant}", 3)

    async with hub.engine.begin() as connection, asyncio.timeout(5):
        one = text("select from records.parcel where tenant = :tenant and tracking_number = :number for update")
        await connection.execute(one, {"tenant": hub.tenant, "number": numbers[1]})
        await sweep(hub, f"busy-{hub.tenant}", Told(refused=frozenset(numbers))).round()  # nothing new of any of them

    query = "select tracking_number from records.parcel where tenant = :tenant and last_heard_at is not null"
    marked = await hub.rows(query)
    assert {row["tracking_number"] for row in marked} == {numbers[0], numbers[2]}
