"""Parcels that never arrive, parcels that do after all, and shipments of which only a part does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.stock import StreamKey
from ledger.requests import AdjustStock, ReceivedLine, ReceiveStock
from relay.order_gateway import OrderGateway
from runtime.embedded.ports import preferred_or_free
from runtime.processes import clients
from runtime.processes.api import serve_api
from runtime.settings import ApiKey, Settings
from tests.workflows.agreement import disagreements
from tests.workflows.conftest import process
from tests.workflows.hub import Hub
from tests.workflows.partners import Partners
from tests.workflows.points import CUPS, MUGS
from tests.workflows.shop import A, Body, Order, Shop

pytestmark = pytest.mark.usefixtures("worker")

KEY = ApiKey("losses", "erp", "key-of-the-losses-erp-1")
ON_HAND = """
select s.location_id, t.on_hand::int as on_hand
from ledger.stream s cross join lateral (
  select on_hand from ledger.entry e where e.stream_id = s.stream_id order by seq desc limit 1
) t
where s.tenant = :tenant and s.sku = :sku and s.kind <> 'supplier' and t.on_hand <> 0
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shop(engine: AsyncEngine, settings: Settings, partners: Partners) -> AsyncIterator[Shop]:
    port = preferred_or_free(None, besides=[])
    given = settings.model_copy(update={"api_port": port, "api_keys": (KEY,)})
    client = await clients.temporal_of(settings)
    hub = Hub(engine, clients.ledger_of(engine), OrderGateway(client, engine), client, KEY.tenant)
    headers = {"Authorization": f"Bearer {KEY.key}"}
    async with (
        process(serve_api, given),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as http,
    ):
        shop = Shop(hub, http, KEY.tenant, partners.settings.carrier_secret)
        await hub.until("the API answers", lambda: answers(http))
        await partners.connect(engine, KEY.tenant)
        await shop.open()
        yield shop


async def answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/readyz")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


async def labeled(shop: Shop, *mugs: int) -> tuple[Order, list[str]]:
    """Bring an order of mugs to its labels, in parcels of so many each; return their numbers, too."""
    order = await shop.order()
    await order.push([order.line(1, "MUG", sum(mugs))])
    await order.pick(MUGS(sum(mugs)))
    boxes = [{"lines": [{"line_no": 1, "quantity": quantity}]} for quantity in mugs]
    shipment = await order.say("shipments", {"shipment_no": f"{order.order_no}-1", "parcels": boxes})
    return order, [parcel["tracking_number"] for parcel in shipment.json()["parcels"]]


async def underway(shop: Shop, *mugs: int) -> tuple[Order, list[str]]:
    """Bring an order of mugs on its way, in parcels of so many each; return their numbers, too."""
    order, numbers = await labeled(shop, *mugs)
    await order.hand_over()
    return order, numbers


async def on_hand(order: Order, name: str = "MUG") -> dict[str, int]:
    rows = await order.shop.hub.rows(ON_HAND, sku=order.sku(name))
    return {row["location_id"].replace(order.order_no, "SO"): row["on_hand"] for row in rows}


def line_of(view: Body) -> dict[str, int]:
    names = ("ordered", "reserved", "backordered", "shipped", "delivered", "returned", "cancelled")
    return {name: view["lines"][0][name] for name in names if view["lines"][0][name]}


async def told(order: Order, partners: Partners) -> list[tuple[str, str | None, int]]:
    """Return what the ERP was told since the order was shipped: kind, reason, and how many of line 1."""
    documents = await partners.documents(order.shop.hub.tenant, order.order_no)
    kinds = [document["kind"] for document in documents]
    return [
        (document["kind"], document["payload"].get("reason"), int(document["payload"]["lines"][0]["quantity"]))
        for document in documents[kinds.index("shipped") + 1 :]
    ]


async def agreed(order: Order, partners: Partners) -> Any:
    """Return the order's view once it has settled; the ledger, the ERP and the carrier know the same."""
    view = await order.settle()
    assert await disagreements(order, view, partners) == []
    return view


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


async def test_a_lost_parcel_is_written_off_and_its_order_closes(shop: Shop, partners: Partners) -> None:
    order, _ = await underway(shop, 4)

    answer = await order.lose()

    assert (answer.status_code, answer.json()["outcome"]) == (200, "done")
    await order.until_closed()
    view = await agreed(order, partners)
    assert (view["status"], line_of(view)) == ("cancelled", {"ordered": 4, "cancelled": 4})
    (parcel,) = view["shipments"][0]["parcels"]
    assert (parcel["lost_at"] is not None, parcel["loss_reason"]) == (True, "lost")
    assert await on_hand(order) == {"HAM-A": 6, "HAM-B": 5, "CPH-A": 20, "adjustment/HAM": 4}
    assert await told(order, partners) == [("cancelled", "lost", 4), ("cancelled", None, 4)]


async def test_a_loss_is_told_once_and_another_content_is_a_conflict(shop: Shop) -> None:
    order, _ = await underway(shop, 3, 1)
    await order.lose(parcel_no=2)
    before = await on_hand(order)

    again = await order.lose(parcel_no=2)
    other = await order.lose(parcel_no=1)

    assert (again.status_code, again.json()["lines"][0]["cancelled"]) == (200, 1)
    assert code_of(other) == (409, "conflict")
    assert await on_hand(order) == before


async def test_what_can_be_lost_no_more_says_why(shop: Shop) -> None:
    order, numbers = await labeled(shop, 1, 1, 1)

    early = await order.lose()
    await order.hand_over()
    await order.scan("delivered", numbers[0])
    await order.settle()
    await order.lose(parcel_no=2)

    assert code_of(early) == (409, "not-handed-over")
    assert code_of(await order.lose("L-2", parcel_no=1)) == (409, "already-delivered")
    assert code_of(await order.lose("L-3", parcel_no=2)) == (409, "already-lost")
    assert code_of(await order.lose("L-4", parcel_no=4)) == (404, "not-found")
    nowhere = await order.say("shipments/SH-0/losses", {"loss_no": "L-5", "reason": "lost"})
    assert code_of(nowhere) == (404, "not-found")
    stolen = await order.lose("L-6", reason="stolen")
    assert [fault["pointer"] for fault in stolen.json()["errors"]] == ["/reason"]
    assert line_of(await order.view()) == {"ordered": 3, "shipped": 2, "delivered": 1, "cancelled": 1}


async def test_what_is_lost_and_sent_again_is_reserved_at_once_and_goes_out_anew(
    shop: Shop, partners: Partners
) -> None:
    order, _ = await underway(shop, 4)

    await order.lose(resend=True)

    view = await agreed(order, partners)
    assert (view["status"], line_of(view)) == ("reserved", {"ordered": 4, "reserved": 4})
    assert await told(order, partners) == [("cancelled", "lost", 4), ("reserved", None, 4)]
    await order.pick(MUGS(4), pick_no="P-2")
    again = await order.say("shipments", {"shipment_no": f"{order.order_no}-2", "handed_over": True})
    await order.scan("delivered", again.json()["parcels"][0]["tracking_number"])
    await order.until_closed()
    view = await agreed(order, partners)
    assert line_of(view) == {"ordered": 4, "shipped": 4, "delivered": 4}


async def test_what_is_lost_may_be_sent_again_to_another_address(shop: Shop) -> None:
    order, _ = await underway(shop, 4)
    await order.lose(resend=True)
    elsewhere = {"name": "Ida Holm", "street": ["Sandtorkai 1"], "postal_code": "20457", "city": "Hamburg"}

    answer = await order.push([order.line(1, "MUG", 4)], ship_to={**elsewhere, "country": "DE"})

    assert answer.json()["outcome"] == "amended"


async def test_a_loss_takes_the_parcels_flag_off_its_order(shop: Shop, partners: Partners) -> None:
    order, (number,) = await underway(shop, 4)
    await order.scan("return_to_sender", number)
    assert (await order.settle())["needs_attention"]

    await order.lose(reason="damaged")

    await order.until_closed()
    view = await agreed(order, partners)
    assert (view["needs_attention"], view["shipments"][0]["parcels"][0]["loss_reason"]) == (False, "damaged")


async def test_a_lost_parcel_is_not_asked_about_any_more(shop: Shop) -> None:
    order, (lost, other) = await underway(shop, 2, 2)
    await order.lose(parcel_no=1)
    heard = (
        "select tracking_number, last_heard_at from records.parcel where tenant = :tenant and order_ref = :order_ref"
    )

    async def asked(number: str) -> object:
        rows = await shop.hub.rows(heard, order_ref=order.order_no)
        return next(row["last_heard_at"] for row in rows if row["tracking_number"] == number)

    before, first = await asked(lost), await asked(other)

    async def asked_again() -> bool:
        return await asked(other) != first

    await shop.hub.until("the other parcel was asked about", asked_again)
    assert await asked(lost) == before


@pytest.mark.parametrize("delivered_first", [True, False])
async def test_a_shipment_has_arrived_when_one_parcel_did_and_the_other_is_lost(
    shop: Shop, partners: Partners, delivered_first: bool
) -> None:
    order, (arrives, _) = await underway(shop, 3, 1)
    if delivered_first:
        await order.scan("delivered", arrives, signed_by="Ida Holm")
        await order.settle()
    await order.lose(parcel_no=2)
    if not delivered_first:
        await order.scan("delivered", arrives, signed_by="Ida Holm")

    await order.until_closed()
    view = await agreed(order, partners)
    assert (view["status"], line_of(view)) == (
        "delivered",
        {"ordered": 4, "shipped": 3, "delivered": 3, "cancelled": 1},
    )
    shipment = view["shipments"][0]
    assert (shipment["tracking_status"], shipment["proof_of_delivery"]["signed_by"]) == ("delivered", "Ida Holm")
    assert ("delivered", None, 3) in await told(order, partners)


async def test_a_shipment_has_arrived_when_one_parcel_did_and_the_other_came_back(
    shop: Shop, partners: Partners
) -> None:
    order, (arrives, comes_back) = await underway(shop, 3, 1)
    await order.scan("delivered", arrives)
    await order.scan("return_to_sender", comes_back)
    await order.settle()

    await order.take_back({"line_no": 1, "quantity": 1})

    await order.until_closed()
    view = await agreed(order, partners)
    assert line_of(view) == {"ordered": 4, "shipped": 3, "delivered": 3, "cancelled": 1}
    shipment = view["shipments"][0]
    assert (shipment["delivered_at"] is not None, shipment["tracking_status"]) == (True, "delivered")
    assert [parcel["came_back_at"] is not None for parcel in shipment["parcels"]] == [False, True]


async def test_one_parcel_comes_back_while_the_other_is_still_underway(shop: Shop, partners: Partners) -> None:
    order, (comes_back, arrives) = await underway(shop, 3, 1)
    await order.scan("return_to_sender", comes_back)
    await order.settle()

    part = await order.take_back({"line_no": 1, "quantity": 2})
    await order.lose(parcel_no=1)
    await order.scan("delivered", arrives)

    assert part.status_code == 201, part.text
    await order.until_closed()
    view = await agreed(order, partners)
    assert line_of(view) == {"ordered": 4, "shipped": 1, "delivered": 1, "cancelled": 3}
    assert (await on_hand(order))["adjustment/HAM"] == 1, "what came back is not lost, nor is what the other parcel has"


async def test_what_comes_back_undelivered_is_sent_again_where_that_is_wanted(shop: Shop, partners: Partners) -> None:
    order, (number,) = await underway(shop, 4)
    await order.scan("return_to_sender", number)
    await order.settle()
    back = {"location_id": "HAM-RET", "resend": True, "lines": [{"line_no": 1, "quantity": 4}]}

    answer = await order.say("returns", {"return_no": f"R-1-{order.order_no}", **back})

    assert answer.status_code == 201, answer.text
    view = await agreed(order, partners)
    assert (view["status"], line_of(view)) == ("reserved", {"ordered": 4, "reserved": 4})
    again = await order.say("returns", {"return_no": f"R-2-{order.order_no}", **back})
    assert code_of(again) == (422, "not-undelivered")


async def test_a_lost_parcel_that_arrives_after_all_opens_its_order_again(shop: Shop, partners: Partners) -> None:
    order, (number,) = await underway(shop, 4)
    await order.lose()
    await order.until_closed()

    await order.scan("delivered", number, signed_by="Ida Holm")

    view = await agreed(order, partners)
    await order.until_closed()
    assert (view["status"], line_of(view)) == ("delivered", {"ordered": 4, "shipped": 4, "delivered": 4})
    parcel, proof = view["shipments"][0]["parcels"][0], view["shipments"][0]["proof_of_delivery"]
    assert (parcel["tracking_status"], parcel["lost_at"], proof["signed_by"]) == ("delivered", None, "Ida Holm")
    assert "adjustment/HAM" not in await on_hand(order)
    assert (await told(order, partners))[2:] == [
        ("cancelled", "found", 4),
        ("cancelled", None, 0),
        ("delivered", None, 4),
    ]


async def test_the_erp_hears_of_the_parcel_that_was_found_and_not_again_of_the_other(
    shop: Shop, partners: Partners
) -> None:
    order, (arrives, found) = await underway(shop, 3, 1)
    await order.lose(parcel_no=2)
    await order.scan("delivered", arrives)
    await order.until_closed()

    await order.scan("delivered", found)

    view = await agreed(order, partners)
    await order.until_closed()
    assert line_of(view) == {"ordered": 4, "shipped": 4, "delivered": 4}
    assert [quantity for kind, _, quantity in await told(order, partners) if kind == "delivered"] == [3, 1]


async def test_other_scans_of_a_lost_parcel_need_nobody(shop: Shop) -> None:
    order, (lost, _) = await underway(shop, 3, 1)
    await order.lose(parcel_no=1)

    await order.scan("in_transit", lost)
    await order.scan("return_to_sender", lost)

    view = await order.settle()
    assert (view["needs_attention"], line_of(view)) == (False, {"ordered": 4, "shipped": 1, "cancelled": 3})
    assert view["shipments"][0]["tracking_status"] == "pending", "that of the parcel that may still arrive"


async def test_what_is_sent_again_is_held_no_more_once_the_lost_parcel_arrives(shop: Shop, partners: Partners) -> None:
    order, (number,) = await underway(shop, 4)
    await order.lose(resend=True)

    await order.scan("delivered", number)

    await order.until_closed()
    view = await agreed(order, partners)
    assert line_of(view) == {"ordered": 4, "shipped": 4, "delivered": 4}


async def test_a_person_is_asked_when_the_lost_parcel_arrives_beside_what_was_sent_instead(
    shop: Shop, partners: Partners
) -> None:
    order, (number,) = await underway(shop, 4)
    await order.lose(resend=True)
    await order.pick(MUGS(4), pick_no="P-2")

    await order.scan("delivered", number)

    view = await agreed(order, partners)
    assert view["attention"]["step"] == f"found/{number}"
    assert view["attention"]["actions"] == ["cancel_order", "retry_step"]
    assert line_of(view) == {"ordered": 8, "reserved": 4, "shipped": 4, "delivered": 4}
    await order.say("cancel", {"cancel_no": "X-1", "reason": "it was found"})
    assert not (await agreed(order, partners))["needs_attention"]


async def test_a_lot_that_was_lost_is_the_lot_that_arrives(shop: Shop, partners: Partners) -> None:
    order = await shop.order()
    await order.push([order.line(1, "MUG", 1), order.line(2, "CUP", 2)])
    await order.pick(MUGS(1), CUPS(2))
    await order.ship()
    await order.hand_over()
    await order.lose(note="claim 4711, spoke to Mr. Olsen")
    await order.until_closed()
    lots = "select lot from ledger.stream where tenant = :tenant and sku = :sku and open and location_id = :place"
    kept = "select payload::text as payload from records.inbox where tenant = :tenant and kind = 'lose'"

    lost = await shop.hub.rows(lots, sku=order.sku("CUP"), place="adjustment/HAM")
    await order.scan("delivered")
    await agreed(order, partners)

    assert lost == [{"lot": "L-1"}]
    customer = await shop.hub.rows(lots, sku=order.sku("CUP"), place=f"customer/{order.order_no}")
    assert customer == [{"lot": "L-1"}]
    assert not any("Olsen" in row["payload"] for row in await shop.hub.rows(kept)), (
        "what is said of people is kept apart"
    )


async def test_a_serial_number_that_was_found_here_meanwhile_needs_a_person_when_the_carrier_delivers_it(
    shop: Shop, partners: Partners
) -> None:
    order = await shop.order()
    sku, tenant = order.sku("PHONE"), shop.hub.tenant
    await shop.made("products", {"sku": sku, "base_uom": "EA", "tracking": "serial"})
    phone = ReceivedLine(sku, 1, serial_numbers=("S-1",))
    await shop.hub.ledger.post(ReceiveStock(tenant=tenant, key=f"receipt/{sku}", actor="dock", place=A, lines=(phone,)))
    await order.push([order.line(1, "PHONE", 1), order.line(2, "MUG", 1)])
    await order.pick(MUGS(1, serial_numbers=["S-1"]))
    await order.ship()
    await order.hand_over()
    await order.lose()
    here = StreamKey(tenant, sku, A, serial_number="S-1")
    found = AdjustStock(tenant=tenant, key=f"find/{sku}", actor="dock", stream=here, delta=1, cause="found")
    await shop.hub.ledger.post(found)

    await order.scan("delivered")

    view = await agreed(order, partners)
    assert view["attention"]["step"] == f"found/{order.tracking_number}"
    assert "S-1" in view["attention"]["reason"]
    assert view["shipments"][0]["parcels"][0]["lost_at"] is not None


async def test_a_parcel_that_was_emptied_before_it_left_holds_up_no_delivery(shop: Shop, partners: Partners) -> None:
    order, _ = await labeled(shop, 3, 1)
    await order.push([order.line(1, "MUG", 3)])
    await order.settle()
    await order.hand_over()
    (parcel, empty) = (await order.view())["shipments"][0]["parcels"]

    await order.scan("delivered", parcel["tracking_number"])

    view = await agreed(order, partners)
    assert (empty["lines"], view["shipments"][0]["delivered_at"] is not None) == ([], True)
    assert ("delivered", None, 3) in await told(order, partners)


async def test_who_took_a_parcel_for_the_addressee_is_kept_and_told(shop: Shop, partners: Partners) -> None:
    order, (number,) = await underway(shop, 4)

    await order.scan("delivered", number, signed_by="Olsen, Kehrwieder 4", location="with a neighbor")

    await order.until_closed()
    proof = (await agreed(order, partners))["shipments"][0]["proof_of_delivery"]
    assert (proof["signed_by"], proof["location"]) == ("Olsen, Kehrwieder 4", "with a neighbor")
    documents = await partners.documents(shop.hub.tenant, order.order_no)
    assert documents[-1]["payload"]["signed_by"] == "Olsen, Kehrwieder 4"


async def test_a_cancel_of_what_has_left_says_what_can_be_done_instead(shop: Shop) -> None:
    order, _ = await underway(shop, 4)

    whole = await order.say("cancel", {"cancel_no": "X-1", "reason": "customer"})
    line = await order.say("cancel", {"cancel_no": "X-2", "reason": "customer", "lines": [{"line_no": 1}]})

    assert (code_of(whole), code_of(line)) == ((409, "already-shipped"), (422, "not-cancellable"))
    for answer in (whole, line):
        assert "intercept" in answer.json()["detail"]
        assert "return_to_sender" in answer.json()["detail"]
        assert "take it back as a return" in answer.json()["detail"]
