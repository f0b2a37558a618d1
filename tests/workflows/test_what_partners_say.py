"""What carriers and ERPs say may be about people: it is read by API, and stays out of histories, flags and logs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from os import environ
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from sqlalchemy import text
from temporalio.client import WorkflowHandle

from api.shipping import intercepts
from runtime.settings import Settings

from .hub import ADDRESS
from .partners import Partners
from .shop import Body, Order, Shop

pytestmark = pytest.mark.usefixtures("well_behaved")

NAME, PHONE = "Quist", "5550199"
WORDS: Final = f"Wilhelmina {NAME} does not answer at +49 171 {PHONE}."
CODE: Final = f"NO_{NAME.upper()}"
REFUSED: Final = {"count": 1, "code": CODE, "message": WORDS}

PICKED: Final = {"line_no": 1, "quantity": 4, "location_id": "HAM-A"}
TABLES_WITH_WORDS: Final = {"partner_words", "carrier_event"}
ERASE: Final = """update records.address set data = null where tenant = :tenant and address_id in (
  select address_id from records.order_revision where tenant = :tenant and order_ref = :order_ref)"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def logs(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """A worker and a relay in processes of their own, which log all that they can."""
    path = tmp_path_factory.mktemp("logs") / "log"
    given = settings.model_copy(update={"log_level": "debug", "log_format": "json"})
    with path.open("ab") as log:
        processes = [
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "runtime.cli", name),
                env={**environ, **given.environment()},
                stdout=log,
                stderr=log,
            )
            for name in ("worker", "relay")
        ]
        yield path
        for process in processes:
            process.terminate()
        await asyncio.gather(*(process.wait() for process in processes))


def leaks(data: bytes) -> list[str]:
    return [word for word in (NAME, NAME.upper(), PHONE) if word.encode() in data]


async def kept_by_temporal(workflow: WorkflowHandle[object, object]) -> bytes:
    """All that Temporal has of a workflow: its history, what it lists, what it shows, and what is pending."""
    events = [event.SerializeToString() async for event in workflow.fetch_history_events()]
    described = await workflow.describe()
    return b"".join([*events, described.raw_description.SerializeToString()])


async def stuck(order: Order, step: str) -> Body:
    """Wait until an order needs a person for a step, and check that only the API says what was said."""
    hub = order.shop.hub

    async def flagged() -> bool:
        row = await hub.order(order.order_no)
        attention = (row["attention"] if row else None) or {}
        return str(attention.get("step", "")).startswith(step)

    await hub.until(f"{order.order_no} is stuck at {step}", flagged)
    attention = (await hub.must_have(order.order_no))["attention"]
    assert leaks(str(attention).encode()) == []
    assert leaks((await hub.details(order.order_no)).encode()) == []
    shown: Body = (await order.view())["attention"]
    return shown


async def unstick(order: Order, shown: Body) -> None:
    """Check that the API has a partner's words, and have the step tried again."""
    assert (shown["said"]["words"], shown["said"]["said_id"]) == (f"{CODE}: {WORDS}", shown["said_id"])
    assert leaks(shown["reason"].encode()) == []
    step = shown["step"].replace("/", "-")
    row = await order.shop.hub.operate(order.order_no, "retry_step", None, f"O-{step}-{order.order_no}")
    assert row.state == "accepted"


async def refused_by_the_erp(shop: Shop, partners: Partners) -> Order:
    """Bring an order to its delivery, each message of which the ERP refuses once, in all of its ways."""
    order = await shop.order()
    for operation, form, count in (
        ("AcknowledgeOrder", "result", 1),
        ("ReportReservation", "fault_200", 2),  # once behind the first message, once by itself
        ("ReportShipment", "fault_500", 1),
        ("ReportDelivery", "result", 1),
    ):
        await partners.erp_fault("fault", operation=operation, form=form, **{**REFUSED, "count": count})
    await order.push([order.line(1, "MUG", 4)])
    for number in (1, 2):
        await unstick(order, await stuck(order, f"erp/{number}"))
    assert (await order.pick(PICKED)).is_success
    assert (await order.ship()).is_success
    assert (await order.hand_over()).is_success
    await unstick(order, await stuck(order, "erp/3"))
    await order.scan(f"handed to {WORDS}", event_id=f"{order.order_no}/odd", location=WORDS)
    await order.scan("delivered", signed_by=WORDS)
    await unstick(order, await stuck(order, "erp/4"))
    await order.until_closed()
    return order


async def refused_by_the_carrier(shop: Shop, partners: Partners) -> Order:
    """Bring an order to an intercept. The carrier refuses each step once."""
    order = await shop.order()
    await order.push([order.line(1, "MUG", 4)])
    assert (await order.pick(PICKED)).is_success
    await partners.carrier_fault("fault", operation="book", **REFUSED)
    await order.ship()
    await unstick(order, await stuck(order, "label/"))
    await shop.hub.until_labeled(order.order_no)
    await partners.carrier_fault("fault", operation="void", **REFUSED)
    await order.push([order.line(1, "MUG", 4)], ship_to={**ADDRESS, "street": ["Zirkusweg 7"]})
    await unstick(order, await stuck(order, "void/"))
    number = await relabeled(order)
    await order.hand_over()
    order.tracking_number = number
    await partners.carrier_fault("fault", operation="track", **{**REFUSED, "count": None})
    await partners.carrier_fault("fault", operation="intercept", **REFUSED)
    await order.intercept()
    await unstick(order, await stuck(order, "intercept/"))
    await order.settle()
    return order


async def relabeled(order: Order) -> str:
    """Wait until nothing waits for the carrier, and return the number that the parcel goes by."""
    view = await order.settle()
    return str(view["shipments"][0]["parcels"][0]["tracking_number"])


async def told_by_the_api(order: Order) -> tuple[bytes, set[str]]:
    """What the API tells of an order, and for which steps it has a partner's words."""
    timeline = await order.shop.http.get(f"/api/orders/{order.order_no}/timeline", params={"limit": 1000})
    view = await order.shop.http.get(f"/api/orders/{order.order_no}")
    said = {item["data"]["step"]: item["data"]["words"] for item in timeline.json()["items"] if "words" in item["data"]}
    return timeline.content + view.content, {step.split("/")[0] for step, words in said.items() if words}


async def test_what_partners_say_is_read_by_api_erased_with_the_person_and_nowhere_else(
    shop: Shop, partners: Partners, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intercepts, "WAIT_S", 0.2)
    told = await refused_by_the_erp(shop, partners)
    asked = await refused_by_the_carrier(shop, partners)

    async def tracked() -> bool:
        return "track" in (await told_by_the_api(asked))[1]

    await shop.hub.until("the carrier refuses to be asked about a parcel", tracked)
    await partners.behave()
    for order, steps in ((told, {"erp"}), (asked, {"label", "void", "intercept", "track"})):
        kept = await kept_by_temporal(shop.hub.workflow(order.order_no))
        assert b"OrderLifecycle" in kept
        assert leaks(kept) == []
        content, said = await told_by_the_api(order)
        assert leaks(content) != []
        assert said == steps
    logged = await asyncio.to_thread(logs.read_bytes)
    assert b"step.refused" in logged
    assert leaks(logged) == []
    tables = await shop.hub.rows("select table_name from information_schema.tables where table_schema = 'records'")
    holding = set()
    for table in (row["table_name"] for row in tables):
        rows = await shop.hub.rows(f"select t::text as row from records.{table} t")
        holding |= {table for row in rows if leaks(row["row"].encode())}
    assert holding >= {"partner_words"}
    assert holding - TABLES_WITH_WORDS <= {"shipment", "erp_message"}, "who signed is in the proof, and told to the ERP"

    for order in (told, asked):
        async with shop.hub.engine.begin() as connection:
            await connection.execute(text(ERASE), {"tenant": shop.hub.tenant, "order_ref": order.order_no})
        content, said = await told_by_the_api(order)
        at = content.find(NAME.encode())
        assert (leaks(content), said) == ([], set()), content[max(at - 400, 0) : at + 40]
