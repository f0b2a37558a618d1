"""Rpc/encoded: parameters have places, arrays say how many they are, and elements may stand elsewhere."""

from __future__ import annotations

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
from tests.adapters.erp.contracts.small_wsdls import BOOK, ENC, SOAP, XSI, book, enveloped

BOOK_CONTRACT = SoapContract(book(), "book.wsdl")
TYPE = f"{{{XSI}}}type"


def written(send: Value) -> etree._Element:
    root = etree.fromstring(BOOK_CONTRACT.write("put", send).content)
    body = root.find(f"{{{SOAP}}}Body")
    assert body is not None
    return body[0]


def answer(order: str, beside: str = "") -> bytes:
    return enveloped(f'<t:putResponse><code xsi:type="xsd:string">OK</code>{order}</t:putResponse>{beside}')


def order_in(content: bytes) -> Value:
    values = BOOK_CONTRACT.read("put", content)
    assert isinstance(values, dict)
    assert values["code"] == "OK"
    return values["order"]


def rows(announced: str, inside: str, name: str = "rows") -> bytes:
    array = f'<{name} xsi:type="E:Array" E:arrayType="{announced}">{inside}</{name}>'
    return answer(f'<order xsi:type="t:order"><ref>R</ref>{array}</order>')


def row(sku: str) -> str:
    return f'<item xsi:type="xsd:"><sku xsi:type="xsd:string">{sku}</sku></item>'


def test_all_parameters_are_sent_in_their_places_and_the_missing_ones_are_empty() -> None:
    root = written({"mode": "new"})
    assert root.tag == f"{{{BOOK}}}put"
    assert root.get(f"{{{SOAP}}}encodingStyle") == ENC
    assert [(child.tag, child.text or "") for child in root] == [
        ("login", ""),
        ("limit", ""),
        ("order", ""),
        ("mode", "new"),
    ]
    assert {child.get(TYPE) for child in root} == {"xsd:string"}


def test_nothing_at_all_is_sent_as_empty_parameters() -> None:
    assert len(written(None)) == len(written({})) == 4


def test_below_the_top_what_is_missing_is_left_out_and_all_else_says_its_type() -> None:
    root = written({"order": {"open": False, "held": [{"qty": Decimal("2.50"), "sku": "A", "due": None}]}})
    order = root.find("order")
    assert order is not None
    told = [(child.tag, child.get(TYPE), child.text) for child in order.iter()][1:]
    assert told == [
        ("open", "xsd:boolean", "false"),
        ("held", "ns0:Held", None),
        ("row", "ns0:row", None),
        ("sku", "xsd:string", "A"),
        ("qty", "xsd:double", "2.50"),
    ]
    assert order.nsmap["ns0"] == BOOK


def test_an_array_says_what_its_rows_are_and_how_many() -> None:
    found = written({"order": {"rows": [{"sku": "A", "tags": ["x", "y"]}, {"sku": "B"}]}}).find("order/rows")
    assert found is not None
    assert (found.get(TYPE), found.get(f"{{{ENC}}}arrayType")) == ("soap-enc:Array", "ns0:row[2]")
    tags = found.find("item/tags")
    assert tags is not None
    assert tags.get(f"{{{ENC}}}arrayType") == "xsd:string[2]"
    assert [tag.text for tag in tags] == ["x", "y"]


def test_an_array_is_known_by_its_rows_element_too() -> None:
    found = written({"order": {"notes": ["1", "2"], "any": ["x"]}}).find("order")
    assert found is not None
    assert [child.get(f"{{{ENC}}}arrayType") for child in found] == ["xsd:int[2]", "xsd:anyType[1]"]
    with pytest.raises(ContractBroken, match=r"order\.notes\[1\]: not a whole"):
        written({"order": {"notes": ["1", "x"]}})


def test_an_empty_array_is_sent_as_one() -> None:
    found = written({"order": {"rows": [], "held": []}}).find("order")
    assert found is not None
    assert [(child.tag, child.get(f"{{{ENC}}}arrayType"), len(child)) for child in found] == [
        ("rows", "ns0:row[0]", 0),
        ("held", None, 0),
    ]


@pytest.mark.parametrize(
    ("send", "path", "words"),
    [
        ({"logn": "x"}, "logn", "did you mean login?"),
        ({"order": {"rows": [{"sku": "A"}, {"skuu": "A"}]}}, "order.rows[1].skuu", "did you mean sku?"),
        ({"order": {"held": [{"qty": "2,5"}]}}, "order.held[0].qty", "not a number"),
        ({"order": {"held": [{"qty": "NaN"}]}}, "order.held[0].qty", "not a number"),
        ({"order": {"held": [{"count": "2.5"}]}}, "order.held[0].count", "not a whole"),
        ({"order": {"held": [{"due": "5.1.2026"}]}}, "order.held[0].due", "not a date"),
        ({"order": {"open": "yes"}}, "order.open", "not a boolean"),
        ({"order": {"rows": {"sku": "A"}}}, "order.rows", "list"),
        ({"order": "x"}, "order", "fields"),
        ({"order": {"_type": "other"}}, "order", "no such type"),
        ({"login": "\ud800"}, "login", "character"),
        ({"_header": {}}, "_header", "no header"),
    ],
)
def test_what_the_contract_has_no_room_for_is_refused_where_it_is(send: Value, path: str, words: str) -> None:
    with pytest.raises(ContractBroken) as caught:
        BOOK_CONTRACT.write("put", send)
    assert caught.value.path == path
    assert words in caught.value.why


@pytest.mark.parametrize("announced", [":[2]", "t:row[2]", "[2]", "xsd:ur-type[][2]", "t:row[ 2 ]", "t:row[]"])
def test_as_many_rows_are_read_as_are_announced(announced: str) -> None:
    assert order_in(rows(announced, row("A") + row("B"))) == {"ref": "R", "rows": [{"sku": "A"}, {"sku": "B"}]}


@pytest.mark.parametrize("announced", [":[3]", ":[1]", "t:row[0]", ":[2,1]", ":[]x", "", ":[99999999999]", ":[-2]"])
def test_other_than_announced_is_unreadable(announced: str) -> None:
    with pytest.raises(Unreadable, match=r"putResponse\.order\.rows: "):
        order_in(rows(announced, row("A") + row("B")))


@pytest.mark.parametrize("name", ["rows", "held", "any", "undeclared"])
def test_a_list_of_one_is_a_list_and_so_is_an_empty_one(name: str) -> None:
    assert order_in(rows("t:row[1]", row("A"), name)) == {"ref": "R", name: [{"sku": "A"}]}
    assert order_in(rows("t:row[0]", "", name)) == {"ref": "R", name: []}


@pytest.mark.parametrize("name", ["rows", "held"])
def test_declared_rows_need_not_say_that_they_are_an_array(name: str) -> None:
    inner = "row" if name == "held" else "whatever"
    one = f"<order><{name}><{inner}><sku>A</sku></{inner}></{name}></order>"
    assert order_in(answer(one)) == {name: [{"sku": "A"}]}
    assert order_in(answer(f"<order><{name}/></order>")) == {name: []}


@pytest.mark.parametrize(
    "inside",
    [
        "<held><sku>A</sku></held>",
        "<rows>none</rows>",
        '<rows E:arrayType="t:row[2]" E:offset="[1]"><item/><item/></rows>',
        '<rows E:arrayType="t:row[9]"><item E:position="[7]"/></rows>',
        "<ref>1</ref><ref>2</ref>",
        "text",
    ],
)
def test_what_isnt_as_declared_is_unreadable(inside: str) -> None:
    with pytest.raises(Unreadable, match=r"putResponse\.order"):
        order_in(answer(f"<order>{inside}</order>"))


def test_every_leaf_is_the_text_that_was_sent() -> None:
    inside = '<item><sku> a </sku><qty xsi:type="xsd:double">25.50000000</qty><count>007</count><due/></item>'
    assert order_in(rows(":[1]", inside)) == {
        "ref": "R",
        "rows": [{"sku": " a ", "qty": "25.50000000", "count": "007", "due": ""}],
    }


def test_nothing_is_none_wherever_it_is() -> None:
    assert order_in(answer('<order xsi:nil="true" xsi:type="t:order"/>')) is None
    assert order_in(answer('<order><ref xsi:nil="1"/><rows xsi:nil="true"/></order>')) == {"ref": None, "rows": None}
    assert order_in(rows(":[2]", f'<item xsi:nil="true"/>{row("A")}')) == {"ref": "R", "rows": [None, {"sku": "A"}]}


def test_what_the_contract_doesnt_declare_is_read_as_it_comes() -> None:
    inside = "<order><more><a>1</a><b><c/></b><a>2</a></more><kind>x</kind></order><extra>y</extra>"
    values = BOOK_CONTRACT.read("put", answer(inside))
    assert values == {
        "code": "OK",
        "order": {"more": {"a": ["1", "2"], "b": {"c": ""}}, "kind": "x"},
        "extra": "y",
    }


def test_what_stands_elsewhere_is_read_where_it_is_referred_to() -> None:
    order = '<order href="#o"/>'
    beside = (
        '<multiRef id="o" xsi:type="t:order"><ref href="#r"/>'
        '<rows E:arrayType="t:row[2]"><item href="#l"/><item href="#l"/></rows></multiRef>'
        '<multiRef id="r" xsi:type="xsd:string">R</multiRef>'
        '<multiRef id="l"><sku>A</sku></multiRef>'
    )
    assert order_in(answer(order, beside)) == {"ref": "R", "rows": [{"sku": "A"}, {"sku": "A"}]}


@pytest.mark.parametrize(
    ("order", "beside"),
    [
        ('<order href="#nobody"/>', ""),
        ('<order href="http://far.test/o"/>', ""),
        ('<order href="#o"/>', '<x id="o"/><y id="o"/>'),
        ("<order/>", "<x/>"),
    ],
)
def test_references_that_lead_nowhere_are_unreadable(order: str, beside: str) -> None:
    with pytest.raises(Unreadable):
        order_in(answer(order, beside))


@pytest.mark.parametrize(
    ("order", "beside"),
    [
        ('<order href="#o"/>', '<x id="o" href="#o"/>'),
        ('<order href="#a"/>', '<x id="a" href="#b"/><x id="b" href="#a"/>'),
        ('<order href="#a"/>', '<x id="a"><held><row href="#a"/></held></x>'),
        ('<order id="a"><more href="#a"/></order>', ""),
    ],
)
def test_references_that_go_in_circles_are_unreadable(order: str, beside: str) -> None:
    with pytest.raises(Unreadable, match="it refers to itself"):
        order_in(answer(order, beside))


def test_a_fault_is_a_fault_whatever_else_was_expected() -> None:
    fault = (
        "<S:Fault><faultcode>S:Client</faultcode><faultactor/><faultstring>no such method</faultstring>"
        '<detail xsi:type="xsd:string"/></S:Fault>'
    )
    with pytest.raises(SoapFault) as caught:
        order_in(enveloped(fault))
    assert (caught.value.code, caught.value.text, caught.value.detail) == ("Client", "no such method", "")


def test_another_calls_answer_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="not the answer to put"):
        order_in(answer("<order/>").replace(b"putResponse", b"getResponse"))


def test_a_checker_sees_which_fields_are_lists() -> None:
    order = Tree({})
    for shape in (BOOK_CONTRACT.sent("put"), BOOK_CONTRACT.answered("put")):
        assert isinstance(shape, Tree)
        found = shape.fields["order"]
        assert isinstance(found, Tree)
        order = found
        for name in ("rows", "held"):
            listed = order.fields[name]
            assert isinstance(listed, ListOf)
            assert isinstance(listed.item, Tree)
            assert set(listed.item.fields) == {"sku", "qty", "count", "due", "tags"}
            assert listed.item.fields["tags"] == ListOf(Text())
    assert order.fields["open"] == Text("boolean")
    assert "total" not in order.fields


TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=12)
ROWS = st.lists(st.fixed_dictionaries({}, optional={"sku": TEXTS, "tags": st.lists(TEXTS, max_size=3)}), max_size=5)


@given(ROWS, ROWS)
def test_what_was_written_is_read_again_and_nothing_is_lost(
    some: list[dict[str, Value]], others: list[dict[str, Value]]
) -> None:
    order: dict[str, Value] = {"ref": "R", "rows": list(some), "held": list(others)}
    sent = BOOK_CONTRACT.write("put", {"order": order}).content
    heard = sent.replace(b"ns0:put ", b"ns0:putResponse ").replace(b"ns0:put>", b"ns0:putResponse>")
    values = BOOK_CONTRACT.read("put", heard)
    assert isinstance(values, dict)
    assert values["order"] == order
