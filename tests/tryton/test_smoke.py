"""That the Tryton of the tests is a real one, and how it answers."""

from __future__ import annotations

from decimal import Decimal

import httpx
import pytest

from tests.tryton.driving import Line, Tryton, TrytonError


async def test_products_are_listed_by_their_code(tryton: Tryton) -> None:
    seen = await tryton.find("product.product", [["type", "=", "goods"]], "code", "default_uom.symbol", "lot_required")
    units = {product["code"]: product["default_uom"]["symbol"] for product in seen}
    assert units.items() >= {"WIDGET": "u", "GADGET": "u", "CABLE": "m", "SERUM": "u"}.items()
    assert [product["code"] for product in seen if "customer" in product["lot_required"]] == ["SERUM"]


async def test_a_sale_goes_from_quote_to_a_done_shipment(tryton: Tryton) -> None:
    before = await tryton.on_hand("GADGET")
    sale = await tryton.confirmed_sale(Line("GADGET", "3"), reference="SMOKE-1")
    confirmed = await tryton.sale(sale)
    assert (confirmed.state, confirmed.shipments) == ("confirmed", ())
    await tryton.process(sale)
    (shipment,) = (await tryton.sale(sale)).shipments
    (carrier, *_) = await tryton.find("carrier", [])
    await tryton.write("stock.shipment.out", shipment.id, {"carrier": carrier["id"]})
    for button in ("assign_try", "pick", "pack", "do"):
        await tryton.click("stock.shipment.out", shipment.id, button)
    (done,) = (await tryton.sale(sale)).shipments
    assert (done.state, [(move.sku, move.quantity) for move in done.moves]) == ("done", [("GADGET", Decimal(3))])
    assert await tryton.on_hand("GADGET") == before - 3


async def test_a_confirmed_sale_goes_back_to_draft_and_keeps_its_number_and_lines(tryton: Tryton) -> None:
    sale = await tryton.confirmed_sale(Line("GADGET", "3"), Line("WIDGET", "1"))
    first = await tryton.sale(sale)
    await tryton.back_to_draft(sale)
    await tryton.edit_line(sale, "GADGET", quantity=5.0)
    await tryton.confirm(sale)
    again = await tryton.sale(sale)
    assert (again.state, again.number) == ("confirmed", first.number)
    assert [line.id for line in again.lines] == [line.id for line in first.lines]
    assert [line.quantity for line in again.lines] == [Decimal(5), Decimal(1)]


async def test_what_a_shipment_leaves_is_a_new_shipment(tryton: Tryton) -> None:
    sale = await tryton.confirmed_sale(Line("GADGET", "3"), Line("WIDGET", "2", "bx"))
    await tryton.process(sale)
    await tryton.ship(sale, GADGET=1.0)
    seen = await tryton.sale(sale)
    assert seen.shipment_state == "partially shipped"
    first, second = seen.shipments
    assert (first.state, [(move.sku, move.quantity) for move in first.moves]) == ("done", [("GADGET", Decimal(1))])
    left = [(move.sku, move.quantity, move.unit) for move in second.moves]
    assert (second.state, left) == ("waiting", [("GADGET", Decimal(2), "u"), ("WIDGET", Decimal(2), "bx")])


async def test_a_renamed_product_and_a_new_one_are_seen(tryton: Tryton) -> None:
    await tryton.new_product("SMOKE-THING")
    await tryton.rename_product("SMOKE-THING", "Another thing")
    (seen,) = await tryton.find("product.product", [["code", "=", "SMOKE-THING"]], "template.name")
    assert seen["template"]["name"] == "Another thing"


async def test_two_sales_may_have_one_reference(tryton: Tryton) -> None:
    for _ in range(2):
        await tryton.draft_sale(Line("GADGET", "1"), reference="SMOKE-TWICE")
    assert len(await tryton.sales("SMOKE-TWICE")) == 2


async def test_a_cancelled_sale_says_so(tryton: Tryton) -> None:
    sale = await tryton.confirmed_sale(Line("GADGET", "1"))
    await tryton.back_to_draft(sale)
    await tryton.cancel(sale)
    assert (await tryton.sale(sale)).state == "cancelled"


async def test_a_wrong_key_is_401_and_an_unknown_field_is_500(tryton: Tryton) -> None:
    server = tryton.server
    address = f"{server.url}/{server.database}/rest/model"
    async with httpx.AsyncClient(trust_env=False) as client:
        locked_out = await client.get(f"{address}/sale.sale", headers={"Authorization": "Bearer wrong"})
    assert locked_out.status_code == 401
    with pytest.raises(TrytonError) as caught:
        await tryton.create("sale.sale", {"no_such_field": 1})
    assert caught.value.status == 500


async def test_what_a_state_does_not_allow_is_400(tryton: Tryton) -> None:
    sale = await tryton.confirmed_sale(Line("GADGET", "1"))
    await tryton.process(sale)
    with pytest.raises(TrytonError) as caught:
        await tryton.back_to_draft(sale)
    assert caught.value.status == 400


async def test_a_killed_tryton_comes_back_at_its_address_with_what_it_had(own_tryton: Tryton) -> None:
    sale = await own_tryton.confirmed_sale(Line("WIDGET", "2", "bx"))
    await own_tryton.server.kill()
    assert not await own_tryton.server.answers()
    await own_tryton.server.start()
    assert (await own_tryton.sale(sale)).lines[0].quantity == Decimal(2)
