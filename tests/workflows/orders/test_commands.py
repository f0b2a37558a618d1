"""Commands of an order are decided in the order of their rows, each once."""

from __future__ import annotations

import asyncio

import pytest

from tests.workflows.hub import Hub

pytestmark = pytest.mark.usefixtures("worker")


async def test_commands_are_decided_in_the_order_of_their_rows(hub: Hub) -> None:
    await hub.receive("MUG", 10)
    await hub.push("SO-1", {1: ("MUG", 10)})
    picked = await hub.keep("SO-1", *hub.picking("SO-1", {1: ("MUG", 10)}))
    shipped = await hub.keep("SO-1", *hub.shipping("SO-1"))

    cancelled = await hub.cancel("SO-1")

    rows = [await hub.row(row.inbox_id) for row in (picked, shipped, cancelled)]
    assert [row.state for row in rows] == ["accepted"] * 3
    decided = [row.decided_at for row in rows if row.decided_at]
    assert decided == sorted(decided)
    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "cancelled": 10, "to_put_back": 10}}


async def test_the_same_command_ten_times_at_once_has_one_effect(hub: Hub) -> None:
    await hub.receive("MUG", 100)

    pushed = await asyncio.gather(*(hub.push("SO-1", {1: ("MUG", 10)}) for _ in range(10)))
    picked = await asyncio.gather(*(hub.pick("SO-1", {1: ("MUG", 4)}) for _ in range(10)))

    assert {row.inbox_id for row in pushed} == {pushed[0].inbox_id}
    assert {(row.inbox_id, row.state) for row in picked} == {(picked[0].inbox_id, "accepted")}
    assert await hub.quantities("SO-1") == {1: {"ordered": 10, "reserved": 10, "picked": 4}}
    assert await hub.postings("SO-1") == ["reservation confirmed", "pick confirmed"]
    await hub.until_told("SO-1", "accepted", "reserved")


async def test_many_commands_of_one_order_at_once_are_all_decided(hub: Hub) -> None:
    await hub.receive("MUG", 100)
    await hub.push("SO-1", {1: ("MUG", 30)})

    picked = await asyncio.gather(*(hub.pick("SO-1", {1: ("MUG", 1)}, f"P-{n}") for n in range(30)))

    assert {row.state for row in picked} == {"accepted"}
    assert await hub.quantities("SO-1") == {1: {"ordered": 30, "reserved": 30, "picked": 30}}


async def test_a_command_of_an_unknown_order_is_refused_and_its_workflow_ends(hub: Hub) -> None:
    refused = await hub.pick("SO-1", {1: ("MUG", 1)})

    assert refused.answer is not None
    assert (refused.state, refused.answer["code"]) == ("refused", "unknown_order")
