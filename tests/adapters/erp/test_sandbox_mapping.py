"""The sandbox's mapping on the wire: for each operation our request, the call made, the answer read, the error read."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from adapters.erp.engine.adapter import MappedErp
from adapters.erp.files import FILE, folder
from domain.erp import ErpLine, ErpMessage, ErpMessageKind, ErpParcel, ErpReceipt
from domain.errors import Kind, OutcomeUnknown, Rejected, StockbridgeError, Unavailable
from tests.adapters.conftest import Sandbox
from tests.adapters.erp.connected import connected
from tests.adapters.erp.connected import sandbox_erp as erp_of_sandbox
from tests.adapters.scripted import Behavior, Heard, Scripted, answer, break_off, hang_up, never_answer, scripted

NS = "urn:legacy-erp:orders:v1"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
REFERENCE = "acme/SO-1/7"

MESSAGE = ErpMessage(
    reference=REFERENCE,
    order_no="SO-1",
    number=7,
    kind="accepted",
    revision=2,
    occurred_at="2026-01-05T09:12:00+01:00",
    lines=(
        ErpLine(1, "MUG-WHITE", 24, 30, "EA", line_quantity="2.4", line_uom="TRAY"),
        ErpLine(2, "DRILL", 2, 2, "EA", "L-1", ("S-1", "S-2")),
        ErpLine(1_000_002, "DRILL-BIT", 8, 8, "EA", main_line_no=2),
    ),
)
SHIPPED = replace(
    MESSAGE,
    kind="shipped",
    shipment_no="SO-1-1",
    carrier="sandbox",
    parcels=(ErpParcel(1, "SBX1"), ErpParcel(2, "SBX2")),
)
MESSAGES: dict[ErpMessageKind, ErpMessage] = {
    "accepted": replace(MESSAGE, replaces="SO-0"),
    "refused": replace(MESSAGE, kind="refused", reason="Too late <again> & \x0b"),
    "reserved": replace(MESSAGE, kind="reserved"),
    "backordered": replace(MESSAGE, kind="backordered"),
    "amended": replace(MESSAGE, kind="amended"),
    "shipped": SHIPPED,
    "delivered": replace(MESSAGE, kind="delivered", shipment_no="SO-1-1", signed_by="Ida Hölm"),
    "cancelled": replace(MESSAGE, kind="cancelled", reason="customer"),
    "returned": replace(MESSAGE, kind="returned"),
}

CREDENTIALS = "<Credentials><User>hub</User><Password>s3cret</Password></Credentials>"
KEYS = f"{CREDENTIALS}<Reference>{REFERENCE}</Reference><OrderNo>SO-1</OrderNo><Revision>2</Revision>"
AT = "<OccurredAt>2026-01-05T09:12:00+01:00</OccurredAt>"
LINES = (
    "<Lines>"
    "<Line><LineNo>1</LineNo><Sku>MUG-WHITE</Sku><Quantity>24</Quantity><Ordered>30</Ordered><Uom>EA</Uom>"
    "<LineQuantity>2.4</LineQuantity><LineUom>TRAY</LineUom></Line>"
    "<Line><LineNo>2</LineNo><Sku>DRILL</Sku><Quantity>2</Quantity><Ordered>2</Ordered><Uom>EA</Uom><Lot>L-1</Lot>"
    "<SerialNumbers><SerialNumber>S-1</SerialNumber><SerialNumber>S-2</SerialNumber></SerialNumbers></Line>"
    "<Line><LineNo>1000002</LineNo><Sku>DRILL-BIT</Sku><Quantity>8</Quantity><Ordered>8</Ordered><Uom>EA</Uom>"
    "<MainLineNo>2</MainLineNo></Line>"
    "</Lines>"
)
PARCELS = (
    "<Parcels><Parcel><ParcelNo>1</ParcelNo><TrackingNumber>SBX1</TrackingNumber></Parcel>"
    "<Parcel><ParcelNo>2</ParcelNo><TrackingNumber>SBX2</TrackingNumber></Parcel></Parcels>"
)
SHIPMENT_NO = "<ShipmentNo>SO-1-1</ShipmentNo>"
REQUESTS: dict[ErpMessageKind, tuple[str, str]] = {
    "accepted": (
        "AcknowledgeOrder",
        f"{KEYS}<Accepted>true</Accepted>{AT}{LINES}<ReplacesOrderNo>SO-0</ReplacesOrderNo>",
    ),
    "refused": (
        "AcknowledgeOrder",
        f"{KEYS}<Accepted>false</Accepted><Reason>Too late &lt;again&gt; &amp; \ufffd</Reason>{AT}{LINES}",
    ),
    "reserved": ("ReportReservation", f"{KEYS}{AT}<Kind>reserved</Kind>{LINES}"),
    "backordered": ("ReportReservation", f"{KEYS}{AT}<Kind>backordered</Kind>{LINES}"),
    "amended": ("ReportAmendment", f"{KEYS}{AT}{LINES}"),
    "shipped": ("ReportShipment", f"{KEYS}{AT}{SHIPMENT_NO}<Carrier>sandbox</Carrier>{PARCELS}{LINES}"),
    "delivered": ("ReportDelivery", f"{KEYS}{AT}{SHIPMENT_NO}<SignedBy>Ida Hölm</SignedBy>{LINES}"),
    "cancelled": ("ReportCancellation", f"{KEYS}{AT}<Reason>customer</Reason>{LINES}"),
    "returned": ("ReportReturn", f"{KEYS}{AT}{LINES}"),
}
KINDS = list(MESSAGES)


def envelope(content: str) -> str:
    return f'<S:Envelope xmlns:S="{SOAP}"><S:Body>{content}</S:Body></S:Envelope>'


def result(operation: str, *fields: str) -> str:
    return envelope(f'<{operation}Response xmlns="{NS}">{"".join(fields)}</{operation}Response>')


def done(operation: str) -> str:
    return result(operation, "<ResultCode>0</ResultCode>", "<DocumentNo>4500000001</DocumentNo>")


def fault(code: str, text: str = "no", detail: str = "") -> str:
    parts = f"<faultcode>S:{code}</faultcode><faultstring>{text}</faultstring>{detail}"
    return envelope(f"<S:Fault>{parts}</S:Fault>")


def business_fault(code: str, text: str) -> str:
    inside = f'<BusinessFault xmlns="{NS}"><Code>{code}</Code><Message>{text}</Message></BusinessFault>'
    return fault("Client.Business", "see detail", f"<detail>{inside}</detail>")


def document(number: int, reference: str = REFERENCE, at: str = "2026-01-05T09:12:00+01:00") -> str:
    fields = f"<DocumentNo>{number}</DocumentNo><Reference>{reference}</Reference><Kind>accepted</Kind>"
    return f"<Document>{fields}<OrderNo>SO-1</OrderNo><CreatedAt>{at}</CreatedAt></Document>"


def found(*documents: str) -> str:
    return result("FindDocuments", "<ResultCode>0</ResultCode>", f"<Documents>{''.join(documents)}</Documents>")


Tree = tuple[str, str, list["Tree"]]


def content(xml: bytes | str) -> Tree:
    """Bring what is in an envelope into a form that doesn't depend on prefixes."""

    def tree(element: etree._Element) -> Tree:
        return element.tag, (element.text or "").strip(), [tree(child) for child in element]

    (inside,) = etree.fromstring(xml if isinstance(xml, bytes) else xml.encode()).find(f"{{{SOAP}}}Body")
    return tree(inside)


def is_question(heard: Heard) -> bool:
    return heard.headers["soapaction"] == f'"{NS}#FindDocuments"'


def whatever_is_said(server: Scripted, behavior: Behavior) -> None:
    """Let the server do the same to a question as to a message."""
    server.behavior, server.choose = behavior, lambda _: None


def sent(server: Scripted) -> list[Heard]:
    """Return what it heard but for the questions, of which one goes before every message."""
    return [heard for heard in server.heard if not is_question(heard)]


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    """An ERP that has no documents."""
    async with scripted(hang_up()) as server:
        server.choose = lambda heard: answer(200, found()) if is_question(heard) else None
        yield server


@pytest.fixture
async def erp(server: Scripted) -> AsyncIterator[MappedErp]:
    erp = erp_at(f"{server.url}/soap/orders")
    yield erp
    erp.close()


def erp_at(address: str, timeout_s: float = 5) -> MappedErp:
    text, bundle = (folder("sandbox") / FILE).read_text(), folder("sandbox")
    erp = connected(text, bundle, {"address": address, "user": "hub"}, {"password": "s3cret"})
    return MappedErp(replace(erp, timeout_s=timeout_s))


async def tell(erp: MappedErp, message: ErpMessage = MESSAGE) -> ErpReceipt:
    return await asyncio.to_thread(erp.tell, message)


async def find(erp: MappedErp) -> ErpReceipt | None:
    return await asyncio.to_thread(erp.find, REFERENCE)


# Messages


@pytest.mark.parametrize("kind", KINDS)
async def test_a_message_goes_out_as_the_contract_has_it(
    server: Scripted, erp: MappedErp, kind: ErpMessageKind
) -> None:
    operation, fields = REQUESTS[kind]
    server.behavior = answer(200, done(operation))
    await tell(erp, MESSAGES[kind])
    assert content(sent(server)[0].body) == content(envelope(f'<{operation} xmlns="{NS}">{fields}</{operation}>'))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_message_is_one_post_to_the_service_with_the_operations_action(
    server: Scripted, erp: MappedErp, kind: ErpMessageKind
) -> None:
    operation, _ = REQUESTS[kind]
    server.behavior = answer(200, done(operation))
    await tell(erp, MESSAGES[kind])
    (call,) = sent(server)
    assert (call.method, call.path) == ("POST", "/soap/orders")
    assert call.headers["soapaction"] == f'"{NS}#{operation}"'
    assert call.headers["content-type"] == "text/xml; charset=utf-8"


@pytest.mark.parametrize("kind", KINDS)
async def test_the_answer_to_a_message_names_the_document(
    server: Scripted, erp: MappedErp, kind: ErpMessageKind
) -> None:
    server.behavior = answer(200, done(REQUESTS[kind][0]))
    assert await tell(erp, MESSAGES[kind]) == ErpReceipt(REFERENCE, "4500000001")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_result_code_in_an_http_200_refuses_a_message(
    server: Scripted, erp: MappedErp, kind: ErpMessageKind
) -> None:
    text = "<ResultText>No such order.</ResultText>"
    server.behavior = answer(200, result(REQUESTS[kind][0], "<ResultCode>40</ResultCode>", text))
    with pytest.raises(Rejected, match="doesn't know the order") as refusal:
        await tell(erp, MESSAGES[kind])
    assert (refusal.value.code, refusal.value.kind) == ("erp_unknown_order", Kind.INVALID)
    assert refusal.value.said == "No such order."


@pytest.mark.parametrize("kind", KINDS)
async def test_what_the_erp_has_is_not_sent_again(server: Scripted, erp: MappedErp, kind: ErpMessageKind) -> None:
    later, first = document(2, at="2026-01-05T09:00:00.250Z"), document(1, at="2026-01-05T09:00:00.125Z")
    others = document(0, reference="somebody/else", at="2026-01-04T09:00:00.000Z")
    whatever_is_said(server, answer(200, found(later, others, first)))
    assert await tell(erp, MESSAGES[kind]) == ErpReceipt(REFERENCE, "1")
    assert sent(server) == []


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("2026-01-05T09:12:00z", "2026-01-05T09:12:00+00:00"),
        ("2026-01-05 09:12:00.250-0330", "2026-01-05T09:12:00.250000-03:30"),
    ],
)
async def test_a_time_keeps_its_offset_however_it_was_written(
    server: Scripted, erp: MappedErp, ours: str, theirs: str
) -> None:
    server.behavior = answer(200, done("AcknowledgeOrder"))
    await tell(erp, replace(MESSAGE, occurred_at=ours))
    assert f"OccurredAt>{theirs}<".encode() in sent(server)[0].body


# Questions


async def test_a_question_goes_out_as_the_contract_has_it(server: Scripted, erp: MappedErp) -> None:
    whatever_is_said(server, answer(200, found()))
    await find(erp)
    fields = f"{CREDENTIALS}<Reference>{REFERENCE}</Reference>"
    wanted = envelope(f'<FindDocuments xmlns="{NS}">{fields}</FindDocuments>')
    assert content(server.heard[0].body) == content(wanted)


async def test_a_question_is_one_post_to_the_service_with_its_action(server: Scripted, erp: MappedErp) -> None:
    whatever_is_said(server, answer(200, found()))
    await find(erp)
    (call,) = server.heard
    assert (call.method, call.path, call.headers["soapaction"]) == ("POST", "/soap/orders", f'"{NS}#FindDocuments"')


async def test_the_oldest_of_several_documents_is_the_receipt(server: Scripted, erp: MappedErp) -> None:
    later, first = document(2, at="2026-01-05T09:00:00+01:00"), document(1, at="2026-01-05T08:30:00Z")
    oldest = document(3, at="2026-01-05T09:59:00+02:00")
    whatever_is_said(server, answer(200, found(later, first, oldest)))
    assert await find(erp) == ErpReceipt(REFERENCE, "3")


@pytest.mark.parametrize(
    "nothing",
    [found(), found(document(1, reference="somebody/else")), result("FindDocuments", "<ResultCode>0</ResultCode>")],
)
async def test_no_document_of_our_reference_is_none(server: Scripted, erp: MappedErp, nothing: str) -> None:
    whatever_is_said(server, answer(200, nothing))
    assert await find(erp) is None


async def test_a_result_code_refuses_a_question(server: Scripted, erp: MappedErp) -> None:
    whatever_is_said(server, answer(200, result("FindDocuments", "<ResultCode>99</ResultCode>", "<ResultText/>")))
    with pytest.raises(Rejected, match="a code that isn't known here") as refusal:
        await find(erp)
    assert (refusal.value.code, refusal.value.said) == ("erp_refused", "99: ")


# What an answer means depends on what is in it, not on its HTTP status


@pytest.mark.parametrize("status", [200, 202, 400, 500, 502, 503])
@pytest.mark.parametrize(
    ("body", "error", "code"),
    [
        (business_fault("PERIOD_CLOSED", "No open period."), Rejected, "erp_period_closed"),
        (business_fault("UNKNOWN_LINE", ""), Rejected, "erp_unknown_line"),
        (business_fault("CREDIT-BLOCK", "Blocked."), Rejected, "erp_refused"),
        (fault("Client", "Element 'Sku': bad."), Rejected, "erp_contract"),
        (fault("Client.Quota"), Rejected, "erp_refused"),
        (fault("Server.Busy", "All work processes are busy."), Unavailable, None),
        (fault("Client.Authentication", "User or password is wrong."), Unavailable, None),
        (fault("Server", "Dump in program SAPLV45A."), OutcomeUnknown, None),
        (fault("", ""), OutcomeUnknown, None),
    ],
)
async def test_a_fault_means_the_same_under_any_http_status(
    server: Scripted, erp: MappedErp, status: int, body: str, error: type[StockbridgeError], code: str | None
) -> None:
    server.behavior = answer(status, body)
    with pytest.raises(error) as raised:
        await tell(erp)
    assert getattr(raised.value, "code", None) == code


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (business_fault("UNKNOWN_LINE", "No line 7."), "No line 7."),
        (business_fault("UNKNOWN_LINE", ""), "UNKNOWN_LINE"),
        (business_fault("CREDIT-BLOCK", "Blocked."), "CREDIT-BLOCK: Blocked."),
        (fault("Client", "Element 'Sku': bad."), "Element 'Sku': bad."),
        (fault("Client.Quota", "Too much."), "Client.Quota: Too much."),
    ],
)
async def test_what_the_erp_says_to_a_refusal_goes_along_with_it(
    server: Scripted, erp: MappedErp, body: str, said: str
) -> None:
    server.behavior = answer(500, body)
    with pytest.raises(Rejected) as refusal:
        await tell(erp)
    assert refusal.value.said == said


@pytest.mark.parametrize("status", [200, 500])
async def test_a_good_answer_is_one_under_any_http_status(server: Scripted, erp: MappedErp, status: int) -> None:
    server.behavior = answer(status, done("AcknowledgeOrder"))
    assert await tell(erp) == ErpReceipt(REFERENCE, "4500000001")


UNUSABLE: dict[str, Behavior] = {
    "nothing at all": answer(200, ""),
    "a page for people": answer(200, "<html><body><p>Back&nbsp;soon<br></body></html>"),
    "half of it": answer(200, done("AcknowledgeOrder")[:-9]),
    "no result code": answer(200, result("AcknowledgeOrder", "<DocumentNo>1</DocumentNo>")),
    "an empty result code": answer(200, result("AcknowledgeOrder", "<ResultCode/>")),
    "no document": answer(200, result("AcknowledgeOrder", "<ResultCode>0</ResultCode>")),
    "a field that nobody agreed on": answer(200, result("AcknowledgeOrder", "<ResultCode>0</ResultCode><X>1</X>")),
    "the answer to something else": answer(200, done("ReportReturn")),
    "an empty body": answer(200, envelope("")),
    "two answers": answer(200, envelope(f'<X xmlns="{NS}"/><X xmlns="{NS}"/>')),
    "an entity": answer(200, f'<!DOCTYPE x [<!ENTITY a "0">]>{done("AcknowledgeOrder").replace(">0<", ">&a;<")}'),
    "a DTD": answer(200, f"<!DOCTYPE x>{done('AcknowledgeOrder')}"),
    "more than fits": answer(200, b" " * (4 * 1024 * 1024 + 1)),
    "a gateway's 502": answer(502, "<html>Bad gateway</html>"),
    "a gateway's 504": answer(504, ""),
    "a bare 500": answer(500, "Internal Server Error"),
    "a hang-up": hang_up(),
    "a hang-up in the middle": break_off(),
}


@pytest.mark.parametrize("behavior", UNUSABLE.values(), ids=UNUSABLE.keys())
async def test_an_unusable_answer_leaves_the_outcome_unknown_but_a_question_merely_unavailable(
    server: Scripted, erp: MappedErp, behavior: Behavior
) -> None:
    server.behavior = behavior
    with pytest.raises(OutcomeUnknown):
        await tell(erp)
    whatever_is_said(server, behavior)
    with pytest.raises(Unavailable):
        await find(erp)


@pytest.mark.parametrize("status", [301, 401, 403, 404, 408, 429, 503])
async def test_a_status_by_which_somebody_in_front_turned_it_down_is_unavailable(
    server: Scripted, erp: MappedErp, status: int
) -> None:
    server.behavior = answer(status, "<html>no</html>", {"Retry-After": "30", "Location": server.url})
    with pytest.raises(Unavailable, match=f"HTTP {status}") as raised:
        await tell(erp)
    assert raised.value.retry_after_s == (30 if status in {429, 503} else 1)
    assert len(sent(server)) == 1, "a redirect isn't followed: it would make a GET of our POST"


async def test_a_refused_connection_is_unavailable_for_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    erp = erp_at(f"http://127.0.0.1:{port}/")
    with pytest.raises(Unavailable, match="can't be reached"):
        await tell(erp)
    erp.close()


async def test_a_name_that_does_not_resolve_is_unavailable_for_nothing_was_sent() -> None:
    erp = erp_at("http://erp.invalid/")
    with pytest.raises(Unavailable, match="can't be reached"):
        await tell(erp)
    erp.close()


async def test_silence_after_sending_leaves_the_outcome_unknown(server: Scripted) -> None:
    server.behavior = never_answer()
    erp = erp_at(server.url, timeout_s=0.1)
    with pytest.raises(OutcomeUnknown, match="Timeout"):
        await tell(erp)
    whatever_is_said(server, never_answer())
    with pytest.raises(Unavailable):
        await find(erp)
    erp.close()


@pytest.mark.parametrize(
    "spoilt",
    [
        replace(MESSAGE, lines=()),
        replace(MESSAGE, occurred_at="2026-01-05T09:12:00"),
        replace(MESSAGE, occurred_at="yesterday"),
        replace(MESSAGE, order_no="X" * 65),
        replace(MESSAGE, revision=0),
        replace(SHIPPED, shipment_no=None),
        replace(SHIPPED, parcels=()),
    ],
)
async def test_what_the_contract_has_no_room_for_is_rejected_and_not_sent(
    server: Scripted, erp: MappedErp, spoilt: ErpMessage
) -> None:
    with pytest.raises(Rejected) as refusal:
        await tell(erp, spoilt)
    assert refusal.value.code == "erp_contract"
    assert sent(server) == []


async def test_a_reason_that_is_too_long_is_cut_rather_than_never_told(server: Scripted, erp: MappedErp) -> None:
    server.behavior = answer(200, done("AcknowledgeOrder"))
    await tell(erp, replace(MESSAGES["refused"], reason="x" * 5000))
    assert b"<ns0:Reason>" + b"x" * 2000 + b"</ns0:Reason>" in sent(server)[0].body


# Against the sandbox's own server


def sandbox_erp(sandbox: Sandbox, password: str | None = None) -> MappedErp:
    return erp_of_sandbox(str(sandbox.erp.base_url), sandbox.settings, password)


async def test_whatever_a_text_holds_the_erp_is_told(sandbox: Sandbox) -> None:
    """Also what an older build stored: all that PostgreSQL keeps. So no message stops those behind it."""
    erp, numbers = sandbox_erp(sandbox), count(1)
    kept = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=64)

    @settings(max_examples=60, derandomize=True)
    @example("L\ufffe1", "\x01\x1f\x7f\x85", "\u2028\ud7ff\ue000\U0010ffff")
    @example(" ", "\r", "]]>&<")
    @given(kept, kept, kept)
    def is_told(lot: str, serial: str, words: str) -> None:
        line = ErpLine(1, "MUG-WHITE", 1, 1, "EA", lot=lot, serial_numbers=(serial,))
        for told in (SHIPPED, MESSAGES["delivered"], MESSAGES["cancelled"], MESSAGES["refused"]):
            reference = f"texts/{next(numbers)}"
            message = replace(told, reference=reference, lines=(line,), reason=words, signed_by=words)
            receipt = erp.tell(replace(message, parcels=(ErpParcel(1, words * 5),)))
            found = erp.find(reference)
            assert found == receipt
            assert found.document is not None
            assert found.document.tells(message)

    await asyncio.to_thread(is_told)
    erp.close()


async def test_a_wrong_password_is_unavailable_until_an_operator_sets_it_right(sandbox: Sandbox) -> None:
    erp = sandbox_erp(sandbox, password="wrong")
    with pytest.raises(Unavailable, match="operator"):
        await tell(erp)
    erp.close()


@pytest.mark.parametrize("form", ["result", "fault_200", "fault_500"])
async def test_the_sandbox_refuses_in_three_ways_and_all_are_understood(sandbox: Sandbox, form: str) -> None:
    wanted = {"kind": "fault", "form": form, "code": "X 1", "message": "No."}
    await sandbox.erp.post("/admin/faults", json={"count": 1, **wanted})
    erp = sandbox_erp(sandbox)
    with pytest.raises(Rejected) as refusal:
        await tell(erp)
    assert (refusal.value.code, refusal.value.said) == ("erp_refused", "X 1: No.")
    erp.close()


async def test_what_the_erp_books_is_what_we_told_it(sandbox: Sandbox) -> None:
    told = replace(SHIPPED, reference="acme/SO-77/3", order_no="SO-77")
    erp = sandbox_erp(sandbox)
    receipt = await tell(erp, told)
    (booked,) = (await sandbox.erp.get("/admin/documents", params={"order_no": "SO-77"})).json()
    assert (booked["document_no"], booked["kind"]) == (receipt.document_no, "shipped")
    lines = booked["payload"]["lines"]
    assert [line.get("serial_numbers") for line in lines] == [None, ["S-1", "S-2"], None]
    assert [line.get("main_line_no") for line in lines] == [None, None, 2]
    erp.close()


async def test_threads_share_one_adapter(sandbox: Sandbox) -> None:
    erp = sandbox_erp(sandbox)
    messages = [replace(SHIPPED, reference=f"threads/{number}") for number in range(24)]

    def tell_and_find(message: ErpMessage) -> bool:
        return erp.tell(message) == erp.find(message.reference)

    with ThreadPoolExecutor(8) as threads:
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(threads, tell_and_find, message) for message in messages]
        assert all(await asyncio.gather(*calls))
    erp.close()
