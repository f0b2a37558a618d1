from __future__ import annotations

from pathlib import Path

import pytest

from adapters.erp.language.evaluating import CannotSay, Scope
from adapters.erp.language.trees import CannotRender
from adapters.erp.language.values import Value, from_json
from adapters.erp.mapping.file import MappingFile, load
from adapters.erp.mapping.giving import GivesCancel, GivesNothing, GivesOrder, GivesProduct, give

REST = Path(__file__).parents[1] / "checking" / "rest"


@pytest.fixture(scope="module")
def file() -> MappingFile:
    return load((REST / "mapping.yaml").read_text()).file


def given() -> dict[str, Value]:
    said = from_json((REST / "order.json").read_bytes())
    assert isinstance(said, dict)
    return said


def scope(file: MappingFile, **changed: Value) -> Scope:
    names = given()
    order = names["order"]
    assert isinstance(order, dict)
    return Scope({**names, "order": {**order, **changed}}, file.tables)


def test_the_first_row_that_fits_says_what_a_document_is(file: MappingFile) -> None:
    assert file.inbound.orders is not None
    order = give(file.inbound.orders, scope(file))
    assert isinstance(order, GivesOrder)
    assert isinstance(order.body, dict)
    assert order.body["order_no"] == "SO~207"
    assert give(file.inbound.orders, scope(file, state="dead")) == GivesCancel("SO~207", "cancelled in the ERP")
    assert give(file.inbound.orders, scope(file, state="draft")) == GivesNothing("it is draft")


def test_a_product_is_given_as_its_body(file: MappingFile) -> None:
    assert file.inbound.products is not None
    row: Value = {"code": "A-1", "title": "A thing", "unit": "pc"}
    product = give(file.inbound.products, Scope({"row": row}, file.tables))
    assert product == GivesProduct({"sku": "A-1", "name": "A thing", "base_uom": "EA"})
    assert give(file.inbound.products, Scope({"row": {}}, file.tables)) is None


def test_what_has_no_answer_says_where_in_the_file(file: MappingFile) -> None:
    assert file.inbound.orders is not None
    with pytest.raises(CannotRender) as unit:
        give(file.inbound.orders, scope(file, positions=[{"no": 1, "amount": from_json("1"), "unit": "kg"}]))
    assert unit.value.pointer == "/inbound/orders/gives/0/order/lines/into/uom"
    with pytest.raises(CannotSay) as state:
        give(file.inbound.orders, scope(file, state=["open"]))
    assert state.value.pointer == "/inbound/orders/gives/0/when"
    with pytest.raises(CannotRender) as number:
        give(file.inbound.orders, scope(file, state="dead", number=None))
    assert number.value.pointer == "/inbound/orders/gives/1/cancel"
