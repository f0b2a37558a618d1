"""SOAP 1.1 on the wire: envelopes in, envelopes and faults out. Knows nothing of orders."""

from __future__ import annotations

import re
from typing import Any

from lxml import etree
from lxml.builder import ElementMaker

from sandbox.erp import contract

_ENVELOPE_NS = "http://schemas.xmlsoap.org/soap/envelope/"
_LISTS = frozenset({"Lines", "Parcels", "SerialNumbers"})
_NUMBERS = frozenset({"LineNo", "MainLineNo", "Quantity", "Ordered", "Revision", "ParcelNo"})
_AMOUNTS = frozenset({"LineQuantity"})
_FLAGS = frozenset({"Accepted"})

_envelope = ElementMaker(namespace=_ENVELOPE_NS, nsmap={"soap": _ENVELOPE_NS})
_unqualified = ElementMaker()
E = ElementMaker(namespace=contract.NAMESPACE, nsmap={None: contract.NAMESPACE})
"""Makes elements of the ERP's own namespace, for answers."""


class SoapFaultError(Exception):
    """A request that ends in a SOAP fault. `business` is the code of a `BusinessFault` detail."""

    def __init__(self, code: str, message: str, *, http_status: int = 500, business: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.http_status = http_status
        self.business = business


def read_request(raw: bytes) -> Any:
    """Find the one request element in an envelope."""
    body = _parse(raw).find(f"{{{_ENVELOPE_NS}}}Body")
    if body is None:
        raise SoapFaultError("Client", "Element 'Body': missing, or this is no SOAP 1.1 envelope.")
    requests = [child for child in body if isinstance(child.tag, str)]
    if len(requests) != 1:
        raise SoapFaultError("Client", f"Element 'Body': expected one request, found {len(requests)}.")
    return requests[0]


def _parse(raw: bytes) -> Any:
    """Parse without entities, document types or network: a SOAP message may have none of them."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(raw, parser)
    except etree.XMLSyntaxError as error:
        raise SoapFaultError("Client", f"The message is not well-formed XML: {error}") from error
    if root.getroottree().docinfo.doctype:
        raise SoapFaultError("Client", "A SOAP message must not have a document type.")
    return root


def operation_of(request: Any) -> str:
    """Name the operation that a request element asks for; document/literal names it by its element."""
    return str(etree.QName(request).localname)


def fields_of(element: Any) -> dict[str, Any]:
    """Turn a valid request element into plain values, with names in snake case."""
    return {_snake(etree.QName(child).localname): _value(child) for child in element if isinstance(child.tag, str)}


def _value(element: Any) -> Any:
    name = etree.QName(element).localname
    if name in _LISTS:
        return [_value(child) for child in element if isinstance(child.tag, str)]
    if len(element):
        return fields_of(element)
    text = str(element.text or "")
    if name in _NUMBERS:
        return int(text)
    if name in _AMOUNTS:
        return int(text) if text.isdecimal() else text
    if name in _FLAGS:
        return text.strip() in {"true", "1"}
    return text


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def answer(operation: str, code: str, text: str | None, *results: Any) -> bytes:
    """Write the answer of an operation: its result code, an optional text, and what was asked for."""
    told = [] if text is None else [E("ResultText", text)]
    return _in_envelope(E(f"{operation}Response", E("ResultCode", code), *told, *results))


def fault(error: SoapFaultError) -> bytes:
    """Write a fault. SOAP 1.1 has its parts unqualified, and the code as a qualified name."""
    parts = [_unqualified("faultcode", f"soap:{error.code}"), _unqualified("faultstring", error.message)]
    if error.business is not None:
        detail = E("BusinessFault", E("Code", error.business), E("Message", error.message))
        parts.append(_unqualified("detail", detail))
    return _in_envelope(_envelope("Fault", *parts))


def _in_envelope(content: Any) -> bytes:
    envelope = _envelope("Envelope", _envelope("Body", content))
    return bytes(etree.tostring(envelope, xml_declaration=True, encoding="UTF-8"))
