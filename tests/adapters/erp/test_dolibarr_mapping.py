"""The mapping of Dolibarr, held against its own contracts and against what a real one said and was told."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from lxml import etree

from adapters.erp.engine.adapter import MappedErp
from adapters.erp.engine.connected import ConnectedErp
from adapters.erp.engine.speaking import Speaker
from adapters.erp.files import FILE, folder
from adapters.erp.mapping.calls import Call
from domain.commands import Push
from domain.erp import ErpLine, ErpMessage, ErpMessageKind, ErpParcel
from domain.errors import OutcomeUnknown, Rejected, StockbridgeError, Unavailable
from tests.adapters.erp.connected import connected
from tests.adapters.erp.dolibarr_stand_in import StandIn, standing_in
from tests.adapters.erp.given import given
from tests.adapters.scripted import Scripted, answer, scripted

THEIRS = Path(__file__).parents[4] / "shared" / "contracts"
DOLIBARR = THEIRS / "wsdl" / "dolibarr-24"
SAMPLES = DOLIBARR / "samples"
TEXT = (folder("dolibarr") / FILE).read_text()
OTHER_DOORS = "".join(
    f"""  {name}:
    protocol: soap
    wsdl: server_{name}.wsdl
    address: ${{settings.base}}/webservices/server_{name}.php
    always: {{authentication: {{shape: login}}}}
    faults: in_band
"""
    for name in ("other", "productorservice")
)

pytestmark = pytest.mark.skipif(not DOLIBARR.is_dir(), reason=f"Dolibarr's contracts are not in {DOLIBARR}")


@dataclass
class Dolibarr:
    """A server that answers as Dolibarr did, and the hub's way to it, with two doors more than the mapping has."""

    there: Scripted
    connection: ConnectedErp
    speaker: Speaker

    async def say(self, call: dict[str, Any], *, changes: bool = False) -> Any:
        scope = self.speaker.scope()
        told = await asyncio.to_thread(self.speaker.call, Call.model_validate(call), scope, scope, changes=changes)
        return None if told.absent else told.answer

    def answers(self, body: bytes) -> None:
        self.there.behavior = answer(200, body, {"Content-Type": "text/xml; charset=UTF-8"})


@pytest.fixture
async def dolibarr() -> AsyncIterator[Dolibarr]:
    async with scripted(answer(500, "")) as there:
        text = TEXT.replace("\ndoors:\n", f"\ndoors:\n{OTHER_DOORS}", 1)
        connection = connection_to(there.url, text)
        speaker = Speaker(connection)
        yield Dolibarr(there, connection, speaker)
        speaker.close()


def connection_to(url: str, text: str) -> ConnectedErp:
    settings = {
        "base": url,
        "login": "admin",
        "zone": "Europe/Paris",
        "site": "HAM",
        "warehouse": "1",
        "base_uom": "EA",
        "carrier": "sandbox",
        "service_level": "ground",
        "currency": "EUR",
    }
    secrets = {"soap_key": "key", "password": "password", "api_key": "api", "hook": "hook"}
    bundle = {file.name: file.read_bytes() for file in DOLIBARR.iterdir() if file.is_file()}
    return connected(text, bundle, settings, secrets)


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.xml").read_bytes()


GET_ORDER = {"door": "orders", "operation": "getOrder", "send": {"ref_ext": "EXT-1795251580"}}
LINE = {"type": "0", "vat_rate": "0.0", "product_id": "2"}
CALLS: dict[str, dict[str, Any]] = {
    "getOrder": GET_ORDER,
    "getOrder-notfound": {**GET_ORDER, "send": {"ref_ext": "NOPE"}},
    "getProductOrService": {"door": "productorservice", "operation": "getProductOrService", "send": {"id": "1"}},
    "getVersions-badlogin": {"door": "other", "operation": "getVersions"},
    "createOrder": {
        "door": "orders",
        "operation": "createOrder",
        "send": {
            "order": {
                "ref_client": "WEB-1795251580",
                "ref_ext": "EXT-1795251580",
                "thirdparty_id": "2",
                "date": "2026-11-21",
                "source": "hub",
                "lines": [
                    {**LINE, "desc": "Widget", "qty": "2.0", "unitprice": "10.0"},
                    {**LINE, "desc": "Widget B", "qty": "1.0", "unitprice": "5.5"},
                ],
            }
        },
    },
    "createOrder-badcustomer": {
        "door": "orders",
        "operation": "createOrder",
        "send": {
            "order": {"ref_client": "x", "ref_ext": "y", "thirdparty_id": "999999", "date": "2026-11-21", "lines": []}
        },
    },
}


def all_of(kind: str) -> set[str]:
    return {file.stem.removesuffix(f"-{kind}") for file in SAMPLES.glob(f"*-{kind}.xml")} if SAMPLES.is_dir() else set()


def test_every_sample_is_looked_at() -> None:
    assert all_of("request") == all_of("response") == set(CALLS)


# What is sent


def elements(raw: bytes) -> Iterator[tuple[str, str]]:
    """Yield the elements of a message with their texts; of the log-in, which is secret, the names alone."""
    root = etree.fromstring(raw)
    for element in root.iter(etree.Element):
        secret = any(etree.QName(each).localname == "authentication" for each in element.iterancestors())
        yield etree.QName(element).localname, "" if secret else (element.text or "").strip()


@pytest.mark.parametrize("name", CALLS)
async def test_a_request_is_what_a_real_one_was_but_for_secrets(dolibarr: Dolibarr, name: str) -> None:
    dolibarr.answers(sample(f"{name}-response"))
    with pytest.raises(StockbridgeError) if "bad" in name else nullcontext():
        await dolibarr.say(CALLS[name], changes="create" in name)
    (heard,) = dolibarr.there.heard
    assert list(elements(heard.body)) == list(elements(sample(f"{name}-request")))


# What is answered


async def test_an_order_is_read_with_its_two_lines(dolibarr: Dolibarr) -> None:
    dolibarr.answers(sample("getOrder-response"))
    order = (await dolibarr.say(CALLS["getOrder"]))["order"]
    assert [(line["id"], line["qty"], line["product_ref"], line["unitprice"]) for line in order["lines"]] == [
        ("13", "2", "P1795249381", "10"),
        ("14", "1", "P1795249381", "5.5"),
    ]


async def test_an_order_that_is_not_found_is_absent(dolibarr: Dolibarr) -> None:
    dolibarr.answers(sample("getOrder-notfound-response"))
    assert await dolibarr.say(CALLS["getOrder-notfound"]) is None


async def test_a_wrong_log_in_is_an_operators(dolibarr: Dolibarr) -> None:
    dolibarr.answers(sample("getVersions-badlogin-response"))
    with pytest.raises(Unavailable, match="password"):
        await dolibarr.say(CALLS["getVersions-badlogin"])


async def test_an_order_that_is_made_is_named(dolibarr: Dolibarr) -> None:
    dolibarr.answers(sample("createOrder-response"))
    made = await dolibarr.say(CALLS["createOrder"], changes=True)
    assert (made["id"], made["ref"]) == ("13", "(PROV13)")


async def test_a_customer_that_there_is_not_is_a_broken_foreign_key(dolibarr: Dolibarr) -> None:
    dolibarr.answers(sample("createOrder-badcustomer-response"))
    with pytest.raises(Rejected) as refusal:
        await dolibarr.say(CALLS["createOrder-badcustomer"], changes=True)
    assert refusal.value.code == "erp_unknown_customer"
    assert "llx_commande" in str(refusal.value.said)
    assert "llx_commande" not in str(refusal.value.as_json())


async def test_a_refusal_without_words_is_one(dolibarr: Dolibarr) -> None:
    worded = sample("createOrder-badcustomer-response")
    begin, end = worded.index(b"Cannot add"), worded.index(b"</result_label>")
    dolibarr.answers(worded[:begin] + worded[end:])
    with pytest.raises(Rejected) as refusal:
        await dolibarr.say(CALLS["createOrder-badcustomer"], changes=True)
    assert (refusal.value.code, refusal.value.said) == ("erp_refused", "KO: ")


async def test_a_product_is_read(dolibarr: Dolibarr) -> None:
    dolibarr.answers(sample("getProductOrService-response"))
    product = (await dolibarr.say(CALLS["getProductOrService"]))["product"]
    assert (product["ref"], product["images"]) == ("P1795249350", [])


async def test_a_half_of_an_answer_is_not_understood(dolibarr: Dolibarr) -> None:
    whole = sample("createOrder-response")
    dolibarr.answers(whole[: len(whole) // 2])
    with pytest.raises(OutcomeUnknown):
        await dolibarr.say(CALLS["createOrder"], changes=True)
    with pytest.raises(Unavailable):
        await dolibarr.say(CALLS["createOrder"])


# What it gives


PARTY = {
    "id": "2",
    "ref": "Holm & Söhne",
    "address": "Kehrwieder 2\nHinterhaus",
    "zip": "20457",
    "town": "Hamburg",
    "country_code": "de",
    "phone": "",
    "email": None,
}


def pushed(dolibarr: Dolibarr, order: dict[str, Any]) -> tuple[str, Any]:
    inbound = dolibarr.connection.mapping.file.inbound.orders
    assert inbound is not None
    return given(dolibarr.connection, inbound, id="13", order=order, party=PARTY)


async def read_order(dolibarr: Dolibarr, raw: bytes) -> dict[str, Any]:
    dolibarr.answers(raw)
    order: dict[str, Any] = (await dolibarr.say(CALLS["getOrder"]))["order"]
    return order


async def test_a_draft_gives_nothing_and_what_is_validated_an_order_of_two_lines(dolibarr: Dolibarr) -> None:
    order = await read_order(dolibarr, sample("getOrder-response"))
    assert pushed(dolibarr, order) == ("nothing", "The order is a draft.")
    kind, body = pushed(dolibarr, order | {"ref": "CO2611-0001", "status": "1"})
    push = Push.model_validate(body | {"revision": 1})
    assert (kind, push.order_no, len(push.lines)) == ("order", "CO2611-0001", 2)
    assert [(line.line_no, line.sku, line.quantity) for line in push.lines] == [
        (13, "P1795249381", "2"),
        (14, "P1795249381", "1"),
    ]
    assert push.ship_to.street == ("Kehrwieder 2", "Hinterhaus")
    assert pushed(dolibarr, order | {"status": "-1"})[0] == "cancel"


async def test_a_service_is_no_line_of_ours_whatever_is_said_of_it(dolibarr: Dolibarr) -> None:
    order = await read_order(dolibarr, sample("getOrder-response"))
    goods, service = order["lines"]
    words = 'a "product_type": "0" of words'
    order |= {"status": "1", "ref": "CO2611-0001", "lines": [service | {"product_type": "1", "desc": words}, goods]}
    _, body = pushed(dolibarr, order)
    assert [line["line_no"] for line in body["lines"]] == [int(goods["id"])]


async def test_an_order_of_500_lines_is_read_whole(dolibarr: Dolibarr) -> None:
    rows = bought(500)
    order = await read_order(dolibarr, order_of(rows))
    _, body = pushed(dolibarr, order | {"ref": "CO2611-0001", "status": "1"})
    push = Push.model_validate(body | {"revision": 1})
    assert [(line.line_no, line.sku, line.quantity) for line in push.lines] == [
        (1000 + place, row["StockCode"], row["Quantity"]) for place, row in enumerate(rows)
    ]
    assert [line.unit_price.amount for line in push.lines if line.unit_price] == [
        row["UnitPrice"].rstrip("0").rstrip(".") for row in rows
    ]


async def test_an_order_of_which_a_line_is_lost_on_the_way_is_not_understood(dolibarr: Dolibarr) -> None:
    whole = order_of(bought(500))
    begin = whole.rindex(b"<item")
    dolibarr.answers(whole[:begin] + whole[whole.rindex(b"</item>") + len(b"</item>") :])
    with pytest.raises(Unavailable):
        await dolibarr.say(CALLS["getOrder"])


def bought(lines: int) -> list[dict[str, str]]:
    """Take so many rows of a wholesaler's day, of those that can be lines of an order."""
    with (THEIRS / "orders" / "2010-12-01.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if int(row["Quantity"]) > 0 and " " not in row["StockCode"]]
    return rows[:lines]


def order_of(rows: list[dict[str, str]]) -> bytes:
    """Write an order of these rows as Dolibarr did one of two."""
    items = "".join(
        f'<item xsi:type="xsd:"><id xsi:type="xsd:string">{1000 + place}</id>'
        f'<desc xsi:type="xsd:string">{escape(row["Description"])}</desc><price xsi:nil="true"/>'
        f'<qty xsi:type="xsd:string">{row["Quantity"]}</qty>'
        f'<unitprice xsi:type="xsd:float">{row["UnitPrice"]}</unitprice>'
        f'<product_type xsi:type="xsd:string">0</product_type>'
        f'<product_ref xsi:type="xsd:string">{escape(row["StockCode"])}</product_ref></item>'
        for place, row in enumerate(rows)
    )
    told = sample("getOrder-response")
    begin, end = told.index(b"<lines "), told.index(b"</lines>")
    head = f'<lines xsi:type="SOAP-ENC:Array" SOAP-ENC:arrayType=":[{len(rows)}]">'
    return told[:begin] + (head + items).encode() + told[end:]


# What it is told


@dataclass
class Trade:
    there: StandIn
    erp: MappedErp

    def message(self, kind: ErpMessageKind = "shipped", **changes: Any) -> ErpMessage:
        message = ErpMessage(
            reference="acme/erp:CO2611-0001/4",
            order_no="CO2611-0001",
            number=4,
            kind=kind,
            revision=1,
            occurred_at="2026-01-05T09:12:00Z",
            lines=(ErpLine(13, "MUG", 2, 2, "EA"), ErpLine(14, "MUG", 1, 1, "EA")),
            shipment_no="S-1",
            carrier="dhl" if kind == "shipped" else None,
            parcels=(ErpParcel(1, "T-1"), ErpParcel(2, "T-2")) if kind == "shipped" else (),
        )
        return replace(message, **changes)

    def tell_until_told(self, told: ErpMessage) -> str | None:
        for _ in range(3):
            try:
                return self.erp.tell(told).document_no
            except (OutcomeUnknown, Unavailable):
                told = replace(told, repeated=True)
        raise AssertionError("it was never told")


@pytest.fixture
def trade() -> Iterator[Trade]:
    with standing_in() as there:
        erp = MappedErp(connection_to(there.url, TEXT))
        yield Trade(there, erp)
        erp.close()


def test_a_shipment_is_made_validated_and_known_by_its_final_number(trade: Trade) -> None:
    assert trade.erp.tell(trade.message()).document_no == "SH2611-0001"
    (made,) = trade.there.shipments
    assert made | {"id": "1", "ref": "", "status": "1"} == {
        "id": "1",
        "ref": "",
        "status": "1",
        "date_creation": 1767604320,
        "socid": 2,
        "origin": "commande",
        "origin_type": "commande",
        "origin_id": 13,
        "ref_customer": "acme/erp:CO2611-0001/4",
        "note_private": "CO2611-0001/S-1",
        "note_public": "T-1 T-2",
        "tracking_number": "T-1",
        "shipping_method_id": 5,
        "date_delivery": 1767604320,
        "lines": [
            {"origin_line_id": 13, "fk_origin_line": 13, "qty": 2, "entrepot_id": 1},
            {"origin_line_id": 14, "fk_origin_line": 14, "qty": 1, "entrepot_id": 1},
        ],
    }
    found = trade.erp.find("acme/erp:CO2611-0001/4")
    assert found is not None
    assert (found.document_no, found.document and found.document.shipment_no) == ("SH2611-0001", "S-1")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["getOrder", "find", "create", "validate"])
def test_a_shipment_of_which_a_call_is_cut_is_made_once(trade: Trade, call: str, when: str) -> None:
    trade.there.cut = (call, when)
    assert trade.tell_until_told(trade.message()) == "SH2611-0001"
    assert trade.there.cut is None
    assert [(made["ref"], made["status"]) for made in trade.there.shipments] == [("SH2611-0001", "1")]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_delivery_closes_its_own_shipment_once(trade: Trade, when: str) -> None:
    trade.erp.tell(trade.message())
    trade.erp.tell(trade.message(reference="acme/erp:CO2611-0001/5", shipment_no="OTHER-S-1"))
    trade.there.cut = ("close", when)
    assert trade.tell_until_told(trade.message("delivered")) == "SH2611-0001"
    assert [made["status"] for made in trade.there.shipments] == ["2", "1"]
    with pytest.raises(Rejected) as refusal:
        trade.erp.tell(trade.message("delivered", shipment_no="S-9"))
    assert refusal.value.code == "erp_unknown_shipment"


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_order_is_canceled_once_and_as_a_whole(trade: Trade, when: str) -> None:
    told = trade.message("cancelled", shipment_no=None)
    with pytest.raises(Rejected) as refusal:
        trade.erp.tell(replace(told, lines=told.lines[:1]))
    assert (refusal.value.code, trade.there.status) == ("erp_by_hand", "1")
    trade.there.cut = ("updateOrder", when)
    assert trade.tell_until_told(told) == "CO2611-0001"
    assert trade.there.status == "-1"
    assert trade.there.calls.count("updateOrder") == (2 if when == "before" else 1)


@pytest.mark.parametrize("dropped", ["note_private", "lines", "ref_customer"])
def test_what_is_dropped_without_a_word_is_noticed(trade: Trade, dropped: str) -> None:
    trade.there.dropped.add(dropped)
    with pytest.raises(Rejected) as refusal:
        trade.erp.tell(trade.message())
    assert refusal.value.code == "erp_not_kept"
    assert trade.there.calls.count("validate") == 0


def test_lots_serials_returns_and_refusals_are_a_persons(trade: Trade) -> None:
    lot, serial = (ErpLine(13, "MUG", 2, 2, "EA", "L-1"), ErpLine(13, "MUG", 1, 1, "EA", None, ("S-1",)))
    by_hand = [trade.message(lines=(line,)) for line in (lot, serial)]
    for told in (*by_hand, trade.message("returned"), trade.message("refused")):
        with pytest.raises(Rejected) as refusal:
            trade.erp.tell(told)
        assert refusal.value.code == "erp_by_hand"
    assert trade.there.shipments == []


def test_a_shipment_that_a_person_booked_under_our_reference_is_taken_for_told(trade: Trade) -> None:
    told = trade.message(lines=(ErpLine(13, "MUG", 2, 2, "EA", "L-1"),))
    trade.there.post(
        "/shipments", {"ref_customer": told.reference, "note_private": "CO2611-0001/S-1", "lines": [{"qty": 2}]}
    )
    assert trade.erp.tell(told).document_no == "SH2611-0001"
    assert len(trade.there.shipments) == 1


def test_an_order_that_is_not_there_is_refused(trade: Trade) -> None:
    for kind in ("shipped", "cancelled"):
        with pytest.raises(Rejected) as refusal:
            trade.erp.tell(trade.message(kind, order_no="CO-0"))
        assert refusal.value.code == "erp_unknown_order"
