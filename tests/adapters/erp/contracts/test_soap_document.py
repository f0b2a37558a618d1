"""Document/literal: our messages keep to the schemas to the letter, and an answer is read whole."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from adapters.erp.contracts.describe import ListOf, Text, Tree
from adapters.erp.contracts.envelopes import SoapFault
from adapters.erp.contracts.writing import ContractBroken
from adapters.erp.contracts.wsdl import SoapContract
from adapters.erp.language.values import Value
from adapters.wire import Unreadable
from tests.adapters.erp.contracts.small_wsdls import GOODS, MESSAGES, PARTIES, SOAP, depot, enveloped

DEPOT = SoapContract(depot(), "depot.wsdl")
LINE: dict[str, Value] = {"Sku": "MUG", "Quantity": {"_value": Decimal("2.50"), "uom": "EA"}}
ORDER: dict[str, Value] = {
    "Line": [LINE],
    "Buyer": {"_type": "Company", "Name": "Müller & Söhne", "TaxNo": "DE1"},
    "OrderNo": "SO-1",
}


def written(send: Value) -> etree._Element:
    root = etree.fromstring(DEPOT.write("PutOrder", send).content)
    body = root.find(f"{{{SOAP}}}Body")
    assert body is not None
    return body[0]


def broken(send: Value) -> ContractBroken:
    with pytest.raises(ContractBroken) as caught:
        DEPOT.write("PutOrder", send)
    return caught.value


def answer(content: str) -> bytes:
    namespaces = f'xmlns="{MESSAGES}" xmlns:g="{GOODS}" xmlns:p="{PARTIES}"'
    return enveloped(f"<PutOrderAnswer {namespaces}>{content}</PutOrderAnswer>")


def line(sku: str, more: str = "") -> str:
    return f'<Line no="1"><g:Sku>{sku}</g:Sku><g:Quantity uom="EA">2.50</g:Quantity>{more}</Line>'


def test_elements_come_in_the_contracts_order_each_in_its_namespace() -> None:
    root = written(ORDER)
    assert [child.tag for child in root] == [f"{{{MESSAGES}}}{name}" for name in ("OrderNo", "Buyer", "Note", "Line")]
    assert root.findtext(f"{{{MESSAGES}}}Buyer/{{{PARTIES}}}TaxNo") == "DE1"
    assert root.findtext(f"{{{MESSAGES}}}Buyer/{{{PARTIES}}}Name") == "Müller & Söhne"


def test_values_are_written_as_xml_schema_wants_them() -> None:
    values = {**LINE, "Due": date(2026, 1, 5), "Gift": True, "no": "7"}
    root = written({**ORDER, "At": datetime(2026, 1, 5, 9, 12, tzinfo=UTC), "Line": [values]})
    found = root.find(f"{{{MESSAGES}}}Line")
    assert found is not None
    assert (found.get("no"), found.findtext(f"{{{GOODS}}}Due")) == ("7", "2026-01-05")
    assert found.findtext(f"{{{GOODS}}}Gift") == "true"
    assert found.findtext(f"{{{GOODS}}}Quantity") == "2.50"
    assert root.findtext(f"{{{MESSAGES}}}At") == "2026-01-05T09:12:00+00:00"


def test_a_number_is_never_written_with_an_exponent() -> None:
    root = written({**ORDER, "Line": [{**LINE, "Quantity": {"_value": Decimal("1E+3"), "uom": "EA"}}]})
    assert root.findtext(f"{{{MESSAGES}}}Line/{{{GOODS}}}Quantity") == "1000"


def test_what_repeats_together_is_written_in_turns() -> None:
    lots: dict[str, Value] = {"Lot": ["A", "B"], "Expires": ["2027-01-01", "2027-02-01"]}
    found = written({**ORDER, "Line": [{**LINE, **lots}]}).find(f"{{{MESSAGES}}}Line")
    assert found is not None
    assert [child.text for child in found][2:] == ["A", "2027-01-01", "B", "2027-02-01"]


@pytest.mark.parametrize("chosen", [{"Route": "R"}, {"Route": "R", "Slot": "7"}, {"Pickup": "P"}])
def test_one_of_several_choices_is_written_in_its_order(chosen: dict[str, Value]) -> None:
    names = [etree.QName(child).localname for child in written({**ORDER, **chosen})]
    assert names == ["OrderNo", "Buyer", "Note", *sorted(chosen, reverse=True), "Line"]


def test_the_header_of_soap_is_a_field_of_the_call() -> None:
    root = etree.fromstring(DEPOT.write("PutOrder", {**ORDER, "_header": {"Token": {"Key": "k"}}}).content)
    assert root.findtext(f"{{{SOAP}}}Header/{{{MESSAGES}}}Token/{{{MESSAGES}}}Key") == "k"
    assert broken({**ORDER, "_header": {"Tokn": {}}}).path == "_header.Tokn"
    assert broken({**ORDER, "_header": {"Token": {}}}).path == "_header.Token"


def test_the_action_is_the_operations() -> None:
    headers = DEPOT.write("Ping", None).headers
    assert headers == {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '"urn:ping"'}


@pytest.mark.parametrize(
    ("send", "path", "words"),
    [
        ({**ORDER, "OrderN": "x"}, "OrderN", "did you mean OrderNo?"),
        ({**ORDER, "Line": [LINE, {**LINE, "Quantty": "1"}]}, "Line[1].Quantty", "did you mean Quantity?"),
        ({**ORDER, "Line": [LINE, {**LINE, "Sku": "X" * 13}]}, "Line[1].Sku", "maxLength"),
        ({**ORDER, "Line": [{**LINE, "Quantity": {"_value": "1", "uom": "BOX"}}]}, "Line.Quantity", "enumeration"),
        ({**ORDER, "Line": [{**LINE, "Quantity": {"_value": "1,5", "uom": "EA"}}]}, "Line.Quantity", "decimal"),
        ({**ORDER, "Line": []}, "", "Missing child"),
        ({**ORDER, "Line": LINE}, "Line", "list"),
        ({**ORDER, "OrderNo": {"no": "1"}}, "OrderNo", "one value"),
        ({**ORDER, "OrderNo": ["1"]}, "OrderNo", "one value"),
        ({**ORDER, "OrderNo": "\x00"}, "OrderNo", "character"),
        ({**ORDER, "Buyer": {"Name": "x"}}, "Buyer", "abstract"),
        ({**ORDER, "Buyer": {"_type": "Compny", "Name": "x"}}, "Buyer", "did you mean Company?"),
        ({**ORDER, "Buyer": "x"}, "Buyer", "fields"),
        ({**ORDER, "Pickup": "a", "Route": "b"}, "Route", "not expected"),
        ("x", "", "fields"),
    ],
)
def test_what_the_contract_has_no_room_for_is_refused_where_it_is(send: Value, path: str, words: str) -> None:
    error = broken(send)
    assert error.path == path
    assert words in error.why


def test_an_operation_that_isnt_there_is_told_with_those_that_are() -> None:
    with pytest.raises(ContractBroken, match="there are: PutOrder, Ping"):
        DEPOT.write("PutOrders", ORDER)


def test_every_leaf_is_the_text_that_was_sent() -> None:
    values = DEPOT.read("PutOrder", answer(f"<Number> 0010.50 </Number>{line(' MUG ')}"))
    assert values == {
        "Number": "0010.50",
        "Line": [{"Sku": " MUG ", "Quantity": {"_value": "2.50", "uom": "EA"}, "no": "1"} | EMPTY],
    }


EMPTY: dict[str, Value] = {"Lot": [], "Expires": [], "Part": []}


def test_what_may_come_often_is_a_list_also_where_it_comes_once_or_not_at_all() -> None:
    none = DEPOT.read("PutOrder", answer("<Number>1</Number>"))
    one = DEPOT.read("PutOrder", answer(f"<Number>1</Number>{line('A')}"))
    assert isinstance(none, dict)
    assert isinstance(one, dict)
    assert none["Line"] == []
    assert isinstance(one["Line"], list)


def test_nothing_is_none_and_an_empty_text_is_empty() -> None:
    nil = DEPOT.read("PutOrder", answer('<Number>1</Number><Note xsi:nil="true"/>'))
    empty = DEPOT.read("PutOrder", answer("<Number>1</Number><Note/>"))
    assert nil == {"Number": "1", "Note": None, "Line": []}
    assert empty == {"Number": "1", "Note": "", "Line": []}


def test_a_derived_type_is_read_by_its_own_fields_and_named() -> None:
    buyer = '<Buyer xsi:type="p:Company"><p:Name>M</p:Name><p:TaxNo>1</p:TaxNo></Buyer>'
    values = DEPOT.read("PutOrder", answer(f"<Number>1</Number>{buyer}"))
    assert isinstance(values, dict)
    assert values["Buyer"] == {"_type": "Company", "Name": "M", "TaxNo": "1"}


def test_a_type_may_be_named_by_a_prefix_that_the_envelope_declares() -> None:
    content = answer('<Number>1</Number><Note xsi:type="xsd:string">n</Note>')
    assert DEPOT.read("PutOrder", content) == {"Number": "1", "Note": "n", "Line": []}


def test_what_the_contract_leaves_open_is_read_as_it_comes() -> None:
    more = '<x:More xmlns:x="urn:x" kind="k"><x:Row>1</x:Row><x:Row>2</x:Row></x:More>'
    values = DEPOT.read("PutOrder", answer(f"<Number>1</Number>{more}"))
    assert isinstance(values, dict)
    assert values["More"] == {"kind": "k", "Row": ["1", "2"]}


def test_an_answer_of_one_text_is_that_text() -> None:
    assert DEPOT.read("Ping", enveloped(f'<Pong xmlns="{MESSAGES}">here</Pong>')) == "here"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><body>log in</body></html>",
        enveloped(""),
        enveloped(f'<Pong xmlns="{MESSAGES}">here</Pong>'),
        enveloped("<PutOrderAnswer><Number>1</Number></PutOrderAnswer>"),
        answer("<Number>ten</Number>"),
        answer("<Number>1</Number><Number>2</Number>"),
        answer("<Number>1</Number>").replace(b"</S:Body>", b"<x/></S:Body>"),
        answer("<Number>1</Number>").replace(SOAP.encode(), b"http://www.w3.org/2003/05/soap-envelope"),
    ],
)
def test_what_isnt_the_answer_is_unreadable(content: bytes) -> None:
    with pytest.raises(Unreadable):
        DEPOT.read("PutOrder", content)


def test_a_fault_is_a_fault_with_all_that_it_says() -> None:
    detail = '<detail><b:Busy xmlns:b="urn:b"><b:Code>42</b:Code><b:Row>1</b:Row><b:Row>2</b:Row></b:Busy></detail>'
    fault = f"<S:Fault><faultcode>S:Server.Busy</faultcode><faultstring>later</faultstring>{detail}</S:Fault>"
    with pytest.raises(SoapFault) as caught:
        DEPOT.read("PutOrder", enveloped(fault))
    assert (caught.value.code, caught.value.text) == ("Server.Busy", "later")
    assert caught.value.detail == {"Busy": {"Code": "42", "Row": ["1", "2"]}}


def test_the_header_s_charset_counts_more_than_the_documents_own() -> None:
    content = answer(f"<Number>1</Number>{line('Ü')}").decode()
    declared = f'<?xml version="1.0" encoding="utf-8"?>{content}'
    for charset, encoding in [
        ("iso-8859-1", "latin-1"),
        ("windows-1252", "cp1252"),
        (None, "utf-8"),
        ("utf-8", "utf-8"),
    ]:
        values = DEPOT.read("PutOrder", declared.encode(encoding), charset)
        assert isinstance(values, dict)
        assert "'Sku': 'Ü'" in str(values["Line"])
    with pytest.raises(Unreadable):
        DEPOT.read("PutOrder", declared.encode("utf-7"), "utf-7")
    with pytest.raises(Unreadable):
        DEPOT.read("PutOrder", declared.encode("latin-1"), None)


def test_a_checker_sees_the_fields_and_which_are_lists_however_deep() -> None:
    sent, answered = DEPOT.sent("PutOrder"), DEPOT.answered("PutOrder")
    assert isinstance(sent, Tree)
    assert isinstance(answered, Tree)
    assert list(sent.fields) == ["OrderNo", "Buyer", "At", "Note", "Pickup", "Slot", "Route", "Line", "_header"]
    assert (sent.open, answered.open) == (False, True)
    assert sent.fields["At"] == Text("time")
    assert sent.fields["Route"] == Text()
    shape = sent.fields["Line"]
    for _ in range(50):
        assert isinstance(shape, ListOf)
        assert isinstance(shape.item, Tree)
        assert set(shape.item.fields) == {"Sku", "Quantity", "Due", "Gift", "Lot", "Expires", "Part", "no"}
        shape = shape.item.fields["Part"]
    buyer = sent.fields["Buyer"]
    assert isinstance(buyer, Tree)
    assert set(buyer.fields) == {"Name", "TaxNo", "_type"}


TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=12)
LINES = st.recursive(
    st.fixed_dictionaries(
        {"Sku": TEXTS, "Quantity": st.fixed_dictionaries({"_value": st.just("1"), "uom": st.just("EA")})}
    ),
    lambda parts: st.fixed_dictionaries(
        {
            "Sku": TEXTS,
            "Quantity": st.fixed_dictionaries({"_value": st.just("2.0"), "uom": st.just("CASE")}),
            "Part": st.lists(parts, max_size=4),
        }
    ),
    max_leaves=20,
)


def whole(line: dict[str, Value]) -> dict[str, Value]:
    parts = line.get("Part") or []
    assert isinstance(parts, list)
    return {**line, **EMPTY, "Part": [whole(part) for part in parts if isinstance(part, dict)]}


@given(st.lists(LINES, min_size=1, max_size=4))
def test_what_was_written_is_read_again_and_nothing_is_lost(lines: list[dict[str, Value]]) -> None:
    root = written({**ORDER, "Line": list(lines)})
    inside = "".join(etree.tostring(child, encoding="unicode") for child in root.iterfind(f"{{{MESSAGES}}}Line"))
    values = DEPOT.read("PutOrder", answer(f"<Number>1</Number>{inside}"))
    assert isinstance(values, dict)
    assert values["Line"] == [whole(line) for line in lines]
