"""Real vendors' contracts, and what a real ERP sent and was sent."""

from __future__ import annotations

import csv
import re
import socket
from collections.abc import Iterator
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from lxml import etree

from adapters.erp.contracts.bundle import Bundle
from adapters.erp.contracts.describe import UNKNOWN, ListOf, Shape, Text, Tree
from adapters.erp.contracts.openapi import NoSuchCall, OpenApiContract
from adapters.erp.contracts.writing import ContractBroken
from adapters.erp.contracts.wsdl import SoapContract, soap_contract
from adapters.erp.language.values import Value
from adapters.wire import Unreadable
from tests.adapters.erp.contracts.small_wsdls import SOAP, XSI

THEIRS = Path(__file__).parents[5] / "shared" / "contracts"
DOLIBARR = THEIRS / "wsdl" / "dolibarr-24"
SAMPLES = DOLIBARR / "samples"
REAL = [
    ("dolibarr-24", "server_order.wsdl", "getOrder"),
    ("dolibarr-24", "server_thirdparty.wsdl", "getThirdParty"),
    ("dolibarr-24", "server_productorservice.wsdl", "getProductOrService"),
    ("dolibarr-24", "server_other.wsdl", "getVersions"),
    ("dynamics-nav-customer", "Customer.wsdl", "ReadMultiple"),
    ("sap-bydesign", "ManageIdentifiedStocksIn.wsdl", "MaintainBundle"),
    ("sap-bydesign", "ManageProductionLotsIn.wsdl", "MaintainBundle_V1"),
    ("sap-bydesign", "QueryIdentifiedStocksIn.wsdl", "QueryByElements"),
    ("sap-bydesign", "QueryMaterialIn.wsdl", "FindByElements"),
    ("sap-bydesign", "QueryProductionLotISIIn.wsdl", "FindByElements"),
    ("sap-bydesign", "QuerySiteLogisticsTaskIn.wsdl", "FindByElements"),
    ("netsuite-2017_1", "netsuite.wsdl", "upsert"),
]
LOGIN: dict[str, Value] = {
    "dolibarrkey": "WEBSERVICES_KEY",
    "sourceapplication": "hub",
    "login": "admin",
    "password": "PASSWORD",
    "entity": "1",
}

pytestmark = pytest.mark.skipif(
    not THEIRS.is_dir(), reason=f"{THEIRS} is missing: the real contracts aren't shipped with the project"
)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("somebody went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@cache
def bundle(folder: str) -> Bundle:
    return Bundle.from_folder(THEIRS / "wsdl" / folder)


def dolibarr(name: str) -> SoapContract:
    return soap_contract(bundle("dolibarr-24"), f"server_{name}.wsdl")


@pytest.mark.parametrize(("folder", "name", "operation"), REAL)
def test_a_vendors_contract_loads_offline_and_tells_its_fields(folder: str, name: str, operation: str) -> None:
    contract = soap_contract(bundle(folder), name)
    assert operation in contract.operations()
    for each in contract.operations():
        for shape in (contract.sent(each), contract.answered(each)):
            assert isinstance(shape, Tree)
            assert sum(1 for _ in leaves(shape, 3)) >= len(shape.fields)


def leaves(shape: Shape, depth: int) -> Iterator[Shape]:
    if isinstance(shape, ListOf):
        yield from leaves(shape.item, depth)
    elif isinstance(shape, Tree) and shape.fields and depth:
        for name in list(shape.fields)[:20]:
            yield from leaves(shape.fields[name], depth - 1)
    else:
        yield shape


def sample(contract: str, operation: str, name: str) -> Value:
    return dolibarr(contract).read(operation, (SAMPLES / f"{name}-response.xml").read_bytes(), "utf-8")


def at(value: Value, *path: str | int) -> Value:
    for step in path:
        if isinstance(step, int):
            assert isinstance(value, list)
            value = value[step]
        else:
            assert isinstance(value, dict)
            value = value[step]
    return value


def test_an_order_has_its_two_lines() -> None:
    told = sample("order", "getOrder", "getOrder")
    lines = at(told, "order", "lines")
    assert isinstance(lines, list)
    assert [(at(line, "desc"), at(line, "qty"), at(line, "unitprice")) for line in lines] == [
        ("Widget", "2", "10"),
        ("Widget B", "1", "5.5"),
    ]
    assert (at(told, "order", "total"), at(told, "order", "lines", 0, "price")) == ("25.50000000", None)
    assert at(told, "result") == {"result_code": "OK", "result_label": ""}


@pytest.mark.parametrize(
    ("contract", "operation", "name", "code", "rest"),
    [
        ("order", "getOrder", "getOrder-notfound", "NOT_FOUND", {"order": None}),
        ("order", "createOrder", "createOrder", "OK", {"id": "13", "ref": "(PROV13)"}),
        ("order", "createOrder", "createOrder-badcustomer", "KO", {"id": None, "ref": None}),
        (
            "other",
            "getVersions",
            "getVersions-badlogin",
            "BAD_CREDENTIALS",
            {"dolibarr": None, "os": None, "php": None, "webserver": None},
        ),
    ],
)
def test_each_answer_is_read_as_it_is(
    contract: str, operation: str, name: str, code: str, rest: dict[str, Value]
) -> None:
    told = sample(contract, operation, name)
    assert isinstance(told, dict)
    assert at(told, "result", "result_code") == code
    assert {field: value for field, value in told.items() if field != "result"} == rest


def test_a_product_without_pictures_has_none() -> None:
    product = at(sample("productorservice", "getProductOrService", "getProductOrService"), "product")
    assert at(product, "images") == []
    assert (at(product, "vat_rate"), at(product, "date_modification")) == ("0.0000", "")


@pytest.mark.parametrize(
    ("contract", "operation", "name", "send"),
    [
        ("order", "getOrder", "getOrder", {"ref_ext": "EXT-1795251580"}),
        ("order", "getOrder", "getOrder-notfound", {"ref_ext": "NOPE"}),
        ("productorservice", "getProductOrService", "getProductOrService", {"id": "1"}),
        ("other", "getVersions", "getVersions-badlogin", {"authentication": {**LOGIN, "password": "bad"}}),
        (
            "order",
            "createOrder",
            "createOrder-badcustomer",
            {
                "order": {
                    "lines": [],
                    "date": "2026-11-21",
                    "thirdparty_id": "999999",
                    "ref_client": "x",
                    "ref_ext": "y",
                }
            },
        ),
        (
            "order",
            "createOrder",
            "createOrder",
            {
                "order": {
                    "ref_ext": "EXT-1795251580",
                    "ref_client": "WEB-1795251580",
                    "thirdparty_id": "2",
                    "date": "2026-11-21",
                    "source": "hub",
                    "lines": [
                        {
                            "product_id": "2",
                            "type": "0",
                            "desc": desc,
                            "qty": qty,
                            "unitprice": price,
                            "vat_rate": "0.0",
                        }
                        for desc, qty, price in [("Widget", "2.0", "10.0"), ("Widget B", "1.0", "5.5")]
                    ],
                }
            },
        ),
    ],
)
def test_each_call_is_the_one_that_was_sent(contract: str, operation: str, name: str, send: dict[str, Value]) -> None:
    written = dolibarr(contract).write(operation, {"authentication": LOGIN, **send}).content
    assert plain(written) == plain((SAMPLES / f"{name}-request.xml").read_bytes())


def plain(content: bytes) -> str:
    """Write XML canonically, without what ours says of types, which the recorded client left out."""
    parser = etree.XMLParser(remove_blank_text=True)
    root = etree.fromstring(content, parser)
    for element in root.iter():
        element.attrib.pop(f"{{{XSI}}}type", None)
        element.attrib.pop(f"{{{SOAP}}}encodingStyle", None)
        element.text = element.text or None
        if len(element) and not (element.text or "").strip():
            element.text = None
    return re.sub(r"ns\d+:", "ns:", etree.tostring(root, method="c14n", exclusive=True).decode())


def big_order(announced: int, count: int) -> bytes:
    """Write an order as the ERP does, with the lines of two days of a real wholesaler."""
    days = [day.read_text().splitlines() for day in sorted((THEIRS / "orders").glob("*.csv"))]
    sold = [row for day in days for row in csv.DictReader(day)]
    items = "".join(
        f'<item xsi:type="xsd:"><id xsi:type="xsd:string">{number}</id>'
        f'<desc xsi:type="xsd:string">{escape(row["Description"])}</desc>'
        f'<qty xsi:type="xsd:string">{row["Quantity"]}</qty><price xsi:nil="true"/>'
        f'<unitprice xsi:type="xsd:float">{row["UnitPrice"]}</unitprice>'
        f'<product_ref xsi:type="xsd:string">{row["StockCode"]}</product_ref></item>'
        for number, row in enumerate(islice(cycle(sold), count))
    )
    text = (SAMPLES / "getOrder-response.xml").read_text()
    before, after = re.split(r"<lines.*</lines>", text, flags=re.DOTALL)
    array = f'<lines xsi:type="SOAP-ENC:Array" SOAP-ENC:arrayType=":[{announced}]">{items}</lines>'
    return f"{before}{array}{after}".encode()


def test_an_order_of_500_lines_is_read_whole() -> None:
    lines = at(dolibarr("order").read("getOrder", big_order(500, 500)), "order", "lines")
    assert isinstance(lines, list)
    assert [at(line, "id") for line in lines] == [str(number) for number in range(500)]
    assert (at(lines, 0, "product_ref"), at(lines, 0, "qty"), at(lines, 0, "unitprice")) == ("85123A", "6", "2.55")
    assert all(at(line, "price") is None for line in lines)


@pytest.mark.parametrize("count", [499, 501, 0])
def test_one_line_more_or_less_than_announced_is_unreadable(count: int) -> None:
    with pytest.raises(Unreadable, match="500 rows are announced"):
        dolibarr("order").read("getOrder", big_order(500, count))


def test_a_name_changed_by_one_letter_is_found_in_every_vendors_call() -> None:
    for folder, name, operation in REAL:
        contract = soap_contract(bundle(folder), name)
        shape = contract.sent(operation)
        assert isinstance(shape, Tree)
        for field in shape.fields:
            with pytest.raises(ContractBroken, match="no such element") as caught:
                contract.write(operation, {f"{field}x": "1"})
            assert caught.value.path == f"{field}x"


def test_a_typed_record_of_netsuite_is_written() -> None:
    contract = soap_contract(bundle("netsuite-2017_1"), "netsuite.wsdl")
    record: dict[str, Value] = {"_type": "SalesOrder", "tranId": "SO-1", "entity": {"internalId": "5"}}
    content = contract.write("upsert", {"record": record}).content
    assert b':SalesOrder"' in content
    assert b'internalId="5"' in content
    with pytest.raises(ContractBroken, match="did you mean tranId"):
        contract.write("upsert", {"record": {**record, "tranIdd": "x"}})
    with pytest.raises(ContractBroken, match="did you mean SalesOrder"):
        contract.write("upsert", {"record": {**record, "_type": "SalesOrdr"}})


def test_dolibarrs_paths_are_found_and_its_bodies_are_its_secret() -> None:
    api = OpenApiContract(bundle("dolibarr-24"), "rest-swagger.json")
    validate = api.call("post", "/shipments/${found.id}/validate")
    assert validate.path == "/shipments/{id}/validate"
    assert validate.body == Tree({"notrigger": Text("whole")})
    assert {"sqlfilters", "limit", "page"} <= set(api.call("get", "/shipments").query)
    assert api.call("post", "/shipments").body == UNKNOWN
    assert api.call("get", "/shipments/${id}").answer == UNKNOWN
    with pytest.raises(NoSuchCall, match=r"/shipments/\{id\}/validate"):
        api.call("post", "/shipments/${found.id}/validat")


@pytest.mark.parametrize("name", ["ups/Shipping", "ups/Tracking", "shipengine/openapi"])
def test_each_path_of_a_real_document_is_found_again(name: str) -> None:
    file = THEIRS / "openapi" / f"{name}.yaml"
    api = OpenApiContract(Bundle({file.name: file.read_bytes()}), file.name)
    for method, path in api.calls():
        call = api.call(method, re.sub(r"\{[^}]*\}", "${x.y | text}", path))
        assert re.sub(r"\{[^}]*\}", "{}", call.path) == re.sub(r"\{[^}]*\}", "{}", path)
        assert list(leaves(call.answer, 3))
