"""The legacy ERP's messages, codes and faults <-> the domain's words. Pure: no I/O, no clock.

Every operation but the questions makes one document: see the operations in contract.wsdl.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from lxml import etree

from adapters.erp.soap.contract import ContractBroken, SoapFault
from adapters.wire import Answer, Unreadable
from domain.characters import for_xml
from domain.erp import ErpDocument, ErpLine, ErpMessage, ErpMessageKind, ErpReceipt
from domain.errors import Rejected, StockbridgeError, Unavailable

FIND = "FindDocuments"

OPERATIONS: Mapping[ErpMessageKind, str] = {
    "accepted": "AcknowledgeOrder",
    "refused": "AcknowledgeOrder",
    "reserved": "ReportReservation",
    "backordered": "ReportReservation",
    "amended": "ReportAmendment",
    "shipped": "ReportShipment",
    "delivered": "ReportDelivery",
    "cancelled": "ReportCancellation",
    "returned": "ReportReturn",
}
"""What we tell -> the operation that tells it."""

CODES: Mapping[str, tuple[str, str]] = {
    "40": ("erp_unknown_order", "The ERP doesn't know the order: have it made there."),
    "44": ("erp_unknown_item", "The ERP doesn't know the item: have it made there."),
    "Client": ("erp_contract", "The ERP says that our message breaks its contract."),
    "PERIOD_CLOSED": ("erp_period_closed", "The ERP's posting period for this time isn't open: have it opened."),
    "UNKNOWN_LINE": ("erp_unknown_line", "The ERP's order has no such line."),
}
"""The ERP's code in a result or a fault -> ours, with our words for what is wrong and what helps. Others: `REFUSED`."""

REFUSED = ("erp_refused", "The ERP refused, with a code that isn't known here: read what it said.")

NOT_EVERYWHERE = frozenset({"LineQuantity", "LineUom"})
"""Elements that an older contract of this ERP does not have: they are left out there."""

NOTHING_DONE: Mapping[str, str] = {
    "Server.Busy": "The ERP is busy and did nothing.",
    "Client.Authentication": "The ERP refuses our user or password, which an operator must set right.",
}
"""Fault codes after which the same may be sent again, with our words for them."""

OUR_FAULT = frozenset({"Client", "VersionMismatch", "MustUnderstand"})
"""What the codes of faults begin with that SOAP 1.1 lays on the sender: nothing was done, and a repeat won't help."""

_DONE = "0"
_LONGEST_TEXT = 2000
_LONGEST_KEY = 64


def message_fields(message: ErpMessage) -> dict[str, Any]:
    """Return the fields of the operation that tells this message, but for the credentials.

    Whatever a text holds, it is told: what XML can't carry is marked. So no message stops those behind it.
    """
    fields = {
        "Reference": message.reference,
        "OrderNo": message.order_no,
        "Revision": message.revision,
        "OccurredAt": _instant(message.occurred_at),
        "Lines": {"Line": [_line(line) for line in message.lines]},
        **_DETAILS[OPERATIONS[message.kind]](message),
    }
    return {name: _in_xml(value) for name, value in fields.items()}


def _in_xml(told: Any) -> Any:
    """Mark what XML can't carry, wherever in a value it is."""
    if isinstance(told, str):
        return for_xml(told)
    if isinstance(told, dict):
        return {name: _in_xml(value) for name, value in told.items()}
    return [_in_xml(each) for each in told] if isinstance(told, list) else told


def receipt(result: Mapping[str, Any], reference: str) -> ErpReceipt:
    """Read the answer to a message. `Rejected` for a result code other than 0."""
    _check_result(result)
    return ErpReceipt(reference, _document_no(result))


def oldest_receipt(result: Mapping[str, Any], reference: str) -> ErpReceipt | None:
    """Read the answer to `FindDocuments`: the oldest document under our reference, or None.

    There may be several, for the ERP makes another whenever it is told twice; and a document under another reference
    isn't ours, whatever the ERP was asked for.
    """
    _check_result(result)
    documents = (result.get("Documents") or {}).get("Document") or []
    ours = [document for document in documents if document["Reference"] == reference]
    if not ours:
        return None
    oldest = min(ours, key=lambda document: document["CreatedAt"])
    return ErpReceipt(reference, _document_no(oldest), _document(oldest))


def _document(told: Mapping[str, Any]) -> ErpDocument:
    """Read what is in a document. What an older contract does not tell is None."""
    lines = (told.get("Lines") or {}).get("Line")
    return ErpDocument(
        kind=told["Kind"],
        made_at=_made_at(told["CreatedAt"]),
        revision=told.get("Revision"),
        shipment_no=told.get("ShipmentNo"),
        lines=None if lines is None else tuple(map(_told_line, lines)),
    )


def _made_at(told: datetime | str) -> datetime:
    return told if isinstance(told, datetime) else datetime.fromisoformat(told)


def _told_line(line: Mapping[str, Any]) -> ErpLine:
    return ErpLine(
        line_no=int(line["LineNo"]),
        sku=line["Sku"],
        quantity=int(line["Quantity"]),
        ordered=int(line["Ordered"]),
        uom=line["Uom"],
        lot=line.get("Lot"),
        serial_numbers=tuple((line.get("SerialNumbers") or {}).get("SerialNumber") or ()),
    )


def refusal(fault: SoapFault) -> StockbridgeError | Unreadable:
    """Say what a fault means, by what is in it: the HTTP status it came with says nothing."""
    business = _business_fault(fault.detail)
    if business is not None:
        return _rejected(*business)
    if fault.code in NOTHING_DONE:
        return Unavailable(NOTHING_DONE[fault.code], said=str(fault))
    if fault.code.split(".")[0] in OUR_FAULT:
        return _rejected(fault.code, fault.text)
    return Unreadable("a fault that doesn't say whether anything was done", str(fault))


def broken(error: ContractBroken) -> Rejected:
    """Say that a message can't be told to this ERP at all."""
    where = f" ({error.element})" if error.element else ""
    return Rejected("erp_contract", f"The ERP's contract has no room for this message{where}.", said=str(error))


def not_soap(answer: Answer, error: Unreadable) -> Unavailable | Unreadable:
    """Say what an answer without a readable envelope means."""
    said = error.said or answer.excerpt
    if answer.turned_down:
        status = f"HTTP {answer.status}{answer.retry_after}"
        return Unavailable(f"The ERP's address answered {status}, and no SOAP", said=said)
    return Unreadable(f"HTTP {answer.status}, {error}", said)


def _line(line: ErpLine) -> dict[str, Any]:
    return {
        "LineNo": line.line_no,
        "Sku": line.sku,
        "Quantity": line.quantity,
        "Ordered": line.ordered,
        "Uom": line.uom,
        "Lot": line.lot,
        "SerialNumbers": {"SerialNumber": list(line.serial_numbers)} if line.serial_numbers else None,
        "MainLineNo": line.main_line_no,
        "LineQuantity": None if line.line_quantity is None else Decimal(line.line_quantity),
        "LineUom": line.line_uom,
    }


def _acknowledgment(message: ErpMessage) -> dict[str, Any]:
    return {
        "Accepted": message.kind == "accepted",
        "Reason": _text(message.reason),
        "ReplacesOrderNo": message.replaces,
    }


def _reservation(message: ErpMessage) -> dict[str, Any]:
    return {"Kind": message.kind}


def _shipment(message: ErpMessage) -> dict[str, Any]:
    parcels = [
        {"ParcelNo": parcel.parcel_no, "TrackingNumber": parcel.tracking_number[:_LONGEST_KEY]}
        for parcel in message.parcels
    ]
    return {"ShipmentNo": message.shipment_no, "Carrier": message.carrier, "Parcels": {"Parcel": parcels}}


def _delivery(message: ErpMessage) -> dict[str, Any]:
    return {"ShipmentNo": message.shipment_no, "SignedBy": _text(message.signed_by)}


def _cancellation(message: ErpMessage) -> dict[str, Any]:
    return {"Reason": _text(message.reason)}


def _nothing_more(_: ErpMessage) -> dict[str, Any]:
    return {}


_DETAILS: Mapping[str, Callable[[ErpMessage], dict[str, Any]]] = {
    "AcknowledgeOrder": _acknowledgment,
    "ReportReservation": _reservation,
    "ReportAmendment": _nothing_more,
    "ReportShipment": _shipment,
    "ReportDelivery": _delivery,
    "ReportCancellation": _cancellation,
    "ReportReturn": _nothing_more,
}


def _instant(moment: str) -> str:
    """Write a time as XML Schema wants it: RFC 3339 also knows a small z. What isn't a time is left to the contract."""
    try:
        return datetime.fromisoformat(moment.upper()).isoformat()
    except ValueError:
        return moment


def _text(words: str | None) -> str | None:
    """Fit a person's words into the contract: what is too long is cut."""
    return None if words is None else words[:_LONGEST_TEXT]


def _check_result(result: Mapping[str, Any]) -> None:
    code = (result.get("ResultCode") or "").strip()
    if not code:
        raise Unreadable("no ResultCode")
    if code != _DONE:
        raise _rejected(code, result.get("ResultText") or "")


def _document_no(holder: Mapping[str, Any]) -> str:
    document_no = (holder.get("DocumentNo") or "").strip()
    if not document_no:
        raise Unreadable("no DocumentNo")
    return document_no


def _rejected(code: str, text: str) -> Rejected:
    ours, words = CODES.get(code, REFUSED)
    text = text.strip()
    return Rejected(ours, words, said=text if text and code in CODES else f"{code}: {text}")


def _business_fault(detail: etree._Element | None) -> tuple[str, str] | None:
    """Find code and message of a BusinessFault in a fault's detail."""
    if detail is None:
        return None
    for element in detail.iterchildren("{*}BusinessFault"):
        return (element.findtext("{*}Code") or "").strip(), element.findtext("{*}Message") or ""
    return None
