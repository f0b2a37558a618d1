"""The rows that are read by position have the fields of their tables, in their order."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from domain.shipping.parcels import Parcel, Shipment
from records.erp.erp_feed import FeedMessage
from records.inventory.count_tasks import CountTask
from records.inventory.discrepancies import DiscrepancyRow
from records.orders.inbox import InboxRow
from records.orders.orders import OrderRow
from records.returns.return_authorizations import AuthorizationRow
from records.shipping.carrier_events import CarrierEventRow
from records.shipping.shipments import Step
from records.tables import (
    carrier_event,
    carrier_step,
    count_task,
    discrepancy,
    erp_message,
    inbox,
    orders,
    parcel,
    return_authorization,
    shipment,
)


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        (OrderRow, orders.c.keys()),
        (Shipment, shipment.c.keys()),
        (CarrierEventRow, carrier_event.c.keys()),
        (CountTask, count_task.c.keys()),
        (DiscrepancyRow, discrepancy.c.keys()),
        (AuthorizationRow, return_authorization.c.keys()),
        (FeedMessage, erp_message.c.keys()),
        (Parcel, [name for name in parcel.c.keys() if name != "label"]),  # noqa: SIM118 - a collection of columns
    ],
)
def test_a_row_has_what_its_table_has_in_that_order(row: Any, columns: list[str]) -> None:
    assert [field.name for field in fields(row)] == list(columns)


def test_a_step_has_all_that_its_table_has() -> None:
    assert {field.name for field in fields(Step)} == set(carrier_step.c.keys())


def test_a_command_begins_with_what_its_table_has() -> None:
    names = ["payload" if field.name == "document" else field.name for field in fields(InboxRow)]
    assert names[: len(inbox.c)] == list(inbox.c.keys())
