"""What the ERP has heard in a life that was forgotten, against what it is to be told now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from domain.erp import ErpDocument, ErpLine, ErpMessage, ErpMessageKind, ErpReceipt, told_before

MADE = datetime(2026, 11, 20, 14, tzinfo=UTC)


def message(kind: ErpMessageKind, quantity: int = 10, **fields: object) -> ErpMessage:
    lines = (ErpLine(1, "MUG", quantity, 10, "EA"),)
    told = ErpMessage("acme/SO-1/3", "SO-1", 3, kind, 1, MADE.isoformat(), lines)
    return replace(told, **fields)  # type: ignore[arg-type]


def heard(told: ErpMessage, number: int = 1) -> ErpReceipt:
    at = MADE + timedelta(minutes=number)
    document = ErpDocument(told.kind, at, told.revision, told.shipment_no, told.lines)
    return ErpReceipt(f"acme/SO-1/{number}", f"DOC-{number}", document)


def test_the_same_is_told_before_under_whatever_number() -> None:
    shipped = message("shipped", shipment_no="SO-1-1")
    found = [heard(message("amended"), 1), heard(shipped, 2)]
    assert told_before(shipped, found, set()) == found[1]


def test_another_kind_under_its_number_is_not_it() -> None:
    assert told_before(message("shipped"), [heard(message("amended"))], set()) is None


def test_another_quantity_is_not_it() -> None:
    assert told_before(message("reserved"), [heard(message("reserved", 4))], set()) is None


def test_a_document_is_that_of_one_message() -> None:
    returned = message("returned", 3)
    found = [heard(returned, 1), heard(returned, 2)]
    assert told_before(returned, found, {"DOC-1"}) == found[1]
    assert told_before(returned, found, {"DOC-1", "DOC-2"}) is None


def test_how_an_order_stands_is_told_again_where_the_erp_has_heard_otherwise_since() -> None:
    found = [heard(message("reserved"), 1), heard(message("reserved", 4), 2)]
    assert told_before(message("reserved"), found, {"DOC-2"}) is None


def test_what_moved_is_the_same_in_whatever_revision() -> None:
    shipped = message("shipped", shipment_no="SO-1-1", revision=2)
    assert told_before(message("shipped", shipment_no="SO-1-1"), [heard(shipped)], set()) is not None
    assert told_before(message("amended"), [heard(message("amended", revision=2))], set()) is None


def test_an_erp_that_tells_no_lines_is_taken_by_its_word() -> None:
    old = ErpReceipt("acme/SO-1/1", "DOC-1", ErpDocument("shipped", MADE))
    assert told_before(message("shipped"), [old], set()) == old


def test_other_goods_of_the_same_shipment_are_a_contradiction() -> None:
    told = heard(message("shipped", 8, shipment_no="SO-1-1")).document
    assert told is not None
    assert told.contradicts(message("shipped", shipment_no="SO-1-1"))
    assert not told.contradicts(message("shipped", shipment_no="SO-1-2"))
    assert not told.contradicts(message("shipped", 8, shipment_no="SO-1-1"))
