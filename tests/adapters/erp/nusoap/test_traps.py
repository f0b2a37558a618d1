"""What real ERPs did that a stub would never do, done by the NuSOAP-shaped one: traps 1 to 7, through the engine."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from adapters.erp.contracts.bundle import Bundle
from adapters.erp.contracts.wsdl import soap_contract
from adapters.erp.engine.adapter import MappedErp
from adapters.erp.engine.connected import ConnectedErp
from adapters.erp.engine.speaking import Speaker
from adapters.erp.language.evaluating import Scope
from adapters.erp.language.leaves import says_yes
from adapters.erp.language.values import as_value
from domain.commands import Push
from domain.erp import ErpLine, ErpMessage, ErpParcel
from domain.errors import OutcomeUnknown, Rejected, StockbridgeError, Unavailable
from tests.adapters.erp.connected import connected
from tests.adapters.erp.given import fetched, given
from tests.adapters.erp.nusoap import books
from tests.adapters.erp.nusoap.books import Order
from tests.adapters.erp.nusoap.mishaps import Kind
from tests.adapters.erp.nusoap.server import KEY, LOGIN, PASSWORD, NusoapErp, serving

HERE = Path(__file__).parent
MAPPING = (HERE / "mapping.yaml").read_text()
BUNDLE = {"nusoap.wsdl": (HERE / "nusoap.wsdl").read_bytes()}


@dataclass
class Trade:
    """The ERP, the hub's way to it, and an order there."""

    there: NusoapErp
    connection: ConnectedErp
    erp: MappedErp
    speaker: Speaker
    order: Order

    def shipped(self, **changes: Any) -> ErpMessage:
        mug, lid = (line.id for line in self.order.lines)
        message = ErpMessage(
            reference="acme/erp/1",
            order_no=self.order.ref,
            number=1,
            kind="shipped",
            revision=1,
            occurred_at="2026-01-05T23:30:00Z",
            lines=(
                ErpLine(mug, "MUG", 2, 3, "EA", "L-1"),
                ErpLine(mug, "MUG", 1, 3, "EA", "L-2"),
                ErpLine(lid, "LID", 2, 2, "EA", None, ("S-1", "S-2")),
            ),
            shipment_no="S-1",
            carrier="sandbox",
            parcels=(ErpParcel(1, "T-1"), ErpParcel(2, "T-2")),
        )
        return replace(message, **changes)

    def delivered(self) -> ErpMessage:
        return self.shipped(kind="delivered", reference="acme/erp/2", carrier=None, parcels=())

    def cancelled(self) -> ErpMessage:
        mug, lid = (line.id for line in self.order.lines)
        lines = (ErpLine(mug, "MUG", 3, 3, "EA"), ErpLine(lid, "LID", 2, 2, "EA"))
        return self.shipped(kind="cancelled", reference="acme/erp/3", lines=lines, reason="customer")

    def look(self, call: str, **given: str) -> Any:
        about = self.speaker.scope(given=given)
        return self.speaker.call(call, about, about, changes=False).answer

    def look_at_order(self) -> Any:
        return self.look("order", ref=self.order.ref)

    def tell_until_told(self, told: ErpMessage) -> str | None:
        for _ in range(4):
            try:
                return self.erp.tell(told).document_no
            except (OutcomeUnknown, Unavailable):
                told = replace(told, repeated=True)
        raise AssertionError("it was never told")

    def shipments(self) -> list[books.Shipment]:
        return list(self.there.books.shipments.values())


@pytest.fixture
def trade() -> Iterator[Trade]:
    with serving() as there:
        party = there.books.add_third_party("Holm & Söhne")
        mug, lid = there.books.add_product("MUG", tobatch=1), there.books.add_product("LID", tobatch=2)
        lines = [there.books.order_line(mug, "3", 10.0), there.books.order_line(lid, "2", 5.5)]
        order = there.books.enter_order(party, lines, note_public="Für die Küche")
        order = there.books.set_status(order.id, books.VALIDATED)
        settings = {"address": there.endpoint, "login": LOGIN, "zone": "Europe/Berlin", "site": "HAM"}
        connection = connected(MAPPING, BUNDLE, settings, {"erpkey": KEY, "password": PASSWORD, "hook": "hook"})
        erp, speaker = MappedErp(connection), Speaker(connection)
        yield Trade(there, connection, erp, speaker, order)
        erp.close()
        speaker.close()


# 1: rows


def test_no_order_line_is_lost(trade: Trade) -> None:
    told = trade.look_at_order()
    assert [(line["id"], line["qty"]) for line in told["lines"]] == [
        (str(trade.order.lines[0].id), "3"),
        (str(trade.order.lines[1].id), "2"),
    ]


def test_fewer_rows_than_announced_are_not_understood(trade: Trade) -> None:
    trade.there.misbehave("fewer_rows", "getOrder")
    with pytest.raises(Unavailable):
        trade.look_at_order()
    assert len(trade.look_at_order()["lines"]) == 2


def test_a_shipment_that_is_looked_for_is_not_missed_where_rows_are_lost(trade: Trade) -> None:
    trade.erp.tell(trade.shipped())
    trade.there.misbehave("fewer_rows", "findShipment")
    with pytest.raises(Unavailable):
        trade.erp.tell(trade.shipped())
    assert len(trade.shipments()) == 1


# 2: the contract


def test_the_contract_loads_without_a_net(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("it went out for a document")

    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setattr(socket.socket, "connect", refused)
    other = BUNDLE["nusoap.wsdl"] + b"<!-- another bundle, so that none is at hand already -->"
    contract = soap_contract(Bundle({"nusoap.wsdl": other}), "nusoap.wsdl", None)
    assert "createShipment" in contract.operations()


# 3: errors come three ways


@pytest.mark.parametrize("text", ["The customer is blocked", ""])
@pytest.mark.parametrize("operation", ["getOrder", "createShipment"])
def test_a_result_code_in_a_good_answer_is_a_refusal_with_or_without_words(
    trade: Trade, operation: str, text: str
) -> None:
    trade.there.misbehave("result", operation, code="KO", text=text)
    with pytest.raises(Rejected) as refusal:
        trade.erp.tell(trade.shipped())
    assert (refusal.value.code, refusal.value.said) == ("erp_refused", f"KO: {text}")
    assert trade.shipments() == []


@pytest.mark.parametrize("kind", ["fault_200", "fault_500"])
@pytest.mark.parametrize(
    ("operation", "code", "text", "comes"),
    [
        ("getOrder", "Server", "Lock wait timeout exceeded", Unavailable),
        ("createShipment", "Server", "Lock wait timeout exceeded", OutcomeUnknown),
        ("createShipment", "Server", "Order SO-1 is not open for shipping.", Rejected),
        ("createShipment", "Client", "Operation '' is not defined", Rejected),
        ("createShipment", "Server", "", OutcomeUnknown),
    ],
)
def test_a_fault_is_what_it_says_whatever_its_status(
    trade: Trade, kind: Kind, operation: str, code: str, text: str, comes: type[StockbridgeError]
) -> None:
    trade.there.misbehave(kind, operation, code=code, text=text)
    with pytest.raises(comes):
        trade.erp.tell(trade.shipped())
    assert trade.tell_until_told(trade.shipped()) == trade.shipments()[0].ref


def test_a_draft_is_refused_by_a_fault_under_200_and_is_an_order_that_is_not_open(trade: Trade) -> None:
    draft = trade.there.books.enter_order(trade.order.third_party, trade.order.lines)
    with pytest.raises(Rejected) as refusal:
        trade.erp.tell(trade.shipped(order_no=draft.ref.replace("(", "x~~~28").replace(")", "~29")))
    assert refusal.value.code == "erp_order_not_open"


def test_a_session_that_lapsed_is_renewed_once_and_the_call_made_anew(trade: Trade) -> None:
    trade.look_at_order()
    trade.there.lapse_sessions()
    trade.look_at_order()
    assert len(trade.there.calls_of("login")) == 2
    (session,) = trade.there.sessions
    assert trade.there.calls_of("getOrder")[-1].arguments["authentication"]["session"] == session


def test_a_session_that_lapses_before_the_change_makes_one_document(trade: Trade) -> None:
    trade.there.misbehave("fault_500", "createShipment", code="Client", text="Session expired. Please log in.")
    trade.erp.tell(trade.shipped())
    assert len(trade.shipments()) == 1
    assert len(trade.there.calls_of("login")) == 2


def test_a_wrong_password_is_an_operators(trade: Trade) -> None:
    trade.there.password = "changed since"
    with pytest.raises(Unavailable, match="password"):
        trade.erp.tell(trade.shipped())
    assert len(trade.there.calls_of("login")) == 1


def test_a_wrong_password_is_not_tried_so_often_that_the_account_is_locked(trade: Trade) -> None:
    trade.there.password = "changed since"
    with ThreadPoolExecutor(20) as threads:
        tries = [threads.submit(trade.erp.tell, trade.shipped(reference=f"acme/erp/{number}")) for number in range(40)]
        failed = [each.exception() for each in tries]
    assert {type(each) for each in failed} == {Unavailable}
    assert len(trade.there.calls_of("login")) == 3
    assert "tried again in" in str(failed[-1])


# 4: nothing is idempotent


def test_a_shipment_is_looked_up_by_our_reference_before_it_is_made(trade: Trade) -> None:
    number = trade.erp.tell(trade.shipped()).document_no
    assert trade.erp.tell(trade.shipped()).document_no == number
    assert [shipment.ref for shipment in trade.shipments()] == [number]
    operations = [call.operation for call in trade.there.calls if call.operation != "login"]
    assert operations.index("findShipment") < operations.index("createShipment")
    found = trade.erp.find("acme/erp/1")
    assert found is not None
    assert found.document_no == number


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("kind", ["down", "done_and_cut"])
@pytest.mark.parametrize("operation", ["createShipment", "updateShipment", "updateOrder"])
def test_a_change_that_is_cut_before_or_after_its_work_is_done_once(
    trade: Trade, operation: str, kind: Kind, times: int
) -> None:
    told = {"createShipment": trade.shipped(), "updateShipment": trade.delivered(), "updateOrder": trade.cancelled()}
    if operation == "updateShipment":
        trade.erp.tell(trade.shipped())
    trade.there.misbehave(kind, operation, times=times)
    number = trade.tell_until_told(told[operation])
    after = trade.there.books
    if operation == "updateOrder":
        assert (after.orders[trade.order.id].status, number) == (books.CANCELED, trade.order.ref)
        assert len(after.orders) == 1
    else:
        (shipment,) = trade.shipments()
        assert (shipment.ref, shipment.status) == (number, 2 if operation == "updateShipment" else 1)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("kind", ["down", "done_and_cut"])
def test_whichever_call_is_cut_one_shipment_is_made(trade: Trade, kind: Kind, place: int) -> None:
    operation = ["login", "getOrder", "findShipment", "createShipment"][place]
    trade.there.misbehave(kind, operation)
    trade.tell_until_told(trade.shipped())
    assert len(trade.shipments()) == 1


def test_a_read_back_that_is_cut_leaves_one_shipment(trade: Trade) -> None:
    trade.there.misbehave("slow", "findShipment", seconds=0)
    trade.there.misbehave("down", "findShipment")
    with pytest.raises(Unavailable):
        trade.erp.tell(trade.shipped())
    assert len(trade.shipments()) == 1
    assert trade.erp.tell(trade.shipped()).document_no == trade.shipments()[0].ref


def test_two_shipments_under_one_reference_are_a_persons(trade: Trade) -> None:
    trade.erp.tell(trade.shipped())
    (shipment,) = trade.shipments()
    trade.there.books.add_shipment(trade.order, shipment.lines, shipment.packages, ref_ext=shipment.ref_ext)
    with pytest.raises(Rejected) as refusal:
        trade.erp.tell(trade.shipped())
    assert refusal.value.code == "erp_doubled"


def test_what_others_closed_meanwhile_is_done_already(trade: Trade) -> None:
    trade.erp.tell(trade.shipped())
    trade.there.misbehave("result", "updateShipment", code="KO", text="Already closed")
    trade.there.books.close_shipment(trade.shipments()[0])
    assert trade.erp.tell(trade.delivered()).document_no == trade.shipments()[0].ref


# 5: dropped fields


@pytest.mark.parametrize("dropped", ["packages", "lines", "note_public"])
def test_a_field_that_is_dropped_without_a_word_is_noticed_on_every_attempt(trade: Trade, dropped: str) -> None:
    trade.there.desk.dropped["shipment"].add(dropped)
    for _ in range(2):
        with pytest.raises(Rejected) as refusal:
            trade.erp.tell(trade.shipped())
        assert refusal.value.code == "erp_not_kept"
    assert len(trade.shipments()) == 1


def test_a_reference_that_is_dropped_is_noticed_at_once(trade: Trade) -> None:
    trade.there.desk.dropped["shipment"].add("ref_ext")
    with pytest.raises(Rejected) as refusal:
        trade.erp.tell(trade.shipped())
    assert refusal.value.code == "erp_not_kept"


def test_what_is_kept_is_what_was_told(trade: Trade) -> None:
    trade.erp.tell(trade.shipped())
    (shipment,) = trade.shipments()
    mug, lid = (line.id for line in trade.order.lines)
    assert [(line.order_line_id, line.qty, line.batch, line.serials) for line in shipment.lines] == [
        (mug, "2", "L-1", ()),
        (mug, "1", "L-2", ()),
        (lid, "2", "", ("S-1", "S-2")),
    ]
    assert [(package.number, package.tracking_number) for package in shipment.packages] == [(1, "T-1"), (2, "T-2")]
    assert (shipment.date_delivery, shipment.shipping_method) == ("2026-01-06", "3")


# 6: by position


def test_every_parameter_is_sent_in_its_place(trade: Trade) -> None:
    trade.erp.tell(trade.shipped())
    for call in trade.there.calls_of("getOrder", "findShipment"):
        parameters = etree.fromstring(call.raw).find(".//{*}Body")[0]
        assert [each.tag for each in parameters] == list(call.arguments)
    (order, *_) = trade.there.calls_of("getOrder")
    assert {name: order.arguments[name] for name in ("id", "ref", "ref_ext")} == {
        "id": "",
        "ref": trade.order.ref,
        "ref_ext": "",
    }


# 7: a webhook is a hint


def test_what_a_webhook_says_of_an_order_is_old_and_what_is_fetched_is_not(trade: Trade) -> None:
    inbound = trade.connection.mapping.file.inbound.orders
    assert inbound is not None
    assert inbound.push is not None
    trade.there.call_out_to("http://127.0.0.1:9/", blocking=False)
    draft = trade.there.books.enter_order(trade.order.third_party, trade.order.lines)
    validated = trade.there.books.set_status(draft.id, books.VALIDATED)
    pushed = as_value(trade.there.books.called_out[-1])
    about = Scope({"body": pushed})
    assert says_yes(inbound.push.when, about)
    id_ = inbound.push.id.text(about, str)
    kind, body = given(trade.connection, inbound, id=id_, **fetched(trade.speaker, inbound, id=id_))
    push = Push.model_validate({**body, "revision": 1})
    assert trade.there.books.called_out[-1]["object"]["ref"] == draft.ref != validated.ref
    assert (kind, push.order_no) == ("order", validated.ref)
    assert [(line.line_no, line.sku, line.quantity) for line in push.lines] == [
        (draft.lines[0].id, "MUG", "3"),
        (draft.lines[1].id, "LID", "2"),
    ]


def test_an_order_that_is_deleted_meanwhile_gives_nothing(trade: Trade) -> None:
    inbound = trade.connection.mapping.file.inbound.orders
    assert inbound is not None
    trade.there.books.delete_order(trade.order.id)
    id_ = str(trade.order.id)
    told = given(trade.connection, inbound, id=id_, **fetched(trade.speaker, inbound, id=id_))
    assert told == ("nothing", "The order is deleted.")


# Beside the traps


@pytest.mark.parametrize("kind", ["php_warning", "garbage", "login_page"])
def test_what_is_no_envelope_is_asked_for_again_and_of_a_change_the_outcome_is_unknown(
    trade: Trade, kind: Kind
) -> None:
    trade.there.misbehave(kind, "getOrder")
    with pytest.raises(Unavailable):
        trade.erp.tell(trade.shipped())
    trade.there.misbehave(kind, "createShipment")
    with pytest.raises(OutcomeUnknown):
        trade.erp.tell(trade.shipped())
    trade.erp.tell(trade.shipped())
    assert len(trade.shipments()) == 1


@pytest.mark.parametrize("operation", ["getOrder", "findShipment", "createShipment"])
def test_a_busy_erp_did_nothing(trade: Trade, operation: str) -> None:
    trade.there.misbehave("busy", operation)
    with pytest.raises(Unavailable):
        trade.erp.tell(trade.shipped())
    assert trade.shipments() == []


def test_another_document_than_the_one_asked_for_is_none(trade: Trade) -> None:
    trade.there.misbehave("another_document", "getOrder")
    with pytest.raises(Unavailable):
        trade.erp.tell(trade.shipped())
    trade.erp.tell(trade.shipped())
    trade.there.misbehave("another_document", "updateShipment")
    with pytest.raises(OutcomeUnknown):
        trade.erp.tell(trade.delivered())
    assert trade.erp.tell(trade.delivered()).document_no == trade.shipments()[0].ref


@pytest.mark.parametrize("declared", ["ISO-8859-1", None])
def test_letters_are_read_in_the_encoding_that_is_declared_or_in_the_doors(trade: Trade, declared: str | None) -> None:
    trade.there.encoding, trade.there.declared = "ISO-8859-1", declared
    assert trade.look_at_order()["note_public"] == "Für die Küche"
    trade.erp.tell(trade.shipped(parcels=(ErpParcel(1, "Ä-1"),)))
    assert trade.shipments()[0].packages[0].tracking_number == "Ä-1"


def test_an_answer_that_lies_about_its_encoding_is_not_understood(trade: Trade) -> None:
    trade.there.encoding, trade.there.declared = "ISO-8859-1", "UTF-8"
    with pytest.raises(Unavailable):
        trade.look_at_order()


def test_part_of_an_order_is_canceled_by_a_person(trade: Trade) -> None:
    whole = trade.cancelled()
    for lines in (whole.lines[:1], (replace(whole.lines[0], quantity=1), whole.lines[1])):
        with pytest.raises(Rejected) as refusal:
            trade.erp.tell(replace(whole, lines=lines))
        assert refusal.value.code == "erp_by_hand"
    assert trade.there.books.orders[trade.order.id].status == books.VALIDATED


def test_what_the_erp_has_no_words_for_is_told_by_nobody_or_by_a_person(trade: Trade) -> None:
    for kind in ("accepted", "reserved", "backordered", "amended"):
        assert trade.erp.tell(trade.shipped(kind=kind)).document_no is None
    for kind in ("refused", "returned"):
        with pytest.raises(Rejected, match=r"person|by hand"):
            trade.erp.tell(trade.shipped(kind=kind))
    assert trade.there.calls == []
