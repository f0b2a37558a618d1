"""Every id and queue name that Temporal knows us by."""

from __future__ import annotations

from typing import Final

from domain.messages import OrderId

ORDERS_QUEUE: Final = "orders"
"""Workflows, with their short steps in the house as local activities."""
STOCK_QUEUE: Final = "stock"
"""Steps in the house that ran out of time as local activities, and wait for the ledger."""
ERP_QUEUE: Final = "erp"
CARRIERS_QUEUE: Final = "carriers"


LEDGER_CHECKPOINT: Final = "ledger/checkpoint"
"""The schedule of the checkpoints; its workflows' ids begin with it."""
LEDGER_CHECK: Final = "ledger/check"
"""The schedule of the nightly check, likewise."""


def order_workflow(order: OrderId) -> str:
    """Name the one workflow of an order."""
    return f"order/{order.tenant}/{order.order_ref}"


def order_of(workflow_id: str) -> OrderId | None:
    """Return the order of its workflow; None where it is another's."""
    kind, _, name = workflow_id.partition("/")
    tenant, _, order_ref = name.partition("/")
    return OrderId(tenant=tenant, order_ref=order_ref) if kind == "order" and order_ref else None


def return_workflow(tenant: str, return_no: str) -> str:
    """Name the workflow of a return that comes after its order was closed."""
    return f"return/{tenant}/{return_no}"
