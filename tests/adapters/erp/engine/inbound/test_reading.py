"""Documents, read whole and said what they are: the same by whichever way they were found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from adapters.erp.engine.adapter import MappedErp
from adapters.erp.language.values import Value, from_json, to_json
from adapters.erp.mapping.file import BadMapping, load
from adapters.erp.port import (
    ErpSource,
    Gives,
    GivesAttention,
    GivesCancel,
    GivesNothing,
    GivesOrder,
    GivesProduct,
    NotThereYet,
)
from domain.errors import Rejected, Unavailable
from tests.adapters.erp.engine.inbound.mappings import GIVES, polled
from tests.adapters.erp.engine.inbound.mappings import shelf as on_shelf
from tests.adapters.erp.engine.inbound.shelf import START, Shelf

Reach = Callable[[str], MappedErp]
FETCH = """
fetch:
  - {look: order, call: {door: rest, get: "/docs/${id}"}, itself: true}
  - {look: party, call: {door: rest, get: "/docs/${order.party}"}}
"""
PUSH = 'push: {secret: hook, secret_in: path, when: true, id: "${body.id}"}'
LOOK = '{look: order, call: {door: rest, get: "/docs/${id}"}%s}'
ORDER = """
gives:
  - {when: row.state == 'draft', nothing: "Order ${row.id} is a draft."}
  - {when: row.state == 'odd' and known, attention: "Order ${row.id} is odd."}
  - {when: row.state == 'odd', nothing: It is odd and new.}
  - {when: row.state == 'gone', cancel: {order_no: "${row.id | key}", reason: canceled there}}
  - {when: row.state == 'bad', cancel: {order_no: "${row.id}"}}
  - {when: row.state == 'list', order: "${row.lines}"}
  - when: row.state == 'open'
    order:
      order_no: ${row.id | key}
      ordered_at: ${row.changed | time}
      day: ${row.changed | day}
      price: ${row.price}
"""


def read(erp: MappedErp, id_: str = "D-1", row: Value = None, **wanted: Any) -> Value:
    return erp.read(wanted.get("kind", "orders"), id_, row)


def given(erp: MappedErp, **row: Any) -> Gives:
    return erp.gives("orders", {"id": "D-1", "row": {"id": "D-1", **row}}, known=False)


def test_a_row_that_says_all_is_the_document(reach: Reach, shelf: Shelf) -> None:
    shelf.put("D-1", 1)
    erp = reach(polled())
    (found,) = erp.page("orders", START, None).found
    assert read(erp, "D-1", found.row) == {"id": "D-1", "row": found.row}
    assert len(shelf.asked) == 1


def test_what_is_fetched_goes_into_the_document(reach: Reach, shelf: Shelf) -> None:
    shelf.put("D-1", 1, party="P-1")
    shelf.put("P-1", 1, name="Holm")
    document = read(reach(polled(more=FETCH + GIVES)), "D-1", {"id": "D-1"})
    assert document == {"id": "D-1", "row": {"id": "D-1"}, "order": shelf.rows["D-1"], "party": shelf.rows["P-1"]}


def test_what_a_look_does_not_find_is_not_there(reach: Reach, shelf: Shelf) -> None:
    shelf.put("D-1", 1, party="P-1")
    gives = "gives: [{when: party is not there, nothing: No party.}]"
    erp = reach(polled(more=FETCH + gives))
    document = read(erp, "D-1", {})
    assert document == {"id": "D-1", "row": {}, "order": shelf.rows["D-1"]}
    assert erp.gives("orders", document, known=True) == GivesNothing("No party.")


def test_a_document_that_was_deleted_after_its_page_is_none(reach: Reach, shelf: Shelf) -> None:
    shelf.put("D-1", 1, party="P-1")
    erp = reach(polled(more=FETCH + GIVES))
    (found,) = erp.page("orders", START, None).found
    shelf.drop("D-1")
    assert read(erp, "D-1", found.row) is None


def test_a_pushed_document_is_its_first_look(reach: Reach, shelf: Shelf) -> None:
    erp = reach(on_shelf(f"{PUSH}\nfetch: [{LOOK % ''}]\n{GIVES}"))
    assert read(erp) is None
    shelf.put("D-1", 1)
    assert read(erp) == {"id": "D-1", "order": shelf.rows["D-1"]}


def test_a_row_has_no_say_where_a_push_leads_there_too(reach: Reach, shelf: Shelf) -> None:
    shelf.put("D-1", 1)
    erp = reach(polled(more=f"{PUSH}\nfetch: [{LOOK % ''}]\n{GIVES}"))
    assert read(erp, "D-1", {"id": "D-1", "changed": "long ago"}) == read(erp)


def test_what_says_too_little_without_its_row_is_refused(reach: Reach) -> None:
    with pytest.raises(Rejected, match="/inbound/orders/fetch"):
        read(reach(polled(more=FETCH + GIVES)))


def test_what_is_absent_is_what_the_mapping_says(reach: Reach) -> None:
    refused = reach(on_shelf(f"{PUSH}\nfetch: [{LOOK % ', absent: {refuse: erp_none}'}]\n{GIVES}"))
    with pytest.raises(Rejected) as refusal:
        read(refused)
    assert refusal.value.code == "erp_none"
    waiting = reach(on_shelf(f"{PUSH}\nfetch: [{LOOK % ', absent: {wait_s: 60}'}]\n{GIVES}"))
    with pytest.raises(NotThereYet):
        read(waiting)


def test_another_document_than_the_one_that_was_asked_for_is_asked_for_again(reach: Reach, shelf: Shelf) -> None:
    shelf.put("D-1", 1)
    shelf.instead[0] = (200, "application/json", b'{"id": "D-9"}')
    erp = reach(on_shelf(f"{PUSH}\nfetch: [{LOOK % ', confirm: order.id == id'}]\n{GIVES}"))
    with pytest.raises(Unavailable, match="/inbound/orders/fetch/0/confirm"):
        read(erp)
    assert read(erp) == {"id": "D-1", "order": shelf.rows["D-1"]}


def test_a_page_for_people_is_no_document(reach: Reach, shelf: Shelf) -> None:
    shelf.instead[0] = (200, "text/html", b"<html>Log in</html>")
    with pytest.raises(Unavailable):
        read(reach(on_shelf(f"{PUSH}\nfetch: [{LOOK % ''}]\n{GIVES}")))


def test_what_changes_while_it_is_looked_at_is_looked_at_again(reach: Reach, shelf: Shelf) -> None:
    shelf.put("D-1", 1)
    text = on_shelf(f"{PUSH}\nfetch: [{LOOK % ''}]\n{GIVES}").replace(
        "    - {when: status == 401", "    - {when: status == 409, means: look_again}\n    - {when: status == 401"
    )
    shelf.instead = {0: (409, "application/json", b"{}"), 1: (409, "application/json", b"{}")}
    assert read(reach(text)) is not None
    shelf.instead = dict.fromkeys(range(3, 6), (409, "application/json", b"{}"))
    with pytest.raises(Unavailable):
        read(reach(text))


def test_what_is_read_is_the_same_when_it_was_kept(reach: Reach, shelf: Shelf) -> None:
    times = {
        "at": {"__class__": "datetime", **dict(zip(("year", "month", "day"), (2026, 1, 5), strict=True))},
        "on": {"__class__": "date", "year": 2026, "month": 1, "day": 5},
        "price": {"__class__": "Decimal", "decimal": "1.10"},
    }
    times["at"] |= {"hour": 12, "minute": 0, "second": 0, "microsecond": 0}
    shelf.put("D-1", 1, **times)
    gives = """
gives:
  - when: (order.at | time) > (order.changed | time)
    order: {at: "${order.at | time | at('Europe/Berlin')}", on: "${order.on | day}", price: "${order.price | text}"}
"""
    text = on_shelf(f"{PUSH}\nfetch: [{LOOK % ''}]\n{gives}").replace(
        "protocol: rest,", "protocol: rest, values: tryton,"
    )
    erp = reach(text)
    document = read(erp)
    again = from_json(to_json(document))
    assert again == document
    assert erp.gives("orders", document, known=False) == erp.gives("orders", again, known=False)
    assert erp.gives("orders", document, known=False) == GivesOrder(
        {"at": "2026-01-05T13:00:00+01:00", "on": "2026-01-05", "price": "1.10"}
    )


def test_the_first_that_fits_says_what_it_is(reach: Reach) -> None:
    erp = reach(polled(more=ORDER))
    assert given(erp, state="draft") == GivesNothing("Order D-1 is a draft.")
    assert given(erp, state="gone") == GivesCancel("D-1", "canceled there")
    whole = given(erp, state="open", changed="2026-01-05T12:00:00Z", price=None)
    assert whole == GivesOrder(
        {"order_no": "D-1", "ordered_at": "2026-01-05T12:00:00Z", "day": "2026-01-05", "price": None}
    )


def test_what_is_known_may_be_another_thing(reach: Reach) -> None:
    erp = reach(polled(more=ORDER))
    document: Value = {"id": "D-1", "row": {"id": "D-1", "state": "odd"}}
    assert erp.gives("orders", document, known=False) == GivesNothing("It is odd and new.")
    assert erp.gives("orders", document, known=True) == GivesAttention("Order D-1 is odd.")


def test_products_are_given(reach: Reach) -> None:
    erp = reach(polled(more='gives: [{when: true, product: {sku: "${row.id}"}}]').replace("  orders:", "  products:"))
    assert erp.gives("products", {"id": "P", "row": {"id": "P"}}, known=False) == GivesProduct({"sku": "P"})


@pytest.mark.parametrize(
    ("state", "where"),
    [
        ("else", "/inbound/orders/gives"),
        ("bad", "/inbound/orders/gives/4/cancel"),
        ("list", "/inbound/orders/gives/5/order"),
        ("open", "/inbound/orders/gives/6/order/ordered_at"),
    ],
)
def test_what_has_no_answer_is_named(reach: Reach, state: str, where: str) -> None:
    with pytest.raises(Rejected) as refused:
        given(reach(polled(more=ORDER)), state=state, changed="never", lines=[1])
    assert refused.value.code == "erp_mapping"
    assert where in refused.value.detail


def test_what_does_not_come_in_is_refused(reach: Reach) -> None:
    erp = reach(polled())
    with pytest.raises(Rejected, match="takes in no products"):
        erp.read("products", "P", {})
    with pytest.raises(Rejected, match="takes in no products"):
        erp.gives("products", {}, known=False)


def test_a_document_of_another_kind_than_what_is_read_is_refused(reach: Reach) -> None:
    with pytest.raises(Rejected):
        reach(polled()).gives("orders", [], known=False)


@pytest.mark.parametrize(
    ("inbound", "why"),
    [
        (f"{PUSH}\n{GIVES}", "say in `fetch`"),
        (f"{PUSH}\nfetch: [{LOOK % ', itself: true, absent: {wait_s: 1}'}]\n{GIVES}", "says no `absent`"),
        (f"{PUSH}\nfetch: [{LOOK % ', itself: true'}, {LOOK % ', itself: true'}]\n{GIVES}", "only one look"),
        (f"{PUSH}\nfetch: [{LOOK % ''}]\ngives: [{{when: true, nothing: a, attention: b}}]", "gives one of"),
    ],
)
def test_what_a_file_says_twice_or_not_at_all_is_a_fault(inbound: str, why: str) -> None:
    with pytest.raises(BadMapping, match=why):
        load(on_shelf(inbound))


def test_a_mapped_erp_is_a_source(reach: Reach) -> None:
    source: ErpSource = reach(polled())
    assert len(source.digest) == 64
