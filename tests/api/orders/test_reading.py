"""What can be read of orders: views, lists, timelines, and which order a number means."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from records.access import api_keys
from tests.api.doorway import Door, code_of, faults_of, line, push


@pytest.fixture
async def stocked(shop: Door) -> Door:
    await shop.stock()
    return shop


async def test_the_view_tells_all_of_an_order(stocked: Door) -> None:
    await stocked.made("/api/orders/outbound", push(note="ring twice"))
    view = (await stocked.get("/api/orders/SO-1")).json()
    assert view["ship_to"] == push()["ship_to"]
    assert (view["source"], view["site"], view["carrier"], view["service_level"]) == ("erp", "HAM", "sandbox", "ground")
    assert (view["note"], view["customer_no"], view["requested_delivery"]) == ("ring twice", "C-778", "2026-11-24")
    assert view["ordered_at"] == "2026-11-20T13:03:00Z"
    assert (view["shipments"], view["attention"], view["pending"], view["last_refusal"]) == ([], None, None, None)
    assert view["created_at"].endswith("Z")
    assert "outcome" not in view


async def test_orders_are_listed_by_their_change_in_pages(stocked: Door) -> None:
    for order_no in ("SO-1", "SO-2", "SO-3"):
        await stocked.made("/api/orders/outbound", push(order_no, lines=[line(quantity=1, uom="EA")]))
    await stocked.made("/api/orders/SO-2/cancel", {"cancel_no": "X-1", "reason": "customer"})
    first = (await stocked.get("/api/orders", limit=2)).json()
    second = (await stocked.get("/api/orders", limit=2, cursor=first["next"])).json()
    found = first["items"] + second["items"]
    assert [order["order_no"] for order in found] == ["SO-1", "SO-3", "SO-2"]
    assert "shipments" not in found[0]
    assert found[0]["lines"][0]["ordered"] == 1
    assert second["next"] is None
    cancelled = (await stocked.get("/api/orders", status="cancelled", needs_attention="false")).json()["items"]
    assert [order["order_no"] for order in cancelled] == ["SO-2"]
    since = (await stocked.get("/api/orders", updated_since=found[2]["updated_at"])).json()["items"]
    assert [order["order_no"] for order in since] == ["SO-2"]


@pytest.mark.parametrize("lost", ["'resolved'", "'pick_no'"])
async def test_a_command_that_this_build_cannot_read_hides_neither_its_order_nor_others(
    stocked: Door, lost: str
) -> None:
    for order_no in ("SO-1", "SO-2"):
        await stocked.made("/api/orders/outbound", push(order_no, lines=[line(quantity=1, uom="EA")]))
    stocked.gateway.down = True
    told = {"pick_no": "P-1", "lines": [{"line_no": 1, "quantity": 1}]}
    assert (await stocked.post("/api/orders/SO-1/picks", told)).status_code == 202
    async with stocked.engine.begin() as connection:
        otherwise = text(
            f"update records.inbox set payload = payload - {lost} where tenant = :tenant and state = 'queued'"
        )
        await connection.execute(otherwise, {"tenant": stocked.tenant})
    view = (await stocked.get("/api/orders/SO-1")).json()
    assert (view["pending"]["command"], view["pending"]["revision"]) == ("confirm_pick", None)
    listed = (await stocked.get("/api/orders")).json()["items"]
    assert [order["order_no"] for order in listed] == ["SO-1", "SO-2"]


async def test_a_filter_that_cannot_be_is_refused(stocked: Door) -> None:
    answer = await stocked.get("/api/orders", status="lost", updated_since="2026-11-20T12:00:00", limit=0)
    assert answer.status_code == 422
    assert {pointer for pointer, _ in faults_of(answer)} == {"/query/status", "/query/updated_since", "/query/limit"}


async def test_a_cursor_with_no_time_in_it_is_refused(stocked: Door) -> None:
    answer = await stocked.get("/api/orders", cursor="WyJhIiwgImIiXQ")
    assert faults_of(answer) == [("/query/cursor", "bad_cursor")]


async def test_a_number_that_cannot_be_is_refused_and_an_unknown_one_is_not_there(stocked: Door) -> None:
    assert (await stocked.get("/api/orders/SO-0")).status_code == 404
    for order_no in ("outbound", "-SO", "S" * 65):
        answer = await stocked.get(f"/api/orders/{order_no}")
        assert [pointer for pointer, _ in faults_of(answer)] == ["/path/order_no"]


async def test_the_timeline_tells_the_story_in_order(stocked: Door) -> None:
    await stocked.made("/api/orders/outbound", push(lines=[line()]))
    await stocked.post("/api/orders/outbound", push(revision=2, shortage_policy="reject", lines=[line(quantity=99)]))
    picked = {"line_no": 1, "quantity": 2, "uom": "CASE", "location_id": "HAM-A-1"}
    await stocked.made("/api/orders/SO-1/picks", {"pick_no": "P-1", "actor": "Ida", "lines": [picked]})
    told = (await stocked.get("/api/orders/SO-1/timeline")).json()
    assert told["next"] is None
    recorded = [item["recorded_at"] for item in told["items"]]
    assert recorded == sorted(recorded)
    pushes = [item for item in told["items"] if item["kind"] == "push"]
    assert [item["data"]["state"] for item in pushes] == ["accepted", "refused"]
    assert pushes[1]["data"]["problem"]["type"] == "/problems/insufficient-stock"
    (floor,) = [item for item in told["items"] if item["kind"] == "operator"]
    assert (floor["actor"], floor["summary"]) == ("Ida", "Pick P-1: done")
    postings = [item for item in told["items"] if item["kind"] == "posting"]
    assert [item["data"]["reason"] for item in postings] == ["reservation", "pick"]
    (entry,) = postings[0]["data"]["entries"]
    assert {name: entry[name] for name in ("location_id", "line_no", "reserved_delta", "on_hand", "reserved")} == {
        "location_id": "HAM-A-1",
        "line_no": 1,
        "reserved_delta": 24,
        "on_hand": 100,
        "reserved": 24,
    }
    assert (postings[0]["evidence"], postings[0]["summary"]) == ("confirmed", "Reservation: HAM-A-1 +24 reserved")
    assert {item["kind"] for item in told["items"]} == {"push", "operator", "posting", "erp_message"}


async def test_a_timeline_says_what_became_of_what_the_erp_is_told(stocked: Door) -> None:
    await stocked.made("/api/orders/outbound", push(lines=[line()]))
    async with stocked.engine.begin() as connection:
        await connection.exec_driver_sql(
            "update records.erp_message set state = 'done', done_at = now(), nothing_told = number = 1,"
            " document_no = case number when 1 then null else 'D-2' end where tenant = %(tenant)s",
            {"tenant": stocked.tenant},
        )
    told = (await stocked.get("/api/orders/SO-1/timeline")).json()
    assert [item["summary"] for item in told["items"] if item["kind"] == "erp_message"] == [
        "ERP message 1, accepted: there is nothing to tell it",
        "ERP message 2, reserved: told, document D-2",
    ]


async def test_a_timeline_comes_in_pages(stocked: Door) -> None:
    await stocked.made("/api/orders/outbound", push(lines=[line()]))
    whole = (await stocked.get("/api/orders/SO-1/timeline")).json()["items"]
    first = (await stocked.get("/api/orders/SO-1/timeline", limit=1)).json()
    rest = (await stocked.get("/api/orders/SO-1/timeline", cursor=first["next"])).json()
    assert first["items"] + rest["items"] == whole


@pytest.fixture
async def two_sources(stocked: Door) -> Door:
    """SO-1 of two ERPs, and a scanner that speaks for none."""
    async with stocked.engine.begin() as connection:
        await api_keys.register_key(connection, tenant=stocked.tenant, source="shop", key=f"shop-{stocked.tenant}")
        await api_keys.register_key(connection, tenant=stocked.tenant, source=None, key=f"scan-{stocked.tenant}")
    await stocked.made("/api/orders/outbound", push(lines=[line()]))
    answer = await stocked.post("/api/orders/outbound", push(lines=[line()]), key=f"shop-{stocked.tenant}")
    assert (answer.status_code, answer.json()["workflow_id"]) == (201, f"order/{stocked.tenant}/shop:SO-1")
    return stocked


async def test_a_number_means_the_keys_own_source(two_sources: Door) -> None:
    shop_key, tenant = f"shop-{two_sources.tenant}", two_sources.tenant
    assert (await two_sources.get("/api/orders/SO-1")).json()["workflow_id"] == f"order/{tenant}/SO-1"
    view = (await two_sources.get("/api/orders/SO-1", key=shop_key)).json()
    assert (view["workflow_id"], view["source"]) == (f"order/{tenant}/shop:SO-1", "shop")
    listed = (await two_sources.get("/api/orders", key=shop_key)).json()["items"]
    assert [order["source"] for order in listed] == ["shop"]


async def test_a_key_of_no_source_must_say_which_of_several_it_means(two_sources: Door) -> None:
    scanner = f"scan-{two_sources.tenant}"
    answer = await two_sources.get("/api/orders/SO-1", key=scanner)
    assert (answer.status_code, code_of(answer)) == (409, "ambiguous_order")
    assert "erp, shop" in answer.json()["detail"]
    assert (await two_sources.get("/api/orders/SO-1", key=scanner, source="shop")).json()["source"] == "shop"
    await two_sources.made("/api/orders/outbound", push("SO-2", lines=[line(quantity=1)]))
    assert (await two_sources.get("/api/orders/SO-2", key=scanner)).json()["source"] == "erp"


async def test_a_key_cannot_look_at_another_source(two_sources: Door) -> None:
    answer = await two_sources.get("/api/orders/SO-1", source="shop")
    assert (answer.status_code, code_of(answer)) == (403, "forbidden")


async def test_a_promise_of_nothing_yet_is_in_the_timeline_too(stocked: Door) -> None:
    await stocked.made("/api/orders/outbound", push(order_no="SO-0", lines=[line(quantity=100, uom="EA")]))
    await stocked.made("/api/orders/outbound", push(lines=[line()]))

    told = (await stocked.get("/api/orders/SO-1/timeline")).json()["items"]

    (posting,) = [item for item in told if item["kind"] == "posting"]
    assert (posting["summary"], posting["data"]["entries"]) == ("Reservation: no stock moved", [])
