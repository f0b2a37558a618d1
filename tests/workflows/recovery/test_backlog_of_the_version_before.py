"""What the version before left undone is finished by this one, as that would have finished it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import create_async_engine

from ledger.verifying.verification import verify
from relay.order_gateway import OrderGateway
from runtime import migrating
from runtime.embedded.ports import preferred_or_free
from runtime.embedded.servers import BackingServices, backing_services
from runtime.processes import clients
from runtime.processes.api import serve_api
from runtime.processes.relay import run_relay
from runtime.processes.worker import run_worker
from runtime.settings import Settings, sqlalchemy_url
from tests.workflows.conftest import process, settings_for
from tests.workflows.hub import Hub
from tests.workflows.partners import Partners

from .backups import run

BACKLOG: Final = Path(__file__).with_name("backlog_of_the_version_before.sql")
SCHEMA: Final = "0030"
TENANT, KEY = "before", "key-of-the-version-before"

PICKED: Final = [
    {"line_no": 1, "quantity": 4, "location_id": "HAM-A"},
    {"line_no": 2, "quantity": 2, "location_id": "HAM-A", "lot": "L-1"},
]
"""What was said of a pick, and accepted."""

LEFT: Final = """
select 'command ' || key as what from records.inbox where state = 'queued'
union all select 'signal to ' || order_ref from records.outbox where delivered_at is null
union all select 'event of ' || order_ref from records.carrier_event where order_ref is not null and applied_at is null
union all select 'message of ' || order_ref from records.erp_message where state not in ('done', 'skipped')
union all select step_id from records.carrier_step where state in ('intended', 'sent', 'unknown')
union all select 'a person for ' || (attention ->> 'step') from records.orders where needs_attention
"""
"""What is left to do. The backlog has its database for itself, so no tenant is asked for."""

DECIDED: Final = {
    "push/SO-FIRST/1": "accepted",
    "push/SO-KIT/1": "accepted",
    "push/SO-NONE/1": "insufficient_stock",
    "push/SO-INSTEAD/1": "accepted",
    "push/SO-ADVANCE/1": "accepted",
    "push/SO-AMEND/2": "amended",
    "cancel/SO-CANCEL/X-1": "done",
    "cancel/SO-CANCEL/X-2": "not_cancellable",
    "cancel/SO-DROP/X-1": "done",
    "pick/SO-PICK/P-1": "done",
    "pick/SO-SHORT/P-1": "done",
    "put_back/SO-PUT-BACK/B-1": "done",
    "ship/SO-SHIP/SO-SHIP-1": "done",
    "hand_over/SO-SHIP/SO-SHIP-1/H-1": "done",
    "ship/SO-BOXES/SO-BOXES-1": "done",
    "hand_over/SO-LABELED/SO-LABELED-1/H-1": "done",
    "intercept/SO-INTERCEPT/SO-INTERCEPT-1/I-1": "done",
    "loss/SO-LOST/SO-LOST-1/L-1": "done",
    "loss/SO-LOST/SO-LOST-1/L-2": "done",
    "loss/SO-PART-LOST/SO-PART-LOST-1/L-1": "done",
    "return/SO-RETURN/R-1-SO-RETURN": "done",
    "return/SO-RETURN/R-2-SO-RETURN": "done",
    "return/SO-RETURN/R-3-SO-RETURN": "over_authorized",
    "operate/SO-STUCK-1/O-1": "done",
    "operate/SO-ADDRESS/O-1": "done",
    "pick/SO-SERIAL/P-1": "done",
    "batch/SO-STUCK-2/OPS-1": "done",
    "batch/SO-STUCK-3/OPS-1": "done",
    "batch/SO-QUEUE/OPS-2": "done",
    "batch/SO-STUCK-3/OPS-2": "flag_changed",
    "operate/SO-EXPIRED/backorder_until/2026-11-01T11:00:00+00:00/1": "done",
}
"""What the version before made of each command that it had left, by its key: an outcome, or why it was refused."""

UNTOUCHED: Final = "1: 4 ordered, 4 reserved; 2: 2 ordered, 2 reserved"
IN_STAGING: Final = "1: 4 ordered, 4 reserved, 4 picked; 2: 2 ordered, 2 reserved, 2 picked"
GONE: Final = "1: 4 ordered, 4 shipped; 2: 2 ordered, 2 shipped"
BEGUN: Final = "accepted reserved"

FINISHED: Final = {
    "SO-ADDRESS": ("labeled", IN_STAGING, BEGUN),
    "SO-ADVANCE": ("reserved", "1: 1 ordered, 1 reserved", BEGUN),
    "SO-AMEND": (
        "reserved",
        (
            "1: 6 ordered, 6 reserved; 3: 2 ordered, 2 reserved; "
            "1000004: 1 ordered, 1 reserved; 2000004: 2 ordered, 2 reserved"
        ),
        "accepted reserved amended",
    ),
    "SO-BOOKED": ("labeled", IN_STAGING, BEGUN),
    "SO-BOXES": ("shipped", GONE, "accepted reserved shipped"),
    "SO-CANCEL": (
        "reserved",
        "1: 4 ordered, 3 reserved, 1 cancelled; 2: 2 ordered, 2 cancelled",
        "accepted reserved cancelled",
    ),
    "SO-CLOSED": (
        "delivered (closed)",
        "1: 4 ordered, 4 shipped, 4 delivered, 1 returned; 2: 2 ordered, 2 shipped, 2 delivered",
        "accepted reserved shipped delivered returned",
    ),
    "SO-DROP": (
        "cancelled (closed)",
        "1: 4 ordered, 4 cancelled; 2: 2 ordered, 2 cancelled",
        "accepted reserved cancelled",
    ),
    "SO-EXPIRED": (
        "reserved",
        "1: 3 ordered, 3 cancelled; 2: 1 ordered, 1 reserved",
        "accepted reserved backordered cancelled",
    ),
    "SO-FIRST": (
        "reserved",
        "1: 6 ordered, 6 reserved; 2: 2 ordered, 2 reserved; 3: 1 ordered, 1 reserved; 1000001: 2 ordered, 2 reserved",
        BEGUN,
    ),
    "SO-HEARD": (
        "delivered (closed)",
        "1: 4 ordered, 4 shipped, 4 delivered; 2: 2 ordered, 2 shipped, 2 delivered",
        "accepted reserved shipped delivered",
    ),
    "SO-INSTEAD": ("reserved", "1: 1 ordered, 1 reserved", BEGUN),
    "SO-INTERCEPT": (
        "shipped (flagged)",
        "1: 4 ordered, 4 shipped; 2: 2 ordered, 2 shipped, 2 delivered",
        "accepted reserved shipped",
    ),
    "SO-KIT": (
        "reserved",
        "2: 1 ordered, 1 reserved; 1000001: 2 ordered, 2 reserved; 2000001: 4 ordered, 4 reserved",
        BEGUN,
    ),
    "SO-LABELED": ("shipped", GONE, "accepted reserved shipped"),
    "SO-LABELING": ("labeled", IN_STAGING, BEGUN),
    "SO-LOST": (
        "reserved",
        "1: 4 ordered, 4 reserved; 2: 2 ordered, 2 cancelled",
        "accepted reserved shipped cancelled reserved cancelled cancelled",
    ),
    "SO-PART-LOST": (
        "shipped",
        "1: 4 ordered, 3 shipped, 1 cancelled; 2: 2 ordered, 2 shipped",
        "accepted reserved shipped cancelled cancelled",
    ),
    "SO-PICK": ("picked", IN_STAGING, BEGUN),
    "SO-PUT-BACK": (
        "picked",
        "1: 3 ordered, 3 reserved, 3 picked; 2: 2 ordered, 2 reserved, 2 picked",
        "accepted reserved amended",
    ),
    "SO-QUEUE": (
        "cancelled (closed)",
        "1: 6 ordered, 6 cancelled",
        "accepted reserved backordered reserved cancelled",
    ),
    "SO-RETURN": (
        "delivered (closed)",
        "1: 4 ordered, 4 shipped, 4 delivered, 2 returned; 2: 2 ordered, 2 shipped, 2 delivered, 1 returned",
        "accepted reserved shipped delivered returned returned",
    ),
    "SO-SCANNED": ("shipped", GONE, "accepted reserved shipped"),
    "SO-SERIAL": ("picked", "1: 1 ordered, 1 reserved, 1 picked", BEGUN),
    "SO-SHIP": ("shipped", GONE, "accepted reserved shipped"),
    "SO-SHORT": (
        "picking",
        "1: 4 ordered, 4 reserved, 3 picked; 2: 2 ordered, 2 reserved, 2 picked",
        BEGUN,
    ),
    "SO-STUCK-1": ("reserved", UNTOUCHED, BEGUN),
    "SO-STUCK-2": ("reserved", UNTOUCHED, BEGUN),
    "SO-STUCK-3": ("reserved", UNTOUCHED, BEGUN),
    "SO-STUCK-4": ("reserved", UNTOUCHED, BEGUN),
    "SO-UNTOLD-1": ("reserved", UNTOUCHED, BEGUN),
    "SO-UNTOLD-2": ("reserved", UNTOUCHED, BEGUN),
    "SO-VOIDING": ("labeled (flagged)", IN_STAGING, "accepted reserved amended"),
}
"""How each order stood when the version before had finished: status, lines, and what the ERP had been told."""

LEFT_TO_A_PERSON: Final = {
    f"{prefix}{step}"
    for step in ("intercept/SO-INTERCEPT-1/1/1", "void/SO-VOIDING-1/1")
    for prefix in ("", "a person for ")
}
"""The carrier here never saw what was booked with the one there."""


@pytest_asyncio.fixture(scope="module")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BackingServices]:
    """A PostgreSQL with the backlog, and a Temporal that knows nothing of it."""
    async with backing_services(tmp_path_factory.mktemp("backlog"), migrations=False) as started:
        admin_url = started.database_admin_url
        await asyncio.to_thread(migrating.migrate, admin_url, revision=SCHEMA)
        load = ("--set", "ON_ERROR_STOP=1", "--single-transaction", "--file", str(BACKLOG))
        await run("psql", "--quiet", *load, admin_url)
        await asyncio.to_thread(migrating.migrate, admin_url)
        await asyncio.to_thread(migrating.ensure_login_role, admin_url, *migrating.login_of(started.database_url))
        yield started


@pytest_asyncio.fixture(scope="module")
async def hub(services: BackingServices, settings: Settings, partners: Partners) -> AsyncIterator[Hub]:
    """A hub whose connections were given what the version before had in its environment."""
    engine = create_async_engine(sqlalchemy_url(services.database_url), pool_size=10)
    client = await clients.temporal_of(settings)
    await partners.connect(engine, TENANT)
    yield Hub(engine, clients.ledger_of(engine), OrderGateway(client, engine), client, TENANT)
    await engine.dispose()


@pytest.fixture(scope="module")
def settings(services: BackingServices) -> Settings:
    return settings_for(services)


@pytest_asyncio.fixture(scope="module")
async def door(settings: Settings, hub: Hub) -> AsyncIterator[httpx.AsyncClient]:
    """The API, as one speaks to it who has a key of the version before."""
    given = settings.model_copy(update={"api_port": preferred_or_free(None, besides=[])})
    url, headers = f"http://127.0.0.1:{given.api_port}", {"Authorization": f"Bearer {KEY}"}
    async with process(serve_api, given), httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as http:
        await hub.until("the API answers", lambda: answers(http))
        yield http


async def test_a_backlog_of_the_version_before_is_finished(
    services: BackingServices, settings: Settings, hub: Hub
) -> None:
    queued = await hub.rows("select key from records.inbox where state = 'queued'")
    assert {row["key"] for row in queued} == {*DECIDED}

    async with process(run_relay, settings), process(run_worker, settings):
        with suppress(AssertionError):  # what is left says more
            await hub.until("the backlog is finished", lambda: is_finished(hub))
        assert await left(hub) == LEFT_TO_A_PERSON
        for order_no, (status, *_) in FINISHED.items():
            if "closed" in status:
                await hub.until_closed(order_no)

    assert await decided(hub) == DECIDED
    assert {order_no: await standing(hub, order_no) for order_no in FINISHED} == FINISHED
    assert await asyncio.to_thread(lambda: verify(services.database_url).findings) == []


async def test_what_the_version_before_answered_is_answered_the_same(door: httpx.AsyncClient) -> None:
    refused = await read(door, "orders/SO-REFUSED")
    assert (refused["status"], *told(refused["last_refusal"])) == ("refused", "/problems/insufficient-stock", 422)
    (act,) = (await read(door, "operator-batches/OPS-00"))["items"]
    assert (act["state"], *told(act["problem"])) == ("refused", "/problems/flag-changed", 409)

    picked = {"pick_no": "P-1", "lines": PICKED, "short": False, "device": "scanner-7"}
    again = await door.post("/api/orders/SO-SHIP/picks", json=picked)
    assert (again.status_code, again.json()["outcome"]) == (200, "done")
    assert (await door.post("/api/orders/SO-SHIP/picks", json=picked | {"short": True})).status_code == 409


async def test_orders_of_the_version_before_can_be_read(door: httpx.AsyncClient) -> None:
    for order_no in FINISHED:
        assert (await read(door, f"orders/{order_no}"))["order_no"] == order_no
        assert (await read(door, f"orders/{order_no}/timeline"))["items"]
    for return_no in ("R-1-SO-RETURN", "R-2-SO-RETURN"):
        assert (await read(door, f"orders/SO-RETURN/returns/{return_no}"))["lines"]


async def left(hub: Hub) -> set[str]:
    return {row["what"] for row in await hub.rows(LEFT)}


async def is_finished(hub: Hub) -> bool:
    return await left(hub) == LEFT_TO_A_PERSON


async def decided(hub: Hub) -> dict[str, str]:
    """Say what became of each command of the backlog."""
    said = "coalesce(answer ->> 'outcome', answer ->> 'code') as said"
    rows = await hub.rows(f"select key, {said} from records.inbox where key = any(:keys)", keys=[*DECIDED])
    return {row["key"]: row["said"] for row in rows}


async def standing(hub: Hub, order_no: str) -> tuple[str, str, str]:
    """Say how an order stands."""
    order = "select status, needs_attention, closed_at from records.orders where order_ref = :order_ref"
    (row,) = await hub.rows(order, order_ref=order_no)
    marks = (" (closed)" if row["closed_at"] else "") + (" (flagged)" if row["needs_attention"] else "")
    lines = [
        f"{line_no}: " + ", ".join(f"{quantity} {name}" for name, quantity in quantities.items())
        for line_no, quantities in sorted((await hub.quantities(order_no)).items())
    ]
    kinds = [message["kind"] for message in await hub.messages(order_no) if message["state"] == "done"]
    return row["status"] + marks, "; ".join(lines), " ".join(kinds)


async def answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/healthz")).is_success
    except httpx.TransportError:
        return False


async def read(door: httpx.AsyncClient, path: str) -> dict[str, Any]:
    answer = await door.get(f"/api/{path}")
    assert answer.status_code == httpx.codes.OK, answer.text
    return dict(answer.json())


def told(problem: dict[str, Any]) -> tuple[str, int]:
    """Say which problem it is, and with which status it is answered."""
    return problem["type"], problem["status"]
