"""The ERP's SOAP service: what it books, what it refuses and in which form, and that it never looks twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import zeep
import zeep.exceptions


async def test_a_raw_soap_request_over_a_socket_gets_a_document(sandbox: Any, reference: str) -> None:
    order_no = await sandbox.order()
    content = sandbox.envelope("ReportAmendment", sandbox.message(order_no, reference))
    host, port = sandbox.erp.base_url.host, sandbox.erp.base_url.port
    reader, writer = await asyncio.open_connection(host, port)
    head = (
        f"POST /soap/orders HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: text/xml; charset=utf-8\r\n"
        f'SOAPAction: "urn:legacy-erp:orders:v1#ReportAmendment"\r\nContent-Length: {len(content)}\r\n'
        "Connection: close\r\n\r\n"
    )
    writer.write(head.encode() + content)
    answer = (await asyncio.wait_for(reader.read(), 5)).decode()
    writer.close()
    await writer.wait_closed()

    (document,) = await sandbox.documents(order_no)
    assert answer.startswith("HTTP/1.1 200 ")
    assert f"<DocumentNo>{document['document_no']}</DocumentNo>" in answer
    assert document["kind"] == "amended"
    assert document["reference"] == reference
    assert document["payload"]["lines"] == [
        {"line_no": 1, "sku": "MUG", "quantity": 2, "ordered": 24, "uom": "EA"},
    ]


async def test_the_same_reference_twice_makes_two_documents(sandbox: Any, reference: str) -> None:
    order_no = await sandbox.order()
    first = await sandbox.amend(order_no, reference)
    second = await sandbox.amend(order_no, reference)
    found = await sandbox.soap("FindDocuments", f"<Reference>{reference}</Reference>")

    assert first.text("DocumentNo") != second.text("DocumentNo")
    assert found.texts("DocumentNo") == [first.text("DocumentNo"), second.text("DocumentNo")]


async def test_a_reference_never_sent_finds_no_documents(sandbox: Any, reference: str) -> None:
    found = await sandbox.soap("FindDocuments", f"<Reference>{reference}</Reference>")
    assert (found.text("ResultCode"), found.texts("DocumentNo")) == ("0", [])


@pytest.mark.parametrize(
    ("fields", "element"),
    [
        ({"quantity": "two"}, "Quantity"),
        ({"quantity": "-1"}, "Quantity"),
        ({"extra": "<Surprise/>"}, "Surprise"),
        ({"line_no": 0}, "LineNo"),
    ],
)
async def test_a_request_that_breaks_the_schema_is_a_fault_naming_the_element(
    sandbox: Any, reference: str, fields: dict[str, Any], element: str
) -> None:
    order_no = await sandbox.order()
    answer = await sandbox.soap("ReportAmendment", sandbox.message(order_no, reference, **fields))
    assert answer.fault == (500, "soap:Client")
    assert f"Element '{element}'" in answer.text("faultstring")
    assert await sandbox.documents(order_no) == []


async def test_a_time_without_an_offset_is_refused(sandbox: Any, reference: str) -> None:
    order_no = await sandbox.order()
    answer = await sandbox.soap("ReportAmendment", sandbox.message(order_no, reference).replace("+01:00", ""))
    assert answer.fault == (500, "soap:Client")
    assert "OccurredAt" in answer.text("faultstring")


@pytest.mark.parametrize(
    "raw",
    [
        b"not xml",
        b"<html/>",
        (
            b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><s:Envelope xmlns:s='
            b'"http://schemas.xmlsoap.org/soap/envelope/"><s:Body><a>&e;</a></s:Body></s:Envelope>'
        ),
        b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>',
    ],
)
async def test_what_is_no_soap_message_is_a_client_fault(sandbox: Any, raw: bytes) -> None:
    response = await sandbox.erp.post("/soap/orders", content=raw)
    assert response.status_code == 500
    assert "<faultcode>soap:Client</faultcode>" in response.text
    assert "root:" not in response.text


async def test_an_operation_that_the_wsdl_does_not_have_is_a_client_fault(sandbox: Any) -> None:
    answer = await sandbox.soap("DeleteEverything", "")
    assert answer.fault == (500, "soap:Client")


async def test_a_wrong_password_is_an_authentication_fault_and_books_nothing(sandbox: Any, reference: str) -> None:
    order_no = await sandbox.order()
    answer = await sandbox.soap("ReportAmendment", sandbox.message(order_no, reference), password="guess")
    assert answer.fault == (500, "soap:Client.Authentication")
    assert await sandbox.documents(order_no) == []


async def test_an_unknown_order_is_a_result_code_in_a_good_answer_with_an_empty_text(
    sandbox: Any, reference: str
) -> None:
    answer = await sandbox.amend("SO-NOBODY", reference)
    assert answer.http.status_code == 200
    assert (answer.text("ResultCode"), answer.text("ResultText")) == ("40", "")


async def test_an_unknown_line_is_a_business_fault_under_http_500(sandbox: Any, reference: str) -> None:
    order_no = await sandbox.order(lines=2)
    answer = await sandbox.soap("ReportAmendment", sandbox.message(order_no, reference, line_no=3))
    assert answer.fault == (500, "soap:Client.Business")
    assert answer.text("Code") == "UNKNOWN_LINE"


async def test_a_line_that_came_along_with_a_known_one_is_booked(sandbox: Any, reference: str) -> None:
    order_no = await sandbox.order(lines=2)

    def linked_to(main: int) -> str:
        whose = f"</Uom><MainLineNo>{main}</MainLineNo>"
        return str(sandbox.message(order_no, reference, line_no=1_000_002)).replace("</Uom>", whose)

    answer = await sandbox.soap("ReportAmendment", linked_to(2))
    (document,) = await sandbox.documents(order_no)
    strange = await sandbox.soap("ReportAmendment", linked_to(3))
    assert answer.text("ResultCode") == "0"
    assert [(x["line_no"], x["main_line_no"]) for x in document["payload"]["lines"]] == [(1_000_002, 2)]
    assert strange.text("Code") == "UNKNOWN_LINE"


async def test_a_closed_posting_period_is_a_business_fault_under_http_200(sandbox: Any, reference: str) -> None:
    order_no = await sandbox.order()
    answer = await sandbox.soap("ReportAmendment", sandbox.message(order_no, reference).replace("2026-", "1999-"))
    assert answer.fault == (200, "soap:Client.Business")
    assert answer.text("Code") == "PERIOD_CLOSED"


async def test_a_shipment_document_moves_the_erps_own_stock(sandbox: Any, reference: str) -> None:
    item = {"sku": "MUG", "base_uom": "EA", "packagings": [{"uom": "CASE", "factor": 12}], "on_hand": 100}
    await sandbox.erp.post("/admin/items", json=[item])
    order_no = await sandbox.order()
    parcels = (
        "<ShipmentNo>S-1</ShipmentNo><Carrier>sandbox</Carrier><Parcels><Parcel><ParcelNo>1</ParcelNo>"
        "<TrackingNumber>SBX1</TrackingNumber></Parcel></Parcels>"
    )
    shipped = await sandbox.soap("ReportShipment", sandbox.message(order_no, reference, extra=parcels))
    stock = await sandbox.soap("GetStock", "<Sku>MUG</Sku>")

    (document,) = await sandbox.documents(order_no)
    assert shipped.text("ResultCode") == "0"
    assert document["payload"]["parcels"] == [{"parcel_no": 1, "tracking_number": "SBX1"}]
    assert stock.text("OnHand") == "98"
    assert {"sku": "MUG", "on_hand": 98, "uom": "EA"} in (await sandbox.erp.get("/admin/stock")).json()


async def test_the_wsdl_is_served_with_its_address_and_zeep_speaks_it(sandbox: Any, reference: str) -> None:
    order_no = await sandbox.order()
    url = f"{sandbox.erp.base_url}/soap/orders"
    credentials = {"User": sandbox.settings.erp_user, "Password": sandbox.settings.erp_password}
    serials = {"SerialNumber": ["S1", "S2"]}
    line = {"LineNo": 1, "Sku": "MUG", "Quantity": 2, "Ordered": 2, "Uom": "EA", "SerialNumbers": serials}

    def speak() -> tuple[Any, str, str]:
        with zeep.Client(f"{url}?wsdl") as client:
            booked = client.service.AcknowledgeOrder(
                credentials, reference, order_no, 1, True, None, "2026-11-20T14:03:00+01:00", {"Line": [line]}
            )
            with pytest.raises(zeep.exceptions.Fault) as fault:
                client.service.GetStock({**credentials, "Password": "guess"})
            return (
                booked,
                str(client.service._binding_options["address"]),
                str(fault.value.code),
            )  # no other way to see it

    booked, address, fault_code = await asyncio.to_thread(speak)
    (document,) = await sandbox.documents(order_no)
    assert address == url
    assert (booked.ResultCode, booked.DocumentNo) == ("0", document["document_no"])
    assert (document["kind"], document["payload"]["accepted"]) == ("accepted", True)
    assert document["payload"]["lines"][0]["serial_numbers"] == ["S1", "S2"]
    assert fault_code.endswith("Client.Authentication")


async def test_an_item_is_told_as_it_was_loaded(sandbox: Any) -> None:
    item = {"sku": "CUP", "description": "A cup", "base_uom": "EA", "tracking": "lot", "weight_g": 90}
    await sandbox.erp.post("/admin/items", json=[{**item, "packagings": [{"uom": "CASE", "factor": 6}]}])
    told = await sandbox.soap("GetItem", "<Sku>CUP</Sku>")
    unknown = await sandbox.soap("GetItem", "<Sku>NOPE</Sku>")
    assert [told.text(name) for name in ("Sku", "Tracking", "WeightGrams", "Factor")] == ["CUP", "lot", "90", "6"]
    assert (unknown.text("ResultCode"), unknown.text("ResultText")) == ("44", "UNKNOWN_ITEM")
