"""What PostgreSQL refuses, whoever asks: the rules hold without our code."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.orders import QUANTITIES
from domain.stock import StreamKey
from tests.ledger.warehouse import BIN, OTHER_BIN, STAGING, Warehouse

LIMITED = [
    "update ledger.entry set on_hand = on_hand + 1",
    "delete from ledger.entry",
    "truncate ledger.entry",
    "update ledger.posting set actor = 'nobody'",
    "delete from ledger.posting",
    "update ledger.stream set sku = 'other'",
    "delete from ledger.stream",
    "delete from ledger.order_line",
    "delete from ledger.pool",
    "alter table ledger.entry disable trigger all",
    "set session_replication_role = replica",
    "create table ledger.mine (x integer)",
]


@pytest.mark.parametrize("statement", LIMITED)
async def test_the_limited_role_may_not(engine: AsyncEngine, statement: str) -> None:
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
            await connection.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "update ledger.entry set on_hand = on_hand + 1",
        "delete from ledger.entry",
        "truncate ledger.entry cascade",
        "update ledger.posting set actor = 'nobody'",
        "delete from ledger.posting",
        "delete from ledger.stream",
        "update ledger.stream set sku = 'other'",
    ],
)
async def test_not_even_the_owner_changes_what_was_written(
    owner: AsyncEngine, warehouse: Warehouse, statement: str
) -> None:
    await warehouse.post(warehouse.receipt("MUG", 10))
    async with owner.connect() as connection:
        with pytest.raises(DBAPIError, match="I1"):
            await connection.execute(text(statement))


POSTING = text(
    """
    insert into ledger.posting (posting_id, tenant, idempotency_key, request_digest, reason, actor, evidence,
      occurred_at, recorded_at, answer)
    values (:id, :tenant, :key, sha256('x'), :reason, 'by hand', 'confirmed', now(), :at, :answer)
    """
)
ENTRIES = """
insert into ledger.entry (stream_id, seq, posting_id, tenant, order_ref, line_no, on_hand_delta, reserved_delta,
  on_hand, reserved, floor, serial, recorded_at, hash) values """


class ByHand:
    """Writes postings by hand, as the superuser, with all triggers on."""

    def __init__(self, connection: AsyncConnection, warehouse: Warehouse) -> None:
        self.connection = connection
        self.warehouse = warehouse
        self.posting_id = uuid4()

    async def post(
        self, *entries: tuple[StreamKey, int, int, int, int, int], reason: str = "by_hand", order: str = "", **odd: Any
    ) -> None:
        """Write entries: stream, seq, on_hand_delta, reserved_delta, on_hand, reserved."""
        at = (await self.connection.execute(text("select clock_timestamp()"))).scalar_one()
        tenant = self.warehouse.tenant
        posting = {"id": self.posting_id, "tenant": tenant, "key": uuid4().hex, "reason": reason, "at": at}
        await self.connection.execute(POSTING, {**posting, "answer": odd.get("answer", "{}")})
        line_no = 1 if order else 0
        rows = [
            f"('{key.stream_id}', {seq}, '{self.posting_id}', '{odd.get('tenant', tenant)}', '{order}', {line_no}, "
            f"{on_hand_delta}, {reserved_delta}, {on_hand}, {reserved}, {odd.get('floor', _floor(key))}, "
            f"{odd.get('serial', bool(key.serial_number))}, '{odd.get('at', at)}', sha256('x'))"
            for key, seq, on_hand_delta, reserved_delta, on_hand, reserved in entries
        ]
        await self.connection.execute(text(ENTRIES + ", ".join(rows)))


def _floor(key: StreamKey) -> int:
    return int(key.place.location_id.startswith(("supplier", "adjustment")))


@pytest.fixture
async def by_hand(owner: AsyncEngine, warehouse: Warehouse) -> Any:
    """Ten mugs, of which four are promised to SO-1 and none picked."""
    await warehouse.post(warehouse.receipt("MUG", 10))
    await warehouse.post(warehouse.receipt("MUG", 10, OTHER_BIN))
    await warehouse.post(warehouse.order("SO-1", (1, "MUG", 4)))
    async with owner.connect() as connection:
        yield ByHand(connection, warehouse)


async def test_a_posting_by_hand_that_keeps_the_rules_is_taken(by_hand: ByHand) -> None:
    mug, other = by_hand.warehouse.stream("MUG"), by_hand.warehouse.stream("MUG", OTHER_BIN)
    await by_hand.post((mug, 3, -1, 0, 9, 4), (other, 2, 1, 0, 11, 0))


async def test_i2_refuses_a_gap(by_hand: ByHand) -> None:
    with pytest.raises(DBAPIError, match="I2"):
        await by_hand.post((by_hand.warehouse.stream("MUG"), 4, 0, 1, 10, 5), order="SO-1")


async def test_i2_refuses_a_second_entry_with_the_same_number(by_hand: ByHand) -> None:
    with pytest.raises(DBAPIError, match="pk_entry"):
        await by_hand.post((by_hand.warehouse.stream("MUG"), 2, 0, 1, 10, 5), order="SO-1")


async def test_i2_refuses_balances_that_do_not_follow(by_hand: ByHand) -> None:
    with pytest.raises(DBAPIError, match="I2"):
        await by_hand.post((by_hand.warehouse.stream("MUG"), 3, 0, 1, 10, 6), order="SO-1")


async def test_i2_refuses_an_entry_that_was_recorded_before_the_last(by_hand: ByHand) -> None:
    with pytest.raises(DBAPIError, match="I2"):
        await by_hand.post((by_hand.warehouse.stream("MUG"), 3, 0, 1, 10, 5), order="SO-1", at="2020-01-01T00:00:00Z")


async def test_i3_refuses_to_promise_more_than_is_there(by_hand: ByHand) -> None:
    with pytest.raises(DBAPIError, match="never_oversold"):
        await by_hand.post((by_hand.warehouse.stream("MUG"), 3, 0, 7, 10, 11), order="SO-1")


async def test_i3_refuses_stock_below_nothing(by_hand: ByHand) -> None:
    mug, other = by_hand.warehouse.stream("MUG"), by_hand.warehouse.stream("MUG", OTHER_BIN)
    with pytest.raises(DBAPIError, match="never_oversold"):
        await by_hand.post((mug, 3, 11, 0, 21, 4), (other, 2, -11, 0, -1, 0))


async def test_i3_refuses_a_hold_of_less_than_nothing(by_hand: ByHand) -> None:
    with pytest.raises(DBAPIError, match="quantity"):
        await by_hand.post((by_hand.warehouse.stream("MUG"), 3, 0, -5, 10, -1), order="SO-1")


async def test_i3_refuses_a_bin_that_claims_to_be_the_world_outside(by_hand: ByHand) -> None:
    warehouse = by_hand.warehouse
    for place in (BIN, OTHER_BIN):
        await warehouse.post(warehouse.receipt("CUP", 10, place))
    cup, other = warehouse.stream("CUP"), warehouse.stream("CUP", OTHER_BIN)
    with pytest.raises(DBAPIError, match="I3"):
        await by_hand.post((cup, 2, 11, 0, 21, 0), (other, 2, -11, 0, -1, 0), floor=1)


async def test_i3_refuses_a_hold_outside_the_house(by_hand: ByHand) -> None:
    supplier = next(key for key in by_hand.warehouse.receipt("MUG", 1, serials=("S",)).streams())
    with pytest.raises(DBAPIError, match=r"I3|only_physical"):
        await by_hand.post((StreamKey(supplier.tenant, "MUG", supplier.place), 3, 0, 1, -20, 1), order="SO-1")


async def test_i3_refuses_an_entry_of_another_tenant(by_hand: ByHand) -> None:
    with pytest.raises(DBAPIError, match="I3"):
        await by_hand.post((by_hand.warehouse.stream("MUG"), 3, 0, 1, 10, 5), order="SO-1", tenant="other")


async def test_i4_refuses_stock_from_nowhere(by_hand: ByHand) -> None:
    with pytest.raises(DBAPIError, match="I4"):
        await by_hand.post((by_hand.warehouse.stream("MUG"), 3, 5, 0, 15, 4))


async def test_i4_refuses_to_turn_one_lot_into_another(by_hand: ByHand) -> None:
    warehouse = by_hand.warehouse
    await warehouse.post(warehouse.receipt("MILK", 5, lot="A"))
    await warehouse.post(warehouse.receipt("MILK", 5, lot="B"))
    with pytest.raises(DBAPIError, match="I4"):
        await by_hand.post(
            (warehouse.stream("MILK", lot="A"), 2, -1, 0, 4, 0), (warehouse.stream("MILK", lot="B"), 2, 1, 0, 6, 0)
        )


async def test_i5_refuses_a_second_posting_with_the_same_key(by_hand: ByHand) -> None:
    values = {"tenant": by_hand.warehouse.tenant, "key": "k1", "reason": "x", "at": "2026-01-01T00:00:00Z"}
    with pytest.raises(DBAPIError, match="uq_posting_tenant_idempotency_key"):
        await by_hand.connection.execute(POSTING, {"id": UUID(int=7), "answer": "{}", **values})


async def test_i8_refuses_an_amendment_that_releases_what_it_takes_again(by_hand: ByHand) -> None:
    mug, other = by_hand.warehouse.stream("MUG"), by_hand.warehouse.stream("MUG", OTHER_BIN)
    with pytest.raises(DBAPIError, match="I8"):
        await by_hand.post((mug, 3, 0, -4, 10, 0), (other, 2, 0, 4, 10, 4), order="SO-1", reason="amendment")


@pytest.mark.parametrize("reason", ["amendment", "cancellation"])
async def test_i8_refuses_to_let_go_of_what_another_line_of_the_order_waits_for(by_hand: ByHand, reason: str) -> None:
    waits = '{"lines":[{"line_no":2,"sku":"MUG","backordered":3,"waits_for":{"site":"HAM"}}]}'
    with pytest.raises(DBAPIError, match=r"I8: posting .* lets go of what order SO-1 waits for"):
        await by_hand.post(
            (by_hand.warehouse.stream("MUG"), 3, 0, -2, 10, 2), order="SO-1", reason=reason, answer=waits
        )


@pytest.mark.parametrize(
    "waits",
    [
        {"sku": "CUP", "waits_for": {"site": "HAM"}},
        {"sku": "MUG", "waits_for": {"site": "BER"}},
        {"sku": "MUG", "waits_for": {"site": "HAM", "lot": "B"}},
        {"sku": "MUG"},
    ],
)
async def test_i8_lets_go_of_what_no_line_of_the_order_can_use(by_hand: ByHand, waits: dict[str, Any]) -> None:
    answer = json.dumps({"lines": [waits, {"sku": "TEA", "waits_for": {"site": "HAM"}}]}, separators=(",", ":"))
    mug = by_hand.warehouse.stream("MUG")
    await by_hand.post((mug, 3, 0, -2, 10, 2), order="SO-1", reason="amendment", answer=answer)


async def test_i8_refuses_two_entries_of_a_line_in_one_stream(by_hand: ByHand) -> None:
    mug = by_hand.warehouse.stream("MUG")
    with pytest.raises(DBAPIError, match="uq_entry_net_per_line"):
        await by_hand.post((mug, 3, 0, -4, 10, 0), (mug, 4, 0, 4, 10, 4), order="SO-1", reason="amendment")


async def test_a_serial_number_is_in_one_place(by_hand: ByHand, owner: AsyncEngine) -> None:
    warehouse = by_hand.warehouse
    await warehouse.post(warehouse.receipt("PHONE", 1, serials=("S1",)))
    twin = text(
        """
        insert into ledger.stream
        select :id, identity_hash, pool_id, tenant, sku, site, :location, 'staging', lot, serial_number, stock_status,
               true
        from ledger.stream where stream_id = :of
        """
    )
    async with owner.connect() as connection:
        with pytest.raises(DBAPIError, match="uq_stream_serial_in_one_place"):
            await connection.execute(
                twin,
                {
                    "id": uuid4(),
                    "location": STAGING.location_id,
                    "of": warehouse.stream("PHONE", serial="S1").stream_id,
                },
            )


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("reserved = reserved - 1", "every_unit_is_somewhere"),
        *((f"{name} = -1", "ck_quantity") for name in QUANTITIES),
        ("picked = reserved + 1", "picked_is_reserved"),
        ("delivered = 1", "delivered_was_shipped"),
        ("backordered = 1, reserved = reserved - 1, queued_at = null", "waiting_has_a_place"),
        ("queued_later = '[1]'", "only_what_waits_is_queued"),
    ],
)
async def test_a_line_whose_units_do_not_add_up_is_refused(
    engine: AsyncEngine, by_hand: ByHand, change: str, constraint: str
) -> None:
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError, match=constraint):
            await connection.execute(
                text(f"update ledger.order_line set {change} where tenant = :tenant"),
                {"tenant": by_hand.warehouse.tenant},
            )
