"""Every id and queue name that Temporal knows us by."""

from __future__ import annotations

from typing import Final

from domain.messages import OrderId

ORDERS_QUEUE: Final = "orders"
"""Workflows, with their short steps in the house as local activities."""
STOCK_QUEUE: Final = "stock"
"""Steps in the house that ran out of time as local activities, and wait for the ledger."""
ERP_QUEUE: Final = "erp"
"""What ERPs are told that have no connection any more, or that a build scheduled that knew no connections."""
CARRIERS_QUEUE: Final = "carriers"
"""The same for carriers."""


def erp_queue(tenant: str, source: str) -> str:
    """Name the queue of an ERP's connection: one that hangs holds up no other."""
    return f"{ERP_QUEUE}/{tenant}/{source}" if source else ERP_QUEUE


def carrier_queue(tenant: str, carrier: str) -> str:
    """Name the queue of a carrier's connection."""
    return f"{CARRIERS_QUEUE}/{tenant}/{carrier}" if carrier else CARRIERS_QUEUE


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
