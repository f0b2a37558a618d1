"""Carrier events commute on the real tables and the real ledger: any order, any repeats, the same end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from itertools import count, permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from activities.orders import OrderActivities
from domain import messages as m
from domain.carriers import TrackingStatus
from records.orders import closing
from tests.workflows.hub import ADDRESS, Hub

S = TrackingStatus
DATED = (None, "2026-11-21T08:00:00+00:00", "2199-01-01T00:00:00+00:00", "1999-01-01T00:00:00+00:00")
"""Now; when it may have been; and when it can't have been."""
one_event = st.tuples(st.sampled_from(TrackingStatus), st.sampled_from(DATED))
streams_of_events = st.lists(one_event, min_size=1, max_size=3, unique_by=lambda event: event[0])
Scan = tuple[int, TrackingStatus]
"""Which of an order's labels, the oldest first, and what the carrier says of it."""
Wanted = list[int]
"""How many are wanted each time that a label is replaced; another quantity is another content."""
numbers = count()
END = """
select o.status, o.needs_attention, o.attention ->> 'reason' as reason, s.tracking_status as shipment,
       p.tracking_status as parcel, p.tracking_number as goes_by,
       s.handed_over_at is not null as left, s.delivered_at is not null as arrived,
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
    await say(hub, house, order_no, *hub.pushing(order_no, {1: ("MUG", 2)}, await hub.keep_address()))
    await say(hub, house, order_no, *hub.picking(order_no, {1: ("MUG", 2)}))
    await say(hub, house, order_no, *hub.shipping(order_no))
    return await label(hub, order_no, f"TN-{order_no}")


async def say(hub: Hub, house: OrderActivities, order_no: str, *said: Any) -> None:
    row = await hub.keep(order_no, *said)
    name = {"tenant": hub.tenant, "order_ref": order_no}
    decision = await house.decide_next(m.Command(**name, inbox_id=row.inbox_id, kind=row.kind, key=row.key))
    assert decision.accepted, decision.problem


async def label(hub: Hub, order_no: str, number: str) -> str:
    async with hub.engine.begin() as connection:
        await hub.label(connection, order_no, number)
    return number


Event = tuple[TrackingStatus, str | None]


async def end_of(hub: Hub, house: OrderActivities, events: Sequence[Event]) -> dict[str, Any]:
    """Tell an order these events, one after the other, each applied before the next comes; tell how it ends."""
    order_no = f"SO-{next(numbers)}"
    number = await labeled(hub, house, order_no)
    return await end_after(hub, house, order_no, [(number, status, at) for status, at in events])


async def end_with_labels(hub: Hub, house: OrderActivities, scans: Sequence[Scan], wanted: Wanted) -> dict[str, Any]:
    """Have an order's label replaced once for each further quantity, and tell it scans of all its labels."""
    order_no = f"SO-{next(numbers)}"
    labels = [await labeled(hub, house, order_no)]
    for revision, quantity in enumerate(wanted, 2):
        street = {**ADDRESS, "street": [f"Neue Gasse {revision}"]}
        lines = {1: ("MUG", quantity)}
        await say(hub, house, order_no, *hub.pushing(order_no, lines, await hub.keep_address(street), revision))
        labels.append(await label(hub, order_no, f"TN{revision}-{order_no}"))
    return await end_after(
        hub, house, order_no, [(labels[which % len(labels)], status, None) for which, status in scans]
    )


async def end_after(
    hub: Hub, house: OrderActivities, order_no: str, scans: list[tuple[str, TrackingStatus, str | None]]
) -> dict[str, Any]:
    for nth, (number, status, at) in enumerate(scans):
        await hub.hear(number, status, f"{number}/{status}/{nth}", datetime.fromisoformat(at) if at else None)
        work = await house.apply_carrier_events(hub.named(order_no))
        while work.events_waiting:
            work = await house.apply_carrier_events(hub.named(order_no))
    (end,) = await hub.rows(END, order_ref=order_no)
    async with hub.engine.begin() as connection:  # nobody is to go on with it
        await connection.run_sync(closing.close, hub.named(order_no))
    return {name: str(value).replace(order_no, "SO") for name, value in end.items()}


def tellings_of(events: list[Any]) -> list[list[Any]]:
    """Write the same events in any order, and each of these with its repeats."""
    tellings = [list(told) for told in permutations(events)]
    return tellings + [[*told, *reversed(told)] for told in tellings]


async def agree(tellings: list[list[Any]], end_of_telling: Callable[[list[Any]], Awaitable[dict[str, Any]]]) -> None:
    first, *others = await asyncio.gather(*(end_of_telling(told) for told in tellings))
    for told, other in zip(tellings[1:], others, strict=True):
        assert other == first, f"{told} ends otherwise than {tellings[0]}"


@pytest.fixture
def examples(some_of: Callable[[Sequence[int], int], list[int]]) -> int:
    """How many streams of events are tried beside those that went wrong once."""
    return len(some_of(range(20), 6))


async def test_any_order_and_any_repeats_of_the_same_events_end_in_the_same_state(hub: Hub, examples: int) -> None:
    house = OrderActivities(hub.engine, hub.ledger)
    await hub.receive("MUG", 100_000)

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck), derandomize=True)
    @example([(S.CANCELLED, None), (S.PICKED_UP, DATED[2]), (S.DELIVERED, DATED[1])])
    @example([(S.RETURN_TO_SENDER, DATED[1]), (S.DELIVERED, DATED[2]), (S.DELIVERY_FAILED, None)])
    @given(streams_of_events)
    def all_tellings_agree(events: list[Event]) -> None:
        checking = asyncio.run_coroutine_threadsafe(
            agree(tellings_of(events), lambda told: end_of(hub, house, told)), loop
        )
        checking.result(60)

    loop = asyncio.get_running_loop()
    await asyncio.to_thread(all_tellings_agree)


async def test_scans_of_labels_that_were_replaced_commute_with_those_of_the_others(hub: Hub, examples: int) -> None:
    house = OrderActivities(hub.engine, hub.ledger)
    await hub.receive("MUG", 100_000)

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck), derandomize=True)
    @example([(0, S.DELIVERED), (1, S.IN_TRANSIT)], [2])
    @example([(0, S.CANCELLED), (0, S.PICKED_UP), (1, S.CANCELLED)], [2])
    @example([(0, S.PICKED_UP), (1, S.RETURN_TO_SENDER), (2, S.CANCELLED)], [2, 2])
    @example([(0, S.PICKED_UP), (1, S.IN_TRANSIT), (2, S.DELIVERED)], [2, 1])
    @example([(0, S.IN_TRANSIT), (1, S.PICKED_UP)], [1])
    @given(
        st.lists(st.tuples(st.integers(0, 2), st.sampled_from(TrackingStatus)), min_size=1, max_size=3, unique=True),
        st.lists(st.sampled_from([2, 1]), min_size=1, max_size=2),
    )
    def all_tellings_agree(scans: list[Scan], wanted: Wanted) -> None:
        checking = asyncio.run_coroutine_threadsafe(
            agree(tellings_of(scans), lambda told: end_with_labels(hub, house, told, wanted)), loop
        )
        checking.result(60)

    loop = asyncio.get_running_loop()
    await asyncio.to_thread(all_tellings_agree)


BOOKED = """
select p.occurred_at <= p.recorded_at and p.occurred_at >= :since as believed, p.reason,
       s.handed_over_at, s.delivered_at, s.proof_of_delivery ->> 'told_at' as told_at, e.received_at,
       (select array_agg(t.payload ->> 'occurred_at' order by number) from records.erp_message t
        where t.tenant = s.tenant and t.order_ref = s.order_ref and kind in ('shipped', 'delivered')) as told
from records.shipment s
join records.carrier_event e using (tenant, order_ref)
join ledger.posting p on p.tenant = s.tenant and p.reason in ('goods_issue', 'delivery')
  and strpos(p.idempotency_key, s.order_ref || '/') > 0
where s.tenant = :tenant and s.order_ref = :order_ref
order by p.recorded_at
"""


async def test_what_a_carrier_dates_ahead_is_booked_and_told_at_its_receipt(hub: Hub) -> None:
    house, since = OrderActivities(hub.engine, hub.ledger), datetime.now(UTC)
    await hub.receive("MUG", 100)
    order_no = f"SO-{next(numbers)}"
    number, far = await labeled(hub, house, order_no), "2199-01-01T00:00:00+00:00"
    await hub.hear(number, S.DELIVERED, f"{number}/ahead", datetime.fromisoformat(far))
    await house.apply_carrier_events(hub.named(order_no))
    rows = await hub.rows(BOOKED, order_ref=order_no, since=since)
    assert [(row["reason"], row["believed"]) for row in rows] == [("goods_issue", True), ("delivery", True)]
    for row in rows:
        assert row["handed_over_at"] == row["delivered_at"] == row["received_at"]
        assert [datetime.fromisoformat(at) for at in row["told"]] == [row["received_at"]] * 2
        assert datetime.fromisoformat(row["told_at"]) == datetime.fromisoformat(far)
    async with hub.engine.begin() as connection:  # nobody is to go on with it
        await connection.run_sync(closing.close, hub.named(order_no))
