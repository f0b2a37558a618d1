"""That a real Tryton is told every step by the hub's mapping of it, each once, whatever is cut or killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import pytest
import pytest_asyncio

from adapters.erp.port import NotThereYet
from domain.erp import ErpMessage, ErpMessageKind
from domain.errors import OutcomeUnknown, Rejected, Unavailable
from runtime.polling import until
from tests.tryton.cutting import Cut, Wire, wire
from tests.tryton.driving import SHIPMENT, Line, Move, Package, Sale, Tryton
from tests.tryton.hub import Hub, Told, message, parcel, told_of

BY_HAND: Final = "erp_by_hand"
MOST_ATTEMPTS: Final = 100


@pytest.fixture
def hub(tryton: Tryton) -> Hub:
    return Hub.at(tryton.server)


@pytest_asyncio.fixture
async def cut_wire(tryton: Tryton) -> AsyncIterator[Wire]:
    async with wire(tryton.server.url) as laid:
        yield laid


# --- shipped ---


def first_part(sale: Sale, stem: str) -> ErpMessage:
    """Return a message of two parcels with lots, and boxes of which one is left."""
    one = (Told("SERUM", 2, 9, "LOT-A"), Told("WIDGET", 12, 24))
    other = (Told("SERUM", 1, 9, "LOT-A"), Told("SERUM", 2, 9, "LOT-B"))
    lines = (Told("SERUM", 3, 9, "LOT-A"), Told("SERUM", 2, 9, "LOT-B"), Told("WIDGET", 12, 24))
    parcels = (parcel(sale, 1, *one), parcel(sale, 2, *other))
    return message("shipped", sale, lines, f"{stem}/1", carrier="sandbox", parcels=parcels)


def second_part(sale: Sale, stem: str) -> ErpMessage:
    """Return a message about the rest, of which nobody knows in which of two parcels it is."""
    lines = (Told("SERUM", 4, 9, "LOT-B"), Told("WIDGET", 12, 24))
    parcels = (parcel(sale, 3), parcel(sale, 4))
    return message("shipped", sale, lines, f"{stem}/2", carrier="sandbox", parcels=parcels)


async def sold(tryton: Tryton, *lines: Line) -> Sale:
    return await tryton.sale(await tryton.confirmed_sale(*lines))


async def sold_with_lots(tryton: Tryton) -> Sale:
    return await sold(tryton, Line("SERUM", "9", price="80.00"), Line("WIDGET", "2", "bx", price="120.00"))


def moved(sku: str, quantity: int, lot: str | None = None) -> Move:
    return Move(sku, Decimal(quantity), "u", lot, "done")


async def test_an_order_is_shipped_in_two_parts_of_two_parcels_with_lots(tryton: Tryton, hub: Hub, tenant: str) -> None:
    sale = await sold_with_lots(tryton)
    parts = [first_part(sale, tenant), second_part(sale, tenant)]
    receipts = [await hub.tell_until_it_ends(part) for part in parts]
    await tryton.settle()
    seen = await tryton.sale(sale.id)
    assert (seen.state, seen.shipment_state) == ("processing", "sent")
    first, second = seen.shipments
    assert [(x.reference, x.state, x.number) for x in (first, second)] == [
        (f"{tenant}/1", "done", receipts[0].document_no),
        (f"{tenant}/2", "done", receipts[1].document_no),
    ]
    assert first.packages == (
        Package("TRACK-1", (moved("SERUM", 2, "LOT-A"), moved("WIDGET", 12))),
        Package("TRACK-2", (moved("SERUM", 1, "LOT-A"), moved("SERUM", 2, "LOT-B"))),
    )
    assert second.packages == (
        Package("TRACK-3", (moved("SERUM", 4, "LOT-B"), moved("WIDGET", 12))),
        Package("TRACK-4", ()),
    )
    told = await tryton.get(SHIPMENT, first.id, "effective_date", "carrier.party.name", "outgoing_moves.unit_price")
    assert (told["effective_date"]["year"], told["carrier"]["party"]["name"]) == (2026, "Sandbox Parcel")
    prices = sorted(Decimal(move["unit_price"]["decimal"]) for move in told["outgoing_moves"])
    assert prices == [Decimal(10), Decimal(80), Decimal(80), Decimal(80)]  # a box of 12 was sold for 120

    assert [await hub.tell(part) for part in parts] == receipts
    assert await tryton.sale(sale.id) == seen

    for part, receipt in zip(parts, receipts, strict=True):
        found = await hub.find(part.reference)
        assert found == receipt
        assert found.document is not None
        assert found.document.tells(part)
        assert not found.document.tells(parts[0] if part is parts[1] else parts[1])


async def test_what_is_in_no_parcel_is_shipped_all_the_same(tryton: Tryton, hub: Hub, tenant: str) -> None:
    sale = await sold(tryton, Line("GADGET", "3"))
    await hub.tell(message("shipped", sale, [Told("GADGET", 3)], tenant, carrier="sandbox"))
    (shipment,) = (await tryton.sale(sale.id)).shipments
    assert (shipment.state, shipment.moves, shipment.packages) == ("done", (moved("GADGET", 3),), ())


async def test_each_serial_number_is_a_lot_of_one(tryton: Tryton, hub: Hub, tenant: str) -> None:
    numbers = (f"{tenant}-1", f"{tenant}-2")
    await count_in(tryton, *numbers)
    sale = await sold(tryton, Line("SERUM", "2"))
    told = Told("SERUM", 2, serial_numbers=numbers)
    parcels = (parcel(sale, 1, told),)
    await hub.tell(message("shipped", sale, [told], tenant, carrier="sandbox", parcels=parcels))
    (shipment,) = (await tryton.sale(sale.id)).shipments
    assert shipment.moves == tuple(moved("SERUM", 1, number) for number in numbers)


async def count_in(tryton: Tryton, *lots: str) -> None:
    """Put one of each of these new lots of SERUM into stock."""
    (serum,) = await tryton.find("product.product", [["code", "=", "SERUM"]])
    (storage,) = await tryton.find("stock.location", [["code", "=", "STO"]])
    lines = []
    for number in lots:
        lot = await tryton.create("stock.lot", {"number": number, "product": serum["id"]})
        lines.append({"product": serum["id"], "lot": lot["id"], "quantity": 1.0})
    values = {"location": storage["id"], "company": 1, "lines": [["create", lines]]}
    inventory = await tryton.create("stock.inventory", values)
    await tryton.click("stock.inventory", inventory["id"], "confirm")


async def test_what_is_assigned_by_hand_is_shipped_as_it_is_told(tryton: Tryton, hub: Hub, tenant: str) -> None:
    sale = await sold_with_lots(tryton)
    await tryton.process(sale.id)
    (shipment,) = (await tryton.sale(sale.id)).shipments
    await tryton.click(SHIPMENT, shipment.id, "assign_try")
    await hub.tell(first_part(sale, tenant))
    first = (await tryton.sale(sale.id)).shipments[0]
    assert (first.state, len(first.moves)) == ("done", 4)


async def test_goods_leave_while_a_clerk_edits_the_order(tryton: Tryton, hub: Hub, tenant: str) -> None:
    sale = await sold(tryton, Line("GADGET", "3"))
    await tryton.back_to_draft(sale.id)
    shipped = message("shipped", sale, [Told("GADGET", 3)], tenant, carrier="sandbox")
    with pytest.raises(NotThereYet):
        await hub.tell(shipped)
    await tryton.confirm(sale.id)
    await hub.tell(shipped)
    await tryton.settle()
    assert (await tryton.sale(sale.id)).shipment_state == "sent"


async def test_goods_that_tryton_does_not_have_are_left_to_a_person(tryton: Tryton, hub: Hub, tenant: str) -> None:
    await count_in(tryton, tenant)
    sale = await sold(tryton, Line("SERUM", "3"))
    for number, lot in enumerate(("no such lot", tenant)):
        lines = [Told("SERUM", 3, lot=lot)]
        told = message("shipped", sale, lines, f"{tenant}/{number}", carrier="sandbox")
        with pytest.raises(Rejected) as caught:
            await hub.tell(told)
        assert caught.value.code == BY_HAND, lot
    (shipment,) = (await tryton.sale(sale.id)).shipments
    assert shipment.state == "waiting"


async def test_goods_that_the_order_does_not_have_are_left_to_a_person(tryton: Tryton, hub: Hub, tenant: str) -> None:
    sale = await sold(tryton, Line("SERUM", "3"))
    renamed = replace(sale, lines=(replace(sale.lines[0], sku="GADGET"),))
    with pytest.raises(Rejected) as caught:
        await hub.tell(message("shipped", renamed, [Told("GADGET", 3)], tenant, carrier="sandbox"))
    assert caught.value.code == BY_HAND
    assert await tryton.sale(sale.id) == sale


async def test_an_order_that_tryton_does_not_have_is_refused(tryton: Tryton, hub: Hub, tenant: str) -> None:
    sale = replace(await sold(tryton, Line("GADGET", "1")), number="NO-SUCH-NUMBER")
    with pytest.raises(Rejected) as caught:
        await hub.tell(message("shipped", sale, [Told("GADGET", 1)], tenant, carrier="sandbox"))
    assert caught.value.code == "erp_unknown_order"


async def test_four_at_once_tell_one_message_once(tryton: Tryton, hub: Hub, tenant: str) -> None:
    sale = await sold_with_lots(tryton)
    told = first_part(sale, tenant)
    receipts = await asyncio.gather(*(hub.tell_until_it_ends(told) for _ in range(4)))
    await tryton.settle()
    seen = await tryton.sale(sale.id)
    assert {receipt.document_no for receipt in receipts} == {seen.shipments[0].number}
    assert [(x.reference, x.state, len(x.moves), len(x.packages)) for x in seen.shipments] == [
        (f"{tenant}/1", "done", 4, 2),
        (None, "waiting", 2, 0),
    ]


# --- cut off, and killed ---


@dataclass(frozen=True)
class Story:
    """What is told of an order, and all that is changed in Tryton by it, in that order."""

    kind: ErpMessageKind
    changes: tuple[str, ...]

    async def begin(self, tryton: Tryton, stem: str) -> tuple[Sale, ErpMessage]:
        """Make a sale as it is when the message is told of it."""
        sale = await sold_with_lots(tryton)
        match self.kind:
            case "shipped":
                return sale, first_part(sale, stem)
            case "amended":
                return sale, message("amended", sale, [Told("SERUM", 0, 5)], f"{stem}/1")
            case "cancelled":
                return sale, message("cancelled", sale, [Told("SERUM", 9), Told("WIDGET", 24)], f"{stem}/1")
        await Hub.at(tryton.server).tell_until_it_ends(first_part(sale, f"{stem}/sent"))
        back = [Told("SERUM", 2, 9, "LOT-B"), Told("SERUM", 1, 9, "LOT-A"), Told("WIDGET", 3, 24)]
        return sale, message("returned", sale, back, f"{stem}/1")


STORIES: Final = (
    Story(
        "shipped",
        (
            "POST sale.sale process",
            "POST stock.shipment.out draft",
            "PUT stock.shipment.out",
            "POST stock.shipment.out wait",
            "POST stock.shipment.out assign_try",
            "POST stock.shipment.out pick",
            "POST stock.shipment.out pack",
            "POST stock.shipment.out do",
        ),
    ),
    Story(
        "amended",
        (
            "POST ir.note",
            "POST sale.sale draft",
            "PUT sale.sale",
            "POST sale.sale quote",
            "POST sale.sale confirm",
        ),
    ),
    Story("cancelled", ("POST sale.sale draft", "POST sale.sale cancel")),
    Story("returned", ("POST stock.shipment.out.return", "POST stock.shipment.out.return receive")),
)


async def notes(tryton: Tryton, sale: Sale) -> int:
    return len(await tryton.find("ir.note", [["resource", "=", f"sale.sale,{sale.id}"]]))


@pytest.mark.parametrize("cut", ["while", "after"])
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.kind)
async def test_cut_off_at_every_change_it_is_the_same_documents_each_once(
    story: Story, cut: Cut, tryton: Tryton, hub: Hub, cut_wire: Wire, tenant: str
) -> None:
    far = Hub.at(tryton.server, cut_wire.url)
    sale, told = await story.begin(tryton, f"{tenant}/a")
    await far.tell_until_it_ends(told)
    assert tuple(cut_wire.changed) == story.changes
    await tryton.settle()
    undisturbed = told_of(await tryton.sale(sale.id), f"{tenant}/a")

    sale, told = await story.begin(tryton, f"{tenant}/b")
    cut_wire.changed.clear()
    receipt, attempts = None, 0
    while receipt is None:
        attempts += 1
        assert attempts < MOST_ATTEMPTS, "it never ends"
        cut_wire.cut_next = "before" if attempts % 2 else cut
        with suppress(OutcomeUnknown, Unavailable):
            receipt = await far.tell(told)
    await cut_wire.settle()
    assert receipt == await hub.tell_until_it_ends(told)
    if cut == "after":
        assert tuple(cut_wire.changed) == story.changes
    assert set(cut_wire.changed) == set(story.changes)
    await tryton.settle()
    assert told_of(await tryton.sale(sale.id), f"{tenant}/b") == undisturbed
    if cut == "after":
        assert await notes(tryton, sale) == (story.kind == "amended")


async def test_tryton_itself_is_killed_while_it_ships(own_tryton: Tryton, tenant: str) -> None:
    server = own_tryton.server
    sale = await sold_with_lots(own_tryton)
    await Hub.at(server).tell_until_it_ends(first_part(sale, f"{tenant}/a"))
    await own_tryton.settle()
    undisturbed = told_of(await own_tryton.sale(sale.id), f"{tenant}/a")

    sale = await sold_with_lots(own_tryton)
    told = first_part(sale, f"{tenant}/b")
    async with wire(server.url) as laid:
        far = Hub.at(server, laid.url)

        async def kill(_: str) -> None:
            await server.kill()

        for words in ("PUT stock.shipment.out", "POST stock.shipment.out pack"):
            laid.at_the_cut = kill
            while laid.changed[-1:] != [words]:
                assert len(laid.changed) < MOST_ATTEMPTS, "it never comes to it"
                laid.cut_next = "while" if last_before(laid, words) else "after"
                with pytest.raises((OutcomeUnknown, Unavailable)):
                    await far.tell(told)
            await laid.settle()
            await server.start()
        await far.tell_until_it_ends(told)

    async def the_same() -> bool:
        return told_of(await own_tryton.sale(sale.id), f"{tenant}/b") == undisturbed

    # What its worker was at when it was killed it never finishes, so there is no waiting until it has nothing to do.
    assert await until(the_same, limit_s=30), told_of(await own_tryton.sale(sale.id), f"{tenant}/b")


def last_before(laid: Wire, words: str) -> bool:
    """Say whether what comes next is what these words say."""
    changes = STORIES[0].changes
    return laid.changed[-1:] == [changes[changes.index(words) - 1]]


# --- amended ---


async def test_an_amendment_changes_quantities_and_takes_lines_out(tryton: Tryton, hub: Hub, tenant: str) -> None:
    sale = await sold(tryton, Line("GADGET", "3"), Line("WIDGET", "2", "bx"), Line("SERUM", "4"))
    told = message("amended", sale, [Told("GADGET", 0, 5), Told("WIDGET", 7, 36)], tenant)
    receipt = await hub.tell(told)
    seen = await tryton.sale(sale.id)
    assert (seen.state, seen.number, receipt.document_no) == ("confirmed", sale.number, sale.number)
    assert [(x.id, x.quantity, x.unit) for x in seen.lines] == [
        (sale.lines[0].id, Decimal(5), "u"),
        (sale.lines[1].id, Decimal(3), "bx"),
    ]
    assert await hub.tell(told) == receipt
    assert await tryton.sale(sale.id) == seen
    assert await notes(tryton, sale) == 1


async def test_what_tryton_itself_amended_is_not_told_back(tryton: Tryton, cut_wire: Wire, tenant: str) -> None:
    sale = await sold(tryton, Line("GADGET", "3"), Line("WIDGET", "2", "bx"), Line("SETUP", "1"))
    told = message("amended", sale, [Told("GADGET", 1, 3), Told("WIDGET", 0, 24)], tenant)
    for again in (tryton.confirm, tryton.process):
        assert (await Hub.at(tryton.server, cut_wire.url).tell(told)).document_no is None
        if again is tryton.process:
            await again(sale.id)
    assert cut_wire.changed == []


@pytest.mark.parametrize(
    ("state", "ordered"), [("processing", 36), ("draft", 36), ("confirmed", 30)], ids=["processed", "edited", "no box"]
)
async def test_an_amendment_that_tryton_cannot_take_is_left_to_a_person(
    state: str, ordered: int, tryton: Tryton, hub: Hub, tenant: str
) -> None:
    sale = await sold(tryton, Line("WIDGET", "2", "bx"))
    if state != "confirmed":
        await (tryton.process if state == "processing" else tryton.back_to_draft)(sale.id)
    before = await tryton.sale(sale.id)
    with pytest.raises(Rejected) as caught:
        await hub.tell(message("amended", sale, [Told("WIDGET", 0, ordered)], tenant))
    assert caught.value.code == BY_HAND
    assert await tryton.sale(sale.id) == before


async def test_a_line_that_the_order_does_not_have_is_left_to_a_person(tryton: Tryton, hub: Hub, tenant: str) -> None:
    other = await sold(tryton, Line("SERUM", "4"))
    sale = await sold(tryton, Line("GADGET", "3"))
    both = replace(sale, lines=(*sale.lines, *other.lines))
    with pytest.raises(Rejected) as caught:
        await hub.tell(message("amended", both, [Told("GADGET", 0, 3), Told("SERUM", 0, 5)], tenant))
    assert caught.value.code == BY_HAND
    assert await tryton.sale(other.id) == other


# --- canceled ---


@pytest.mark.parametrize("state", ["draft", "quotation", "confirmed", "cancelled"])
async def test_an_order_is_canceled_before_it_is_processed(state: str, tryton: Tryton, hub: Hub, tenant: str) -> None:
    sale = await sold(tryton, Line("GADGET", "3"))
    if state != "confirmed":
        await tryton.back_to_draft(sale.id)
    if state == "quotation":
        await tryton.click("sale.sale", sale.id, "quote")
    if state == "cancelled":
        await tryton.cancel(sale.id)
    told = message("cancelled", sale, [Told("GADGET", 3)], tenant)
    assert [(await hub.tell(told)).document_no for _ in range(2)] == [sale.number, sale.number]
    assert (await tryton.sale(sale.id)).state == "cancelled"


async def test_canceling_what_is_processed_or_a_part_is_left_to_a_person(tryton: Tryton, hub: Hub, tenant: str) -> None:
    sale = await sold(tryton, Line("GADGET", "3"), Line("SERUM", "1"))
    a_part = [Told("GADGET", 3)]
    for lines in (a_part, [*a_part, Told("SERUM", 1)]):
        if lines is not a_part:
            await tryton.process(sale.id)
        with pytest.raises(Rejected) as caught:
            await hub.tell(message("cancelled", sale, lines, tenant))
        assert caught.value.code == BY_HAND
    assert (await tryton.sale(sale.id)).state == "processing"


async def test_an_order_deleted_there_needs_no_canceling(tryton: Tryton, hub: Hub, tenant: str) -> None:
    sale = replace(await sold(tryton, Line("GADGET", "3")), number="NO-SUCH-NUMBER")
    assert (await hub.tell(message("cancelled", sale, [Told("GADGET", 3)], tenant))).document_no is None


# --- returned ---


async def test_goods_come_back_with_their_lots(tryton: Tryton, hub: Hub, tenant: str) -> None:
    sale = await sold_with_lots(tryton)
    await hub.tell(first_part(sale, f"{tenant}/sent"))
    told = message("returned", sale, [Told("SERUM", 2, 9, "LOT-B"), Told("WIDGET", 3, 24)], f"{tenant}/1")
    receipt = await hub.tell(told)
    assert await hub.tell(told) == receipt
    (back,) = (await tryton.sale(sale.id)).returns
    assert (back.number, back.reference, back.state) == (receipt.document_no, f"{tenant}/1", "received")
    assert back.moves == (moved("SERUM", 2, "LOT-B"), moved("WIDGET", 3))
    assert await hub.find(told.reference) == receipt
    assert await hub.find(f"{tenant}/2") is None


async def test_what_never_left_does_not_come_back(tryton: Tryton, hub: Hub, tenant: str) -> None:
    sale = await sold(tryton, Line("GADGET", "3"))
    with pytest.raises(Rejected) as caught:
        await hub.tell(message("returned", sale, [Told("GADGET", 1, 3)], tenant))
    assert caught.value.code == BY_HAND


# --- the rest ---


@pytest.mark.parametrize("kind", ["accepted", "reserved", "backordered", "delivered"])
async def test_what_tryton_has_no_place_for_is_not_told(kind: ErpMessageKind, hub: Hub, tenant: str) -> None:
    sale = Sale(1, "1", None, "confirmed", "none", ())
    assert (await hub.tell(message(kind, sale, [], tenant))).document_no is None


async def test_what_the_hub_refuses_a_person_reads(hub: Hub, tenant: str) -> None:
    sale = Sale(1, "4711", None, "confirmed", "none", ())
    with pytest.raises(Rejected) as caught:
        await hub.tell(message("refused", sale, [], tenant, reason="no such item"))
    assert caught.value.code == BY_HAND
    assert "4711: no such item" in str(caught.value.said)


async def test_a_wrong_key_is_for_the_operator_to_set_right(tryton: Tryton, tenant: str) -> None:
    sale = await sold(tryton, Line("GADGET", "1"))
    with pytest.raises(Unavailable, match="key, which an operator must set right"):
        await Hub.at(tryton.server, key="wrong").tell(message("shipped", sale, [Told("GADGET", 1)], tenant))
