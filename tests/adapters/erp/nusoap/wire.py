"""rpc/encoded SOAP 1.1 as NuSOAP reads and writes it: by position, and with types that PHP had at hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

NAMESPACE = "http://erp.example.org/ns/"
ENCODING_STYLE = "http://schemas.xmlsoap.org/soap/encoding/"
_ENVELOPE_NS = "http://schemas.xmlsoap.org/soap/envelope/"
_WSDL_NS = "{http://schemas.xmlsoap.org/wsdl/}"
_ARRAY_TYPE = f"{{{ENCODING_STYLE}}}arrayType"
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_WSDL_FILE = Path(__file__).with_name("nusoap.wsdl")

Value = Any
"""What PHP makes of an element: a text, a dict for a struct, a list for an array, None for nil."""


class NotSoapError(Exception):
    """The message is no SOAP envelope with one call in it."""


@dataclass(frozen=True)
class Part:
    """A parameter or a result, as the WSDL has it. `type` has its prefix."""

    name: str
    type: str


@dataclass(frozen=True)
class Dated:
    """A text that goes out as a date, or as a date and time."""

    type: str
    text: str


def wsdl_at(address: str) -> bytes:
    """Give the WSDL, with the address that it was asked for at."""
    document = etree.parse(_WSDL_FILE)
    document.find(".//{http://schemas.xmlsoap.org/wsdl/soap/}address").set("location", address)
    return bytes(etree.tostring(document, xml_declaration=True, encoding="ISO-8859-1"))


@cache
def parts_of(message: str) -> tuple[Part, ...]:
    """Give the parts of a message of the WSDL, in their order: that binds them, not their names."""
    found = etree.parse(_WSDL_FILE).find(f"{_WSDL_NS}message[@name='{message}']")
    return () if found is None else tuple(Part(part.get("name"), part.get("type")) for part in found)


def read_call(raw: bytes) -> tuple[str, list[Value]]:
    """Read a message: the operation's name, and the values of its parameters in the order of their coming."""
    try:
        envelope = etree.fromstring(raw, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError as error:
        raise NotSoapError(f"XML error parsing SOAP payload: {error}") from error
    body = envelope.find(f"{{{_ENVELOPE_NS}}}Body")
    calls = [] if body is None else _children(body)
    if len(calls) != 1:
        raise NotSoapError("The payload holds no call.")
    return etree.QName(calls[0]).localname, [_value(each) for each in _children(calls[0])]


def _children(element: Any) -> list[Any]:
    return [child for child in element if isinstance(child.tag, str)]


def _value(element: Any) -> Value:
    """Read a value by its shape alone, as a PHP array comes about."""
    children = _children(element)
    if element.get(_NIL) in {"true", "1"}:
        return None
    names = [etree.QName(child).localname for child in children]
    if element.get(_ARRAY_TYPE) is not None or len(set(names)) < len(names):
        return [_value(child) for child in children]
    if children:
        return {name: _value(child) for name, child in zip(names, children, strict=True)}
    return element.text or ""


def rows_in(value: Value) -> list[dict[str, Value]]:
    """Give the rows of an array: one row alone looks like a struct whose only member is the row."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return [row for row in value.values() if isinstance(row, dict)]
    return []


def texts_in(value: Value) -> list[str]:
    """Give the texts of an array of texts, likewise."""
    found = value if isinstance(value, list) else value.values() if isinstance(value, dict) else []
    return [text for text in found if isinstance(text, str)]


def answer(operation: str, values: Mapping[str, Value], *, fewer_rows: bool = False) -> str:
    """Write an operation's answer. A part without a value is nil. `fewer_rows` drops one row of each array."""
    parts = parts_of(f"{operation}Response")
    inner = "".join(_part(part, values.get(part.name), fewer_rows=fewer_rows) for part in parts)
    name = f"ns1:{operation}Response"
    return _envelope(f'<{name} xmlns:ns1="{NAMESPACE}">{inner}</{name}>')


def fault(code: str, text: str) -> str:
    """Write a fault, with the empty parts that NuSOAP has in each."""
    parts = (("faultcode", f"SOAP-ENV:{code}"), ("faultactor", ""), ("faultstring", text), ("detail", ""))
    inner = "".join(_text(name, "xsd:string", value) for name, value in parts)
    return _envelope(f"<SOAP-ENV:Fault>{inner}</SOAP-ENV:Fault>")


def _part(part: Part, value: Value, *, fewer_rows: bool) -> str:
    if value is None:
        return f'<{part.name} xsi:nil="true" xsi:type="{part.type}"/>'
    if isinstance(value, dict):
        return _struct(part.name, part.type, value, fewer_rows=fewer_rows)
    return _member(part.name, value, fewer_rows=fewer_rows)


def _struct(name: str, type: str, members: Mapping[str, Value], *, fewer_rows: bool) -> str:
    inner = "".join(_member(each, value, fewer_rows=fewer_rows) for each, value in members.items())
    return f'<{name} xsi:type="{type}">{inner}</{name}>'


def _member(name: str, value: Value, *, fewer_rows: bool) -> str:
    if value is None:
        return f'<{name} xsi:nil="true"/>'
    if isinstance(value, dict):
        return _struct(name, "xsd:", value, fewer_rows=fewer_rows)
    if isinstance(value, list):
        return _array(name, value, fewer_rows=fewer_rows)
    return _text(name, *_scalar(value))


def _scalar(value: Value) -> tuple[str, str]:
    match value:
        case Dated():
            return f"xsd:{value.type}", value.text
        case int():
            return "xsd:int", str(value)
        case float():
            return "xsd:float", f"{value:g}"
    return "xsd:string", str(value)


def _array(name: str, rows: Sequence[Value], *, fewer_rows: bool) -> str:
    """Write an array as NuSOAP does of one that PHP made: its type is empty, its rows are called `item`."""
    sent = rows[:-1] if fewer_rows else rows
    inner = "".join(_member("item", row, fewer_rows=fewer_rows) for row in sent)
    return f'<{name} xsi:type="SOAP-ENC:Array" SOAP-ENC:arrayType=":[{len(rows)}]">{inner}</{name}>'


def _text(name: str, type: str, text: str) -> str:
    return f'<{name} xsi:type="{type}">{escape(text)}</{name}>'


def _envelope(body: str) -> str:
    spaces: Iterable[tuple[str, str]] = (
        ("SOAP-ENV", _ENVELOPE_NS),
        ("xsd", "http://www.w3.org/2001/XMLSchema"),
        ("xsi", "http://www.w3.org/2001/XMLSchema-instance"),
        ("SOAP-ENC", ENCODING_STYLE),
        ("tns", NAMESPACE),
    )
    declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in spaces)
    return (
        f'<SOAP-ENV:Envelope SOAP-ENV:encodingStyle="{ENCODING_STYLE}" {declared}>'
        f"<SOAP-ENV:Body>{body}</SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )
