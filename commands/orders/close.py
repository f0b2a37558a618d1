"""An order of which nothing is left to do is closed."""

from __future__ import annotations

from sqlalchemy import Connection

from domain.messages import OrderId
from queries.orders.order_work import read_work_at_once
from records.orders import closing


def close_if_done(connection: Connection, order: OrderId) -> bool:
    """Close an order of which nothing is left to do, in the caller's transaction. Says whether it is closed."""
    closing.lock(connection, order)
    work = read_work_at_once(connection, order)
    done = work.over and not work.erp_steps and not work.carrier_steps
    if done and not work.closed:
        closing.close(connection, order)
    return work.closed or done
