"""Carrier events commute on the real tables and the real ledger: any order, any repeats, the same end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count, permutations
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stockbridge.activities import messages as m
from stockbridge.activities.orders import OrderActivities
from stockbridge.domain.carriers import TrackingStatus
from stockbridge.records import closing

from .hub import Hub

S = TrackingStatus
streams_of_events = st.lists(st.sampled_from(TrackingStatus), min_size=1, max_size=3, unique=True)
numbers = count()
END = """
select o.status, o.needs_attention, o.attention ->> 'reason' as reason, s.tracking_status as shipment,
       p.tracking_status as parcel, s.handed_over_at is not null as left, s.delivered_at is not null as arrived,
       (select array_agg(l.location_id || e.on_hand_delta order by e.recorded_at, e.seq, l.location_id)
        from ledger.entry e join ledger.stream l using (stream_id)
        where e.tenant = o.tenant and e.order_ref = o.order_ref) as entries,
       (select array_agg(kind order by number) from records.erp_message t
        where t.tenant = o.tenant and t.order_ref = o.order_ref) as told
from records.orders o
join records.shipment s using (tenant, order_ref) join records.parcel p using (tenant, order_ref)
where o.tenant = :tenant and o.order_ref = :order_ref
"""


async def labeled(hub: Hub, house: OrderActivities, order_no: str) -> str:
    """Take an order to its label, with nobody's help, and return the tracking number."""
    for said in (
        hub.pushing(order_no, {1: ("MUG", 2)}, await hub.keep_address()),
        hub.picking(order_no, {1: ("MUG", 2)}),
        hub.shipping(order_no),
    ):
        row = await hub.keep(order_no, *said)
        name = {"tenant": hub.tenant, "order_ref": order_no}
        decision = await house.decide_next(m.Command(**name, inbox_id=row.inbox_id, kind=row.kind, key=row.key))
        assert decision.accepted, decision.problem
    number = f"TN-{order_no}"
    async with hub.engine.begin() as connection:
        await hub.label(connection, order_no, number)
    return number


async def end_of(hub: Hub, house: OrderActivities, events: Sequence[TrackingStatus]) -> dict[str, Any]:
    """Tell an order these events, one after the other, each applied before the next comes; tell how it ends."""
    order_no = f"SO-{next(numbers)}"
    number = await labeled(hub, house, order_no)
    for nth, status in enumerate(events):
        await hub.hear(number, status, f"{number}/{status}/{nth}")
        await house.apply_carrier_events(m.OrderId(tenant=hub.tenant, order_ref=order_no))
    (end,) = await hub.rows(END, order_ref=order_no)
    async with hub.engine.begin() as connection:  # nobody is to go on with it
        await connection.run_sync(closing.close, hub.tenant, order_no)
    return {name: str(value).replace(order_no, "SO") for name, value in end.items()}


async def test_any_order_and_any_repeats_of_the_same_events_end_in_the_same_state(hub: Hub) -> None:
    house = OrderActivities(hub.engine, hub.ledger)
    await hub.receive("MUG", 100_000)

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @example([S.CANCELLED, S.PICKED_UP, S.DELIVERED])
    @example([S.RETURN_TO_SENDER, S.DELIVERED, S.DELIVERY_FAILED])
    @given(streams_of_events)
    def all_tellings_agree(events: list[TrackingStatus]) -> None:
        tellings = [list(told) for told in permutations(events)]
        tellings += [[*told, *reversed(told)] for told in tellings]
        checking = asyncio.run_coroutine_threadsafe(agree(tellings), loop)
        checking.result(60)

    async def agree(tellings: list[list[TrackingStatus]]) -> None:
        first, *others = await asyncio.gather(*(end_of(hub, house, told) for told in tellings))
        for told, other in zip(tellings[1:], others, strict=True):
            assert other == first, f"{told} ends otherwise than {tellings[0]}"

    loop = asyncio.get_running_loop()
    await asyncio.to_thread(all_tellings_agree)
