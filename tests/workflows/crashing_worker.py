"""A worker to which something happens at a named point of an order's life, once. Run by the test, not imported by it.

The folder CRASH_DIR holds a file for each point, named for it, with what fails and the order that it is for. Whoever
comes to the point first removes the file; then it kills itself (-9), or PostgreSQL ends all its connections.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from activities.orders import OrderActivities
from commands.decide import Decisions
from commands.erp.tell import ErpFeed
from commands.posting_effects import PostingEffects
from commands.shipping.book_label import LabelBooking
from commands.shipping.carrier_events import CarrierEvents
from domain.messages import OrderId
from records.erp import erp_feed
from runtime.cli import signals
from runtime.processes.worker import run_worker
from runtime.settings import Settings

ARMED = Path(os.environ["CRASH_DIR"])


def die_at(point: str, order_ref: str) -> None:
    armed = ARMED / point
    failing, _, of = armed.read_text().partition(" ") if armed.exists() else ("", "", "")
    if of == order_ref:
        armed.rename(armed.with_suffix(".fired"))
        FAILURES[failing]()


def kill_the_worker() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def end_all_connections() -> None:
    with psycopg.connect(os.environ["CRASH_ADMIN_URL"], application_name="test", autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s",
            (os.environ["PGAPPNAME"],),
        )


FAILURES = {"worker": kill_the_worker, "postgresql": end_all_connections}


def around(owner: type, name: str, before: Callable[..., None] | None, after: Callable[..., None] | None) -> None:
    """Wrap an asynchronous method."""
    inner = getattr(owner, name)

    async def wrapped(self: Any, *args: Any) -> Any:
        if before:
            before(*args)
        result = await inner(self, *args)
        if after:
            after(*args)
        return result

    setattr(owner, name, wrapped)


def at_decision(row: Any, *_: Any) -> None:
    die_at(f"before {row.kind} is decided", row.order_ref)


def before_commit(_connection: Any, outcomes: Any, _prepared: Any) -> None:
    for outcome in outcomes:
        for order_ref in outcome.request.orders():
            die_at(f"before {outcome.request.posting_reason()} commits", order_ref)


def before_booking(step: Any, *_: Any) -> None:
    die_at("before the carrier is asked", step.order_ref)


def before_keeping(step: Any, *_: Any) -> None:
    die_at("after the carrier has booked", step.order_ref)


def after_keeping(step: Any, *_: Any) -> None:
    die_at("after the label is kept", step.order_ref)


def after_events(order: Any) -> None:
    die_at("after events are applied", order.order_ref)


def wrap_decided() -> None:
    """Die where every run of a command comes by: another order may kill one between its commit and its answer."""
    decide_first = OrderActivities._decide_first

    async def after(self: Any, *args: Any) -> Any:
        row = await decide_first(self, *args)
        die_at(f"after {row.kind} is decided", row.order_ref)
        return row

    OrderActivities._decide_first = after  # type: ignore[method-assign]


def wrap_erp() -> None:
    """Die where every run of a message comes by: one that was killed by another order asks, and does not send again."""
    port, done = ErpFeed._port, erp_feed.done
    telling = threading.local()

    def before(self: Any, row: Any) -> Any:
        telling.kind = row.kind
        die_at(f"before the ERP is told {row.kind}", row.order_ref)
        return port(self, row)

    def after(connection: Any, order: OrderId, *rest: Any, **more: Any) -> Any:
        die_at(f"after the ERP was told {telling.kind}", order.order_ref)
        return done(connection, order, *rest, **more)

    ErpFeed._port = before  # type: ignore[method-assign]
    erp_feed.done = after


around(Decisions, "decide", at_decision, None)
around(PostingEffects, "write", None, before_commit)
around(LabelBooking, "_claim", None, before_booking)
around(LabelBooking, "_keep", before_keeping, after_keeping)
around(CarrierEvents, "apply_all", None, after_events)
wrap_decided()
wrap_erp()
signals.run_fast(run_worker(Settings.load()))
