"""The NuSOAP-shaped ERP, by raw HTTP and raw XML: each of its bad manners is there, and is what it is told to be."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
from lxml import etree

from tests.adapters.erp.nusoap import books
from tests.adapters.erp.nusoap.books import EntryFailedError, Order, Packaging
from tests.adapters.erp.nusoap.mishaps import Kind
from tests.adapters.erp.nusoap.server import KEY, LOGIN, PASSWORD, NusoapErp, serving
from tests.adapters.erp.nusoap.wire import ENCODING_STYLE, NAMESPACE

XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
LOGGED_IN = (
    f"<authentication><erpkey>{KEY}</erpkey><sourceapplication>test</sourceapplication>"
    f"<login>{LOGIN}</login><password>{PASSWORD}</password><entity>1</entity></authentication>"
)


@pytest.fixture
def erp() -> Iterator[NusoapErp]:
    with serving() as erp:
        yield erp


@pytest.fixture
def order(erp: NusoapErp) -> Order:
    party = erp.books.add_third_party("Holm & Söhne")
    mug, lid = erp.books.add_product("MUG", "Becher"), erp.books.add_product("LID", "Deckel")
    lines = [erp.books.order_line(mug, "2", 10.0), erp.books.order_line(lid, "1", 5.5)]
    return erp.books.enter_order(party, lines, ref_ext="WEB-1", date="2026-11-21")


def post(erp: NusoapErp, operation: str, parameters: str, *, timeout: float = 5) -> httpx.Response:
    raw = (
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
        f'<n:{operation} xmlns:n="{NAMESPACE}">{parameters}</n:{operation}></e:Body></e:Envelope>'
    )
    headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{NAMESPACE}#{operation}"'}
    return httpx.post(erp.endpoint, content=raw.encode(), headers=headers, timeout=timeout, trust_env=False)


def call(erp: NusoapErp, operation: str, parameters: str) -> Any:
    return etree.fromstring(post(erp, operation, LOGGED_IN + parameters).content)


def text(answer: Any, path: str) -> str | None:
    found = answer.find(f".//{path}")
    return None if found is None else found.text or ""


def code(answer: Any) -> tuple[str | None, str | None]:
    return text(answer, "result_code"), text(answer, "result_label")


def fault(response: httpx.Response) -> tuple[int, str | None]:
    return response.status_code, text(etree.fromstring(response.content), "faultcode")


def get_order(erp: NusoapErp, ref_ext: str = "WEB-1") -> Any:
    return call(erp, "getOrder", f"<id></id><ref></ref><ref_ext>{ref_ext}</ref_ext>")


def order_struct(party: int, product: int, **fields: str) -> str:
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    line = f"<line><qty>2.0</qty><unitprice>10.0</unitprice><product_id>{product}</product_id></line>"
    return f"<order>{inner}<thirdparty_id>{party}</thirdparty_id><lines>{line}</lines></order>"


def shipment_struct(order: Order, ref_ext: str, *, order_line: int | None = None) -> str:
    line_id = order.lines[0].id if order_line is None else order_line
    return (
        f"<shipment><ref_ext>{ref_ext}</ref_ext><order_id>{order.id}</order_id>"
        f"<lines><item><order_line_id>{line_id}</order_line_id><qty>1</qty><batch>L-1</batch></item>"
        f"<item><order_line_id>{line_id}</order_line_id><qty>1</qty><batch>L-2</batch>"
        "<serials><item>S-1</item><item>S-2</item></serials></item></lines>"
        "<packages><item><number>1</number><tracking_number>T-1</tracking_number></item></packages></shipment>"
    )


def ids_of(erp: NusoapErp) -> tuple[int, int]:
    return next(iter(erp.books.third_parties)), next(iter(erp.books.products))


# The contract


def test_the_wsdl_imports_the_soap_encoding_and_says_from_nowhere(erp: NusoapErp) -> None:
    wsdl = etree.fromstring(httpx.get(f"{erp.endpoint}?wsdl", trust_env=False).content)
    imports = wsdl.findall(".//{http://www.w3.org/2001/XMLSchema}import")
    assert [(each.get("namespace"), each.get("schemaLocation")) for each in imports] == [
        (ENCODING_STYLE, None),
        ("http://schemas.xmlsoap.org/wsdl/", None),
    ]
    assert wsdl.find(".//{http://schemas.xmlsoap.org/wsdl/soap/}address").get("location") == erp.endpoint


def test_the_wsdl_is_rpc_encoded_and_restricts_the_encodings_array(erp: NusoapErp) -> None:
    wsdl = etree.fromstring(httpx.get(f"{erp.endpoint}?wsdl", trust_env=False).content)
    soap = "{http://schemas.xmlsoap.org/wsdl/soap/}"
    assert {each.get("use") for each in wsdl.iter(f"{soap}body")} == {"encoded"}
    assert {each.get("style") for each in wsdl.iter(f"{soap}binding", f"{soap}operation")} == {"rpc"}
    arrays = [each.get("{http://schemas.xmlsoap.org/wsdl/}arrayType") for each in wsdl.iter("{*}attribute")]
    assert "tns:shipment[]" in arrays


# 1: rows


def test_rows_come_as_an_array_whose_type_is_empty(erp: NusoapErp, order: Order) -> None:
    lines = get_order(erp).find(".//lines")
    assert lines.get(f"{{{ENCODING_STYLE}}}arrayType") == ":[2]"
    assert lines.get(f"{XSI}type") == "SOAP-ENC:Array"
    assert [(row.tag, row.get(f"{XSI}type")) for row in lines] == [("item", "xsd:"), ("item", "xsd:")]
    assert [(row.findtext("id"), row.findtext("qty")) for row in lines] == [
        (str(order.lines[0].id), "2"),
        (str(order.lines[1].id), "1"),
    ]


def test_no_rows_are_an_array_of_none(erp: NusoapErp) -> None:
    orders = call(erp, "getOrdersForThirdParty", "<idthirdparty>77</idthirdparty>").find(".//orders")
    assert (orders.get(f"{{{ENCODING_STYLE}}}arrayType"), len(orders)) == (":[0]", 0)


def test_rows_may_have_rows(erp: NusoapErp, order: Order) -> None:
    answer = call(erp, "getOrdersForThirdParty", f"<idthirdparty>{order.third_party.id}</idthirdparty>")
    assert len(answer.findall(".//orders/item/lines/item")) == 2


# 3: refusals


def test_what_is_not_found_is_a_result_in_a_good_answer(erp: NusoapErp) -> None:
    answer = get_order(erp, "NOPE")
    assert code(answer)[0] == "NOT_FOUND"
    assert answer.find(".//order").get(f"{XSI}nil") == "true"


def test_an_unknown_customer_is_a_broken_foreign_key(erp: NusoapErp, order: Order) -> None:
    refused = code(call(erp, "createOrder", order_struct(999_999, order.lines[0].product.id)))
    assert refused[0] == "KO"
    assert "foreign key constraint fails" in str(refused[1])


def test_an_unknown_product_is_refused_without_a_word(erp: NusoapErp, order: Order) -> None:
    assert code(call(erp, "createOrder", order_struct(order.third_party.id, 999_999))) == ("KO", "")


def test_a_change_of_what_is_closed_is_a_fault_under_200(erp: NusoapErp, order: Order) -> None:
    erp.books.set_status(order.id, books.VALIDATED)
    erp.books.set_status(order.id, books.CLOSED)
    change = f"<order><id>{order.id}</id><status>-1</status></order>"
    assert fault(post(erp, "updateOrder", LOGGED_IN + change)) == (200, "SOAP-ENV:Server")


def test_an_unknown_operation_is_a_fault_under_500(erp: NusoapErp) -> None:
    assert fault(post(erp, "deleteEverything", LOGGED_IN)) == (500, "SOAP-ENV:Client")


def test_what_is_no_xml_is_a_fault_under_500(erp: NusoapErp) -> None:
    assert fault(httpx.post(erp.endpoint, content=b"<half", trust_env=False)) == (500, "SOAP-ENV:Client")


@pytest.mark.usefixtures("order")
def test_a_wrong_password_is_a_result_in_a_good_answer(erp: NusoapErp) -> None:
    erp.password = "changed since"
    assert code(get_order(erp))[0] == "BAD_CREDENTIALS"


def test_a_session_serves_until_it_lapses_and_then_is_a_fault(erp: NusoapErp, order: Order) -> None:
    given = f"<erpkey>{KEY}</erpkey><login>{LOGIN}</login><password>{PASSWORD}</password>"
    session = text(etree.fromstring(post(erp, "login", given).content), "session")
    asked = f"<authentication><session>{session}</session></authentication><id>{order.id}</id>"
    assert code(etree.fromstring(post(erp, "getOrder", asked).content)) == ("OK", "")
    erp.lapse_sessions()
    assert fault(post(erp, "getOrder", asked)) == (500, "SOAP-ENV:Client")


@pytest.mark.parametrize(("kind", "status"), [("fault_200", 200), ("fault_500", 500)])
def test_a_fault_is_had_on_demand_once_and_for_its_operation(
    erp: NusoapErp, order: Order, kind: Kind, status: int
) -> None:
    erp.misbehave(kind, "createOrder", code="Server", text="Lock wait timeout exceeded")
    wanted = LOGGED_IN + order_struct(order.third_party.id, order.lines[0].product.id)
    assert code(get_order(erp))[0] == "OK"
    assert fault(post(erp, "createOrder", wanted)) == (status, "SOAP-ENV:Server")
    assert len(erp.books.orders) == 1
    assert code(call(erp, "createOrder", wanted.removeprefix(LOGGED_IN)))[0] == "OK"


@pytest.mark.usefixtures("order")
def test_a_result_is_had_on_demand(erp: NusoapErp) -> None:
    erp.misbehave("result", code="KO", text="", times=None)
    assert [code(get_order(erp)) for _ in range(2)] == [("KO", ""), ("KO", "")]
    erp.behave()
    assert code(get_order(erp))[0] == "OK"


# 4: not idempotent


def test_the_same_order_twice_is_two_orders_and_only_the_first_is_found(erp: NusoapErp, order: Order) -> None:
    party, product = order.third_party.id, order.lines[0].product.id
    made = [text(call(erp, "createOrder", order_struct(party, product, ref_ext="WEB-2")), "id") for _ in range(2)]
    assert len(set(made)) == 2
    assert text(get_order(erp, "WEB-2"), "order/id") == made[0]


def test_the_same_shipment_twice_is_two_shipments_and_both_are_found(erp: NusoapErp, order: Order) -> None:
    erp.books.set_status(order.id, books.VALIDATED)
    made = [text(call(erp, "createShipment", shipment_struct(order, "acme/1")), "id") for _ in range(2)]
    found = call(erp, "findShipment", "<order_id></order_id><ref_ext>acme/1</ref_ext>")
    assert [row.findtext("id") for row in found.findall(".//shipments/item")] == made


# 5: dropped fields


def test_a_field_is_dropped_without_a_word(erp: NusoapErp, order: Order) -> None:
    wanted = order_struct(order.third_party.id, order.lines[0].product.id, ref_client="PO-7", ref_ext="WEB-3")
    assert code(call(erp, "createOrder", wanted)) == ("OK", "")
    assert text(get_order(erp, "WEB-3"), "ref_client") is None
    erp.desk.dropped["order"].clear()
    call(erp, "createOrder", wanted.replace("WEB-3", "WEB-4"))
    assert text(get_order(erp, "WEB-4"), "ref_client") == "PO-7"


def test_a_shipment_may_lose_a_field_too(erp: NusoapErp, order: Order) -> None:
    erp.books.set_status(order.id, books.VALIDATED)
    erp.desk.dropped["shipment"].add("packages")
    call(erp, "createShipment", shipment_struct(order, "acme/1"))
    assert [shipment.packages for shipment in erp.books.shipments.values()] == [()]


# 6: by position


def test_a_parameter_that_is_left_out_lets_the_next_slide_in(erp: NusoapErp, order: Order) -> None:
    answer = call(erp, "getOrder", f"<ref>{order.id}</ref>")
    assert text(answer, "order/id") == str(order.id)
    assert erp.calls[-1].arguments["id"] == str(order.id)
    assert code(call(erp, "getOrder", "<ref_ext>WEB-1</ref_ext>"))[0] == "NOT_FOUND"


@pytest.mark.usefixtures("order")
def test_parameters_are_bound_whatever_they_are_called(erp: NusoapErp) -> None:
    assert text(call(erp, "getOrder", "<a></a><b></b><c>WEB-1</c>"), "order/ref_ext") == "WEB-1"


def test_too_few_parameters_are_an_empty_500(erp: NusoapErp) -> None:
    response = post(erp, "createOrder", LOGGED_IN)
    assert (response.status_code, response.content) == (500, b"")


# 7 and 8: calling out


class Receiver:
    """Takes the ERP's calls, and asks back while the ERP waits."""

    def __init__(self, erp: NusoapErp) -> None:
        self.status = 202
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.seen_meanwhile: list[Any] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.heard.append(({k.lower(): v for k, v in self.headers.items()}, body))
                receiver.seen_meanwhile.append(get_order(erp))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook/secret"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def receiver(erp: NusoapErp) -> Iterator[Receiver]:
    receiver = Receiver(erp)
    yield receiver
    receiver.close()


def test_the_webhook_tells_what_was_before_its_own_commit(erp: NusoapErp, order: Order, receiver: Receiver) -> None:
    erp.call_out_to(receiver.url)
    validated = erp.books.set_status(order.id, books.VALIDATED)
    pushed = httpx.Response(200, content=receiver.heard[0][1]).json()
    assert pushed["triggercode"] == "ORDER_VALIDATE"
    assert (pushed["object"]["ref"], pushed["object"]["status"]) == (order.ref, "0")
    assert pushed["object"]["newref"] == validated.ref != order.ref
    meanwhile, after = receiver.seen_meanwhile[0], get_order(erp)
    assert (text(meanwhile, "order/ref"), text(meanwhile, "order/status")) == (order.ref, "0")
    assert (text(after, "order/ref"), text(after, "order/status")) == (validated.ref, "1")


def test_the_webhook_has_no_signature_and_no_event_id(erp: NusoapErp, order: Order, receiver: Receiver) -> None:
    erp.call_out_to(receiver.url)
    erp.books.set_status(order.id, books.VALIDATED)
    headers, body = receiver.heard[0]
    usual = {"host", "accept", "accept-encoding", "connection", "user-agent", "content-length", "content-type"}
    assert set(headers) <= usual
    assert set(httpx.Response(200, content=body).json()) == {"triggercode", "object"}


def test_a_write_by_web_service_calls_out_too(erp: NusoapErp, order: Order, receiver: Receiver) -> None:
    erp.call_out_to(receiver.url)
    call(erp, "updateOrder", f"<order><id>{order.id}</id><status>-1</status></order>")
    assert [message["triggercode"] for message in erp.books.called_out] == ["ORDER_CANCEL"]
    assert erp.books.orders[order.id].status == books.CANCELED


@pytest.mark.parametrize("answers", [True, False])
def test_order_entry_fails_while_the_receiver_is_down(
    erp: NusoapErp, order: Order, receiver: Receiver, answers: bool
) -> None:
    receiver.status = 503
    erp.call_out_to(receiver.url if answers else "http://127.0.0.1:9/")
    with pytest.raises(EntryFailedError):
        erp.books.set_status(order.id, books.VALIDATED)
    with pytest.raises(EntryFailedError):
        erp.books.enter_order(order.third_party, order.lines)
    refused = call(erp, "createOrder", order_struct(order.third_party.id, order.lines[0].product.id))
    assert code(refused)[0] == "KO"
    assert list(erp.books.orders.values()) == [order]


def test_a_receiver_that_does_not_block_may_be_down(erp: NusoapErp, order: Order) -> None:
    erp.call_out_to("http://127.0.0.1:9/", blocking=False)
    assert erp.books.set_status(order.id, books.VALIDATED).status == books.VALIDATED


# Bad days


@pytest.mark.parametrize("kind", ["down", "hang"])
def test_down_and_hang_do_nothing(erp: NusoapErp, order: Order, kind: Kind) -> None:
    erp.misbehave(kind)
    wanted = LOGGED_IN + order_struct(order.third_party.id, order.lines[0].product.id)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadTimeout)):
        post(erp, "createOrder", wanted, timeout=0.3)
    assert len(erp.books.orders) == 1


@pytest.mark.parametrize("kind", ["done_and_cut", "done_and_hang"])
def test_reads_work_while_writes_are_done_and_not_answered(erp: NusoapErp, order: Order, kind: Kind) -> None:
    erp.misbehave(kind, "createOrder", times=None)
    wanted = LOGGED_IN + order_struct(order.third_party.id, order.lines[0].product.id, ref_ext="WEB-2")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadTimeout)):
        post(erp, "createOrder", wanted, timeout=0.3)
    assert code(get_order(erp, "WEB-2")) == ("OK", "")


def test_slow_does_it_late_but_well(erp: NusoapErp, order: Order) -> None:
    erp.misbehave("slow", seconds=0.2)
    response = post(erp, "getOrder", f"{LOGGED_IN}<id>{order.id}</id>")
    assert response.elapsed.total_seconds() >= 0.2
    assert text(etree.fromstring(response.content), "order/id") == str(order.id)


def test_garbage_breaks_off(erp: NusoapErp) -> None:
    erp.misbehave("garbage")
    response = post(erp, "getOrder", LOGGED_IN)
    assert response.headers["content-type"].startswith("text/xml")
    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(response.content)


@pytest.mark.parametrize(("kind", "status"), [("login_page", 200), ("busy", 503)])
def test_a_page_for_people_comes_instead_of_an_answer(erp: NusoapErp, kind: Kind, status: int) -> None:
    erp.misbehave(kind)
    response = post(erp, "getOrder", LOGGED_IN)
    assert (response.status_code, response.headers["content-type"]) == (status, "text/html")


def test_another_documents_number_is_answered(erp: NusoapErp, order: Order) -> None:
    erp.misbehave("another_document", times=2)
    assert text(get_order(erp), "order/ref_ext") != "WEB-1"
    made = call(erp, "createOrder", order_struct(order.third_party.id, order.lines[0].product.id))
    assert text(made, "id") not in {str(each) for each in erp.books.orders}


@pytest.mark.usefixtures("order")
def test_fewer_rows_come_than_were_announced(erp: NusoapErp) -> None:
    erp.misbehave("fewer_rows")
    lines = get_order(erp).find(".//lines")
    assert (lines.get(f"{{{ENCODING_STYLE}}}arrayType"), len(lines)) == (":[2]", 1)


def test_a_warning_of_php_comes_before_the_xml(erp: NusoapErp, order: Order) -> None:
    erp.misbehave("php_warning")
    response = post(erp, "getOrder", f"{LOGGED_IN}<id>{order.id}</id>")
    assert response.content.startswith(b"<br />")
    assert b'<order xsi:type="tns:order">' in response.content


@pytest.mark.parametrize("declared", ["ISO-8859-1", None, "UTF-8"])
def test_the_encoding_is_what_it_is_and_is_declared_as_told(erp: NusoapErp, order: Order, declared: str | None) -> None:
    erp.encoding, erp.declared = "ISO-8859-1", declared
    response = post(erp, "getThirdParty", f"{LOGGED_IN}<id>{order.third_party.id}</id>")
    assert "Söhne".encode("latin-1") in response.content
    assert (b"<?xml" in response.content) is (declared is not None)
    assert response.headers["content-type"] == ("text/xml" if declared is None else f"text/xml; charset={declared}")


# A whole outbound way


def test_a_shipment_is_kept_with_its_lots_serials_and_packages(erp: NusoapErp, order: Order) -> None:
    erp.books.set_status(order.id, books.VALIDATED)
    made = call(erp, "createShipment", shipment_struct(order, "acme/1"))
    (shipment,) = erp.books.shipments.values()
    assert [(line.order_line_id, line.batch, line.serials) for line in shipment.lines] == [
        (order.lines[0].id, "L-1", ()),
        (order.lines[0].id, "L-2", ("S-1", "S-2")),
    ]
    found = call(erp, "findShipment", "<order_id></order_id><ref_ext>acme/1</ref_ext>").find(".//shipments/item")
    assert (found.findtext("ref"), found.findtext("packages/item/tracking_number")) == (text(made, "ref"), "T-1")
    assert text(get_order(erp), "order/status") == str(books.IN_PROCESS)


def test_a_draft_is_not_shipped_and_a_strange_line_neither(erp: NusoapErp, order: Order) -> None:
    wanted = LOGGED_IN + shipment_struct(order, "acme/1")
    assert fault(post(erp, "createShipment", wanted)) == (200, "SOAP-ENV:Server")
    erp.books.set_status(order.id, books.VALIDATED)
    assert code(call(erp, "createShipment", shipment_struct(order, "acme/1", order_line=4711))) == ("KO", "")
    assert erp.books.shipments == {}


def test_a_shipment_is_closed_once(erp: NusoapErp, order: Order) -> None:
    erp.books.set_status(order.id, books.VALIDATED)
    made = text(call(erp, "createShipment", shipment_struct(order, "acme/1")), "id")
    closing = f"<shipment><id>{made}</id><status>2</status></shipment>"
    assert [code(call(erp, "updateShipment", closing)) for _ in range(2)] == [("OK", ""), ("KO", "Already closed")]


def test_a_product_has_its_packagings_and_how_it_is_tracked(erp: NusoapErp) -> None:
    erp.books.add_product("TEA", "Tee", barcode="4006381333931", tobatch=1, packagings=[Packaging("CA", 12, "x")])
    answer = call(erp, "getProductOrService", "<id></id><ref>TEA</ref><ref_ext></ref_ext><lang></lang>")
    assert (text(answer, "product/tobatch"), text(answer, "product/barcode")) == ("1", "4006381333931")
    assert [(row.findtext("unit"), row.findtext("factor")) for row in answer.findall(".//packagings/item")] == [
        ("CA", "12")
    ]
