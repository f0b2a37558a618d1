"""Random stories of serial numbers that are named: exactly the named unit moves, or the call is refused and none does.

Which units a hold is made of is the ledger's choice: it is seen, not said. What is named is checked by where every unit
was before, by an auditor that knows nothing of the ledger's rules; the witness looks at all invariants as ever.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from psycopg.rows import namedtuple_row

from domain.errors import Rejected
from ledger.requests import Request
from ledger.writing.writer import LedgerWriter
from runtime.embedded.servers import BackingServices
from tests.ledger.warehouse import BIN, RETURNS, STAGING, Warehouse

from .stories import Stage
from .witness import Witness

STORIES = int(os.environ.get("STOCKBRIDGE_STORIES", "0"))
"""As in test_state_machine.py, a tenth of them; 0 for 60, always the same."""
STEPS = 25
PHONE = "PHONE"
ORDERS = ("SO-1", "SO-2", "SO-3")
SERIALS = tuple(f"S{number}" for number in range(6))

UNITS = """
select s.serial_number as serial, s.location_id as place,
       (select e.order_ref from ledger.entry e where e.stream_id = s.stream_id and e.reserved_delta > 0
        order by e.seq desc limit 1) as promised_last,
       t.reserved
from ledger.stream s cross join lateral (
  select reserved, on_hand from ledger.entry e where e.stream_id = s.stream_id order by seq desc limit 1
) t
where s.tenant = %s and s.sku = %s and t.on_hand > 0
"""

orders = st.sampled_from(ORDERS)
serials = st.sampled_from(SERIALS)


class Unit(NamedTuple):
    """Where a unit is, and whose: an order's, or nobody's (empty)."""

    place: str
    holder: str


class NamedStory(RuleBasedStateMachine):
    """Names units, right ones and wrong ones."""

    stage: Stage

    def __init__(self) -> None:
        super().__init__()
        engine = self.stage.engine
        self.warehouse = Warehouse(LedgerWriter(engine), engine, f"n-{uuid4().hex[:12]}")
        self.witness = Witness(self.stage.looking, self.warehouse.tenant)
        self.lines: dict[str, Any] = {}
        self.units: dict[str, Unit] = {}
        self.look()

    def look(self) -> None:
        """See where every unit is now."""
        seen = self.witness.look()
        self.lines = {order_ref: line for (order_ref, _, _), line in seen.lines.items()}
        cursor = self.stage.looking.cursor(row_factory=namedtuple_row)
        rows = cursor.execute(UNITS, [self.warehouse.tenant, PHONE]).fetchall()
        self.units = {row.serial: Unit(row.place, row.promised_last if row.reserved else "") for row in rows}

    def post(self, request: Request) -> None:
        async def posting() -> None:
            await self.warehouse.post(request)

        self.stage.runner.run(posting())

    def expect(self, request: Request, serial: str, *, possible: bool, to: str) -> None:
        """Post what names a unit: it moves, and no other does; or it is refused, and none does."""
        before = self.places()
        if possible:
            self.post(request)
            self.look()
            assert self.places() == before | {serial: to}
        else:
            with pytest.raises(Rejected):
                self.post(request)
            self.look()
            assert self.places() == before

    def places(self) -> dict[str, str]:
        return {serial: unit.place for serial, unit in self.units.items()}

    def at(self, serial: str, place: str, *holders: str) -> bool:
        unit = self.units.get(serial)
        return unit is not None and unit.place == place and (not holders or unit.holder in holders)

    def on_line(self, order: str, name: str) -> int:
        return getattr(self.lines[order], name) if order in self.lines else 0

    # -- what may be asked --------------------------------------------------------------------------------------------

    @rule(serial=serials)
    def receive(self, serial: str) -> None:
        request = self.warehouse.receipt(PHONE, 1, serials=(serial,))
        self.expect(request, serial, possible=serial not in self.units, to=BIN.location_id)

    @rule(order=orders, quantity=st.integers(1, 4))
    def order(self, order: str, quantity: int) -> None:
        """Order or amend: nothing moves, whichever units it is promised."""
        before = self.places()
        with suppress(Rejected):  # less than has left, or more of what has left as a whole
            self.post(self.warehouse.order(order, (1, PHONE, quantity)))
        self.look()
        assert self.places() == before

    @precondition(lambda self: self.lines)
    @rule(data=st.data(), serial=serials, somewhere=st.booleans())
    def pick(self, data: st.DataObject, serial: str, somewhere: bool) -> None:
        """Pick by serial number, of the place or wherever it lies: the held one, or a free one in its stead."""
        order = self.of(data)
        unpicked = self.on_line(order, "reserved") - self.on_line(order, "picked")
        request = self.warehouse.pick(order, 1, PHONE, 1, place=None if somewhere else BIN, serials=(serial,))
        possible = unpicked > 0 and self.at(serial, BIN.location_id, order, "")
        self.expect(request, serial, possible=possible, to=STAGING.location_id)
        assert not possible or self.units[serial].holder == order

    @precondition(lambda self: any(line.to_put_back for line in self.lines.values()))
    @rule(data=st.data(), serial=serials)
    def put_back(self, data: st.DataObject, serial: str) -> None:
        order = self.of(data)
        possible = self.on_line(order, "to_put_back") > 0 and self.at(serial, STAGING.location_id, order)
        request = self.warehouse.put_back(order, 1, PHONE, 1, serials=(serial,))
        self.expect(request, serial, possible=possible, to=BIN.location_id)

    @precondition(lambda self: self.lines)
    @rule(data=st.data(), serial=serials)
    def issue(self, data: st.DataObject, serial: str) -> None:
        """A unit that is in the house leaves, whoever it was promised to."""
        order = self.of(data)
        if self.at(serial, BIN.location_id) or self.at(serial, STAGING.location_id):
            request = self.warehouse.issue(order, order, (1, PHONE, 1), serials=(serial,))
            self.expect(request, serial, possible=True, to=f"transit/{order}")

    @precondition(lambda self: any(unit.place.startswith("transit/") for unit in self.units.values()))
    @rule(data=st.data(), lost=st.booleans(), resend=st.booleans())
    def arrive(self, data: st.DataObject, lost: bool, resend: bool) -> None:
        """A unit that is underway arrives, or never will."""
        underway = [serial for serial, unit in self.units.items() if unit.place.startswith("transit/")]
        serial = data.draw(st.sampled_from(sorted(underway)))
        order = self.units[serial].place.removeprefix("transit/")
        line = (1, PHONE, 1)
        if lost:
            request: Request = self.warehouse.lose(order, order, line, resend=resend, serials=(serial,))
            self.expect(request, serial, possible=True, to="adjustment/HAM")
        else:
            request = self.warehouse.deliver(order, order, line, serials=(serial,))
            self.expect(request, serial, possible=True, to=f"customer/{order}")

    @precondition(lambda self: any(line.delivered for line in self.lines.values()))
    @rule(data=st.data(), serial=serials)
    def give_back(self, data: st.DataObject, serial: str) -> None:
        """Only a unit that the customer has comes back."""
        order = self.of(data)
        request = self.warehouse.give_back(order, 1, PHONE, 1, serials=(serial,))
        possible = self.at(serial, f"customer/{order}")
        self.expect(request, serial, possible=possible, to=RETURNS.location_id)

    def of(self, data: st.DataObject) -> str:
        return str(data.draw(st.sampled_from(sorted(self.lines))))

    @invariant()
    def every_unit_is_in_one_place(self) -> None:
        assert all(unit.place != "supplier/HAM" for unit in self.units.values())


def test_exactly_the_unit_that_is_named_moves_or_none_does(database: BackingServices, seed: int) -> None:
    stage = Stage(database.database_url)
    machine: Any = type("NamedStory", (NamedStory,), {"stage": stage})
    try:
        run_state_machine_as_test(
            machine if STORIES else seeded(seed)(machine),
            settings=settings(
                max_examples=STORIES // 10 or 60,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        stage.close()
