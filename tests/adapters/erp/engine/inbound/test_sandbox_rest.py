"""The sandbox's second ERP, polled: ten thousand orders, clerks at work, and pages that go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from textwrap import indent
from typing import Any

import httpx
import pytest

from adapters.erp.engine.adapter import MappedErp
from adapters.erp.port import Found, GivesCancel, GivesNothing, GivesOrder, GivesProduct, Page
from domain.errors import Unavailable
from sandbox.serve import running
from sandbox.settings import SandboxSettings
from tests.adapters.erp.connected import connected
from tests.adapters.erp.engine.inbound.mappings import OUTBOUND

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
HOLM = {"no": "K-1", "name": "Holm", "street": "Kehrwieder 2", "zip": "20457", "city": "Hamburg"}
MUG = {"no": "MUG", "text": "Becher", "packagings": [{"unit": "KAR", "contains": "12"}]}

POLL = """
every_s: 30
call:
  door: rest
  get: /{records}
  query: {{changed_since: "${{since | at(settings.zone, '%Y-%m-%dT%H:%M:%S')}}"}}
rows: answer.{records}
id: ${{row.no}}
stamp: ${{row.changed | time(settings.zone, 'earlier')}}
overlap_s: 120
still: "(row.changed | time(settings.zone, 'later')) >= since"
pages: {{rows: 100, size: rows, next: answer.next}}
"""

MAPPING = f"""
format: 1
erp: rest
about: The sandbox's second ERP, of which only orders and items are read.
settings: {{address: url, user: text, password: secret, zone: time_zone}}
tables:
  units: {{ST: EA, KAR: CA, PAL: PL}}
doors:
  rest:
    protocol: rest
    address: ${{settings.address}}
    session:
      log_in: {{post: /login, send: {{user: "${{settings.user}}", password: "${{settings.password}}"}}}}
      keep: {{id: answer.session}}
    headers: {{X-Session: "${{session.id}}"}}
    faults: rest
faults:
  rest:
    - {{when: "status in [429, 503]", means: busy}}
    - {{when: status == 401, means: locked_out}}
    - {{when: "kind == 'other' and (body | has('action=\\"/login\\"'))", means: locked_out}}
    - when: kind == 'answer' and body.rows is there and ((body.orders ?? body.items) | count) != body.rows
      means: not_understood
    - {{when: status == 404, means: absent}}
inbound:
  orders:
    poll:
{indent(POLL.format(records="orders").strip(), "      ")}
    fetch:
      - {{look: order, call: {{door: rest, get: "/orders/${{id}}"}}, itself: true, confirm: order.no == id}}
      - look: customer
        call: {{door: rest, get: "/customers/${{order.customer}}"}}
        absent: {{refuse: erp_no_customer}}
    gives:
      - {{when: order.state == 'OFFEN', nothing: It is not released yet.}}
      - {{when: order.state == 'STORNO', cancel: {{order_no: "${{order.no}}", reason: canceled in the ERP}}}}
      - when: order.state in ['FREIGEGEBEN', 'TEILGELIEFERT']
        order:
          order_no: ${{order.no}}
          ordered_at: ${{order.ordered | time(settings.zone, 'earlier')}}
          city: ${{customer.city}}
          lines:
            each: order.positions
            as: position
            into:
              line_no: ${{position.id | numbered}}
              sku: ${{position.item}}
              quantity: ${{position.quantity | decimal(',') | plain | text}}
              uom: ${{position.unit | table('units')}}
  products:
    poll:
{indent(POLL.format(records="items").strip(), "      ")}
    gives:
      - {{when: row.no is there, product: {{sku: "${{row.no}}", base_uom: "${{row.unit | table('units')}}"}}}}
{OUTBOUND}
"""


@dataclass
class Office:
    """The ERP's back office, and what the hub has taken of its front."""

    client: httpx.AsyncClient
    erp: MappedErp
    known: dict[str, Found] = field(default_factory=dict)

    async def clerk(self, path: str, body: Any = None, method: str = "POST") -> Any:
        response = await self.client.request(method, f"/rest/admin{path}", json=body)
        response.raise_for_status()
        return response.json() if response.content else None

    async def enter(self, number: int, *, first: datetime, apart: timedelta) -> None:
        """Enter orders that changed one after the other, by the ERP's clock."""
        positions = [{"item": "MUG", "quantity": "2", "unit": "KAR"}]
        await self.clerk(
            "/orders",
            [
                {
                    "no": f"A-{each:05}",
                    "customer": "K-1",
                    "positions": positions,
                    "changed": (first + each * apart).strftime("%Y-%m-%dT%H:%M:%S"),
                }
                for each in range(number)
            ],
        )

    async def page(self, following: str | None = None, since: datetime = LONG_AGO) -> Page:
        return await asyncio.to_thread(self.erp.page, "orders", since, following)

    def take(self, page: Page) -> None:
        """Keep what a page tells, as the hub does: of two states of one order the later."""
        for found in page.found:
            if found.their_id not in self.known or self.known[found.their_id].stamp <= found.stamp:
                self.known[found.their_id] = found

    async def orders(self) -> dict[str, Any]:
        return {order["no"]: order for order in await self.clerk("/orders", method="GET")}


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    settings = SandboxSettings(erp_port=0, carrier_port=0, hub_url="http://127.0.0.1:1")
    async with running(settings) as urls, httpx.AsyncClient(base_url=urls.erp, timeout=60) as client:
        said = {"address": f"{urls.erp}/rest", "user": settings.erp_rest_user, "zone": settings.erp_rest_zone.key}
        erp = MappedErp(connected(MAPPING, {}, said, {"password": settings.erp_rest_password}))
        office = Office(client, erp)
        await office.clerk("/items", [MUG])
        await office.clerk("/customers", [HOLM])
        yield office
        erp.close()


async def test_ten_thousand_orders_come_page_by_page(office: Office) -> None:
    await office.enter(10_000, first=datetime(2025, 1, 6), apart=timedelta(minutes=30))  # noqa: DTZ001 - its own clock
    pages, following = 0, None
    while following is not None or not pages:
        page = await office.page(following)
        office.take(page)
        pages, following = pages + 1, page.following
    assert pages == 100
    assert {number: found.row for number, found in office.known.items()} == await office.orders()


async def test_nothing_is_lost_while_clerks_are_at_work(office: Office) -> None:
    await office.enter(450, first=datetime(2025, 1, 6), apart=timedelta(minutes=30))  # noqa: DTZ001 - its own clock
    since, changed = LONG_AGO, 0
    for clerks_work in (True, False):
        following: str | None = ""
        latest = since
        while following is not None:
            page = await office.page(following or None, since)
            office.take(page)
            latest = max([latest, *(found.stamp for found in page.found)])
            following = page.following
            if clerks_work:  # what was on the first page goes to the last, so that all others move up
                for number in range(changed, changed + 7):
                    await office.clerk(f"/orders/A-{number:05}", {"text": "Bitte beeilen"}, "PATCH")
                changed += 7
        since = latest - timedelta(seconds=office.erp.polling()["orders"].overlap_s)
    assert changed == 35
    assert {number: found.row for number, found in office.known.items()} == await office.orders()


async def test_a_session_that_lapses_in_the_middle_is_renewed(office: Office) -> None:
    await office.enter(150, first=datetime(2025, 1, 6), apart=timedelta(minutes=30))  # noqa: DTZ001 - its own clock
    first = await office.page()
    await office.clerk("/sessions/lapse")
    assert len((await office.page(first.following)).found) == 50


@pytest.mark.parametrize("kind", ["login_page", "fewer_rows", "too_many", "garbage", "busy"])
async def test_a_page_that_goes_wrong_is_asked_for_again(office: Office, kind: str) -> None:
    await office.enter(150, first=datetime(2025, 1, 6), apart=timedelta(minutes=30))  # noqa: DTZ001 - its own clock
    first = await office.page()
    times = 2 if kind == "login_page" else 1  # once, it is taken for a session that has lapsed
    await office.clerk("/faults", {"kind": kind, "operation": "orders", "count": times, "seconds": 0.1})
    with pytest.raises(Unavailable):
        await office.page(first.following)
    await asyncio.sleep(1.1 if kind == "too_many" else 0)  # the ERP said how long it wants to be left alone
    assert len((await office.page(first.following)).found) == 50


async def test_rows_of_another_document_are_noticed(office: Office) -> None:
    await office.enter(1, first=datetime(2025, 1, 6), apart=timedelta(0))  # noqa: DTZ001 - its own clock
    await office.clerk("/faults", {"kind": "another_document", "operation": "order", "count": 1})
    with pytest.raises(Unavailable, match="/inbound/orders/fetch/0/confirm"):
        await asyncio.to_thread(office.erp.read, "orders", "A-00000", {})
    assert await asyncio.to_thread(office.erp.read, "orders", "A-00000", {}) is not None


async def test_an_order_is_read_and_given(office: Office) -> None:
    await office.enter(1, first=datetime(2025, 1, 6), apart=timedelta(0))  # noqa: DTZ001 - its own clock
    (found,) = (await office.page()).found
    document = await asyncio.to_thread(office.erp.read, "orders", found.their_id, found.row)
    given = office.erp.gives("orders", document, known=False)
    order = (await office.orders())["A-00000"]
    line = {"line_no": int(order["positions"][0]["id"]), "sku": "MUG", "quantity": "2", "uom": "CA"}
    assert isinstance(given, GivesOrder)
    assert isinstance(given.body, dict)
    assert (given.body["order_no"], given.body["city"], given.body["lines"]) == ("A-00000", "Hamburg", [line])


async def test_an_order_is_what_its_state_says(office: Office) -> None:
    await office.enter(2, first=datetime(2025, 1, 6), apart=timedelta(0))  # noqa: DTZ001 - its own clock
    await office.clerk("/orders/A-00000/cancel")
    await office.clerk("/orders/A-00001", {"state": "OFFEN"}, "PATCH")
    documents = [await asyncio.to_thread(office.erp.read, "orders", f"A-0000{each}", {}) for each in range(2)]
    assert [office.erp.gives("orders", document, known=True) for document in documents] == [
        GivesCancel("A-00000", "canceled in the ERP"),
        GivesNothing("It is not released yet."),
    ]


async def test_an_order_that_is_deleted_after_its_page_is_not_there(office: Office) -> None:
    await office.enter(1, first=datetime(2025, 1, 6), apart=timedelta(0))  # noqa: DTZ001 - its own clock
    (found,) = (await office.page()).found
    await office.clerk("/orders/A-00000", method="DELETE")
    assert await asyncio.to_thread(office.erp.read, "orders", found.their_id, found.row) is None


async def test_items_are_read_and_given(office: Office) -> None:
    (found,) = (await asyncio.to_thread(office.erp.page, "products", LONG_AGO, None)).found
    document = await asyncio.to_thread(office.erp.read, "products", found.their_id, found.row)
    assert office.erp.gives("products", document, known=False) == GivesProduct({"sku": "MUG", "base_uom": "EA"})
