"""What is read has names: rows have the fields of their tables, and no room hands out dicts in their place."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from sqlalchemy import Row as SqlRow
from sqlalchemy import RowMapping

import queries
import records
from domain.shipping.parcels import Parcel, Shipment
from records.catalog import LocationRow, ProductRow
from records.erp.messages import FeedMessage
from records.inventory.count_tasks import CountTask
from records.inventory.discrepancies import DiscrepancyRow
from records.orders.inbox import InboxRow
from records.orders.operator_batches import BatchRow
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
    location,
    operator_batch,
    orders,
    parcel,
    product,
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
        (BatchRow, operator_batch.c.keys()),
        (ProductRow, product.c.keys()[:-1]),
        (LocationRow, location.c.keys()[:-1]),
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


# -- what the rooms hand out -----------------------------------------------------------------------------------------

DOCUMENTS = {
    # What others said, kept word for word: the office of its goods and places, the ERP or a person of a customer.
    "records.catalog.ProductRow.packagings",
    "records.catalog.ProductRow.adds",
    "records.catalog.LocationRow.capacity",
    "records.catalog.LocationRow.address",
    "records.people.Address.ship_to",
    "queries.orders.views.OrderShown.ship_to",
    "queries.orders.views.PushShown.ship_to",
    # A command as it came, which its kind reads; and what it was answered.
    "records.orders.inbox.InboxRow.document",
    "records.orders.inbox.InboxRow.answer",
    "records.orders.order_reads.Said.payload",
    "records.orders.order_reads.Said.answer",
    "records.orders.order_work.CommandBrief.answer",
    "records.orders.operator_batches.Batch.request",
    "records.orders.operator_batches.BatchRow.request",
    "records.orders.operator_batches.Act.payload",
    "records.orders.operator_batches.ActedOn.answer",
    # What an adapter must know, which that reads; and what was done to a connection.
    "records.access.connections.Connection.settings",
    "records.access.connections.Act.what",
    # A message of the feed to an ERP: written by one build, told by another.
    "records.erp.messages.FeedMessage.payload",
    "records.erp.erp_feed.ErpMessageRow.payload",
    "queries.orders.erp_changes.shipped_lines",
    "queries.orders.erp_changes.cancelled_changes",
    "queries.orders.erp_changes.demand_changes",
}
"""The JSON documents that a room hands out as they are, and nothing else that is no type."""


def test_no_room_of_reads_hands_out_rows_without_names() -> None:
    untyped = {name for name, hint in handed_out() if holds_no_type(hint)}
    assert untyped - DOCUMENTS == set(), "give it a type, or name the JSON document in the list"
    assert DOCUMENTS - untyped == set(), "it has a type now: take it off the list"


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (OrderRow, False),
        (list[OrderRow] | None, False),
        (dict[tuple[str, str], OrderRow], False),
        (Mapping[str, int] | None, False),
        (Counter[tuple[int, str]], False),
        (Any, True),
        (dict[str, Any], True),
        (dict[str, dict[str, str]], True),
        (list[dict[str, str]], True),
        (tuple[Any, ...], True),
        (dict, True),
        (RowMapping | None, True),
        (list[SqlRow[tuple[str]]], True),
    ],
)
def test_an_index_of_what_has_a_type_is_a_type(hint: Any, *, expected: bool) -> None:
    assert holds_no_type(hint) is expected


def handed_out() -> Iterator[tuple[str, Any]]:
    """Yield what is public of records and queries: what functions return, and what the fields of classes are."""
    for room in (records, queries):
        for found in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            module = importlib.import_module(found.name)
            for name, member in public(module):
                if getattr(member, "__module__", None) == module.__name__:
                    yield from hints_of(f"{module.__name__}.{name}", member)


def hints_of(name: str, member: Any) -> Iterator[tuple[str, Any]]:
    if inspect.isclass(member):
        yield from ((f"{name}.{field}", hint) for field, hint in get_type_hints(member).items())
        for inner, each in public(member):
            if inner != "as_row":  # what is written into the tables is a document
                yield from hints_of(f"{name}.{inner}", each)
    elif function := function_of(member):
        yield name, get_type_hints(function).get("return")


def function_of(member: Any) -> Any:
    """Return the function behind a method or property; None where there is none."""
    behind = [getattr(member, name, None) for name in ("fget", "func", "__func__")]
    return next(filter(inspect.isfunction, [member, *behind]), None)


def public(of: Any) -> Iterator[tuple[str, Any]]:
    return ((name, member) for name, member in vars(of).items() if not name.startswith("_"))


def holds_no_type(hint: Any, *, is_inside: bool = False) -> bool:
    """Say whether a hint is or holds anything, a driver's row, or a dict in place of one.

    From a key to what has a type leads an index. One inside of another thing stands for a row.
    """
    kind, args = get_origin(hint) or hint, get_args(hint)
    if kind in {Union, UnionType}:
        return any(holds_no_type(arg, is_inside=is_inside) for arg in args)
    is_class = inspect.isclass(kind)
    if hint is Any or (is_class and issubclass(kind, (SqlRow, RowMapping))):
        return True
    if is_class and issubclass(kind, Mapping) and not issubclass(kind, Counter) and (is_inside or not args):
        return True
    return any(holds_no_type(arg, is_inside=True) for arg in args)
