"""The mapping of Dolibarr, held against its own contracts and against what a real one said and was told."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from lxml import etree

from adapters.erp.engine.connected import ConnectedErp
from adapters.erp.engine.speaking import Speaker
from adapters.erp.files import FILE, folder
from adapters.erp.mapping.calls import Call
from domain.commands import Push
from domain.errors import OutcomeUnknown, Rejected, StockbridgeError, Unavailable
from tests.adapters.erp.connected import connected
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
        settings = {
            "base": there.url,
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
        text = TEXT.replace("\ndoors:\n", f"\ndoors:\n{OTHER_DOORS}", 1)
        connection = connected(text, bundle, settings, secrets)
        speaker = Speaker(connection)
        yield Dolibarr(there, connection, speaker)
        speaker.close()


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
