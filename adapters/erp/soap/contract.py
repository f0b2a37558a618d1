"""What zeep makes of a WSDL: our calls as envelopes, and envelopes as plain values. No network, ever."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final
from urllib.parse import urlsplit

from lxml import etree
from zeep import Settings
from zeep.exceptions import Error as ZeepError
from zeep.exceptions import ExternalReferenceForbidden, ValidationError
from zeep.helpers import serialize_object
from zeep.loader import parse_xml
from zeep.wsdl import Document

from adapters.wire import Unreadable, check_parts

_ENVELOPE = "{http://schemas.xmlsoap.org/soap/envelope/}Envelope"
_BODY = "{http://schemas.xmlsoap.org/soap/envelope/}Body"
_FAULT = "{http://schemas.xmlsoap.org/soap/envelope/}Fault"
_ELEMENT = "{http://www.w3.org/2001/XMLSchema}element"
_SCHEMA = "{http://www.w3.org/2001/XMLSchema}schema"

# No DTD and no entities: what expands is refused before it does. The parser's own limits on depth and size stay on.
_SETTINGS = Settings(strict=True, forbid_dtd=True, forbid_entities=True, forbid_external=True, xml_huge_tree=False)


_MARKS: Final = (b"<", b"=")
_MOST_MARKS: Final = 150_000
"""What elements and attributes begin with. Ten thousand serial numbers need a third of it."""

_READ_ALOUD: Final = frozenset(
    {b"utf-8", b"utf-16", b"us-ascii", b"ascii", b"iso-8859-1", b"iso-8859-15", b"windows-1252"}
)
_DECLARED: Final = re.compile(rb"""\s*<\?xml[^>]*?\sencoding\s*=\s*["']([^"'>]*)""")
_BEGINNINGS: Final = (b"<", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x00<")
"""Encodings in which a mark is a byte of its own: what else there is could hide marks."""

_NAMED: Final = re.compile(r"Element '(?:\{[^}]*\})?(\w+)'")


class ContractBroken(Exception):  # noqa: N818 - it says what our message is
    """Our message isn't what the contract allows, so it must not be sent.

    `element` is where, if that is known. `why` may quote what is there, and so a person's name.
    """

    def __init__(self, operation: str, why: str) -> None:
        super().__init__(f"{operation}: {why}")
        self.why = why
        named = _NAMED.match(why)
        self.element = named[1] if named else None


class SoapFault(Exception):  # noqa: N818 - SOAP's own word
    """The service answered with a fault. `code` comes without its prefix; `detail` is the element, or None."""

    def __init__(self, code: str, text: str, detail: etree._Element | None) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.detail = detail


class NotBundled(Exception):  # noqa: N818 - it says what is missing
    """A contract refers to a document that isn't among our files. It is not fetched."""


@dataclass(frozen=True)
class Envelope:
    """A call as it goes over the wire."""

    content: bytes
    headers: Mapping[str, str]


class SoapContract:
    """One WSDL of a document/literal service with one binding. Loading takes a moment: load it once.

    Threads may share it. zeep doesn't say that its types may be used by several at once, so one at a time does; there
    is no waiting inside.
    """

    def __init__(self, wsdl: Path, *, not_everywhere: Collection[str] = ()) -> None:
        """Load it. What is `not_everywhere` is left out of our calls where this contract has no such element."""
        self._binding: Any
        (self._binding,) = load_offline(wsdl).bindings.values()
        schema = _the_schema(wsdl)
        self._left_out = frozenset(not_everywhere) - {element.get("name") for element in schema.iter(_ELEMENT)}
        self._schema = etree.XMLSchema(schema)
        self._lock = Lock()

    def write(self, operation: str, fields: Mapping[str, Any]) -> Envelope:
        """Make the envelope of a call. `ContractBroken` where the fields don't fit the contract to the letter.

        zeep alone would let pass what breaks a facet: a text that is too long, a time without an offset.
        """
        with self._lock:
            try:
                message = self._binding.get(operation).create(**_without(self._left_out, fields))
            except (ValidationError, ValueError) as error:  # a ValueError is lxml's, of characters that XML can't carry
                raise ContractBroken(operation, str(error)) from error
            if not self._schema.validate(message.content.find(_BODY)[0]):
                raise ContractBroken(operation, self._fault())
        content = etree.tostring(message.content, xml_declaration=True, encoding="utf-8")
        return Envelope(content, {"Content-Type": "text/xml; charset=utf-8", **message.headers})

    def read(self, operation: str, content: bytes | bytearray) -> dict[str, Any]:
        """Read an answer as plain values by element name.

        `SoapFault` for a fault, whatever the HTTP status it came with. `Unreadable` for what isn't an envelope, isn't
        the answer to this operation, or holds something that zeep did not hand over.
        """
        _check_size(content)
        answer = _inside(_parsed(content))
        if answer.tag == _FAULT:
            raise _fault(answer)
        with self._lock:
            return self._values(operation, answer)

    def _values(self, operation: str, answer: etree._Element) -> dict[str, Any]:
        output = self._binding.get(operation).output
        if answer.tag != output.body.qname:
            raise Unreadable(f"it is not the answer to {operation}")
        if not self._schema.validate(answer):
            raise Unreadable(f"the answer to {operation} breaks the contract", self._fault())
        try:
            values = serialize_object(output.body.parse(answer, output.wsdl.types), dict)  # type: ignore[no-untyped-call]
        except (ZeepError, ValueError) as error:
            raise Unreadable(f"the answer to {operation} could not be read", str(error)) from error
        if not isinstance(values, dict) or _count_values(values) != _count_texts(answer):
            raise Unreadable(f"the answer to {operation} holds more than could be read")
        return values

    def _fault(self) -> str:
        return str(self._schema.error_log.last_error.message)


def _without(names: Collection[str], value: Any) -> Any:
    """Return a value without elements of these names, wherever in it they are."""
    if isinstance(value, Mapping):
        return {name: _without(names, inside) for name, inside in value.items() if name not in names}
    return [_without(names, item) for item in value] if isinstance(value, list) else value


def load_offline(wsdl: Path) -> Document:
    """Load a WSDL and what it imports from the files beside it. `NotBundled` where it refers to anything else."""
    try:
        return Document(str(wsdl), _Bundle(), settings=_SETTINGS)  # type: ignore[arg-type]  # zeep uses `load` only
    except ExternalReferenceForbidden as error:
        raise NotBundled(error.url) from error


class _Bundle:
    """What zeep asks for documents: only our own files."""

    def load(self, url: str) -> bytes:
        if urlsplit(url).scheme or not Path(url).is_file():
            raise NotBundled(url)
        return Path(url).read_bytes()


def _the_schema(wsdl: Path) -> etree._Element:
    (schema,) = _parsed(wsdl.read_bytes()).iter(_SCHEMA)
    return schema


def _check_size(content: bytes | bytearray) -> None:
    """Refuse what a parser would make too much of: an empty element is four bytes, and forty times that in memory."""
    declared = _DECLARED.match(bytes(content[:200]).removeprefix(b"\xef\xbb\xbf"))
    known = declared is None or declared[1].lower() in _READ_ALOUD
    if not (known and content.lstrip().startswith(_BEGINNINGS)):
        raise Unreadable("not XML that we accept: it is in an encoding that we don't read")
    check_parts(content, _MARKS, _MOST_MARKS)


def _parsed(content: bytes | bytearray) -> etree._Element:
    try:
        return parse_xml(content, _Bundle(), settings=_SETTINGS)  # type: ignore[arg-type]  # lxml wants the raw bytes
    except (ZeepError, ValueError) as error:  # whose words quote the answer's
        raise Unreadable(f"not XML that we accept: {type(error).__name__}") from error


def _inside(envelope: etree._Element) -> etree._Element:
    """Return the one element in the envelope's body."""
    body = envelope.find(_BODY) if envelope.tag == _ENVELOPE else None
    if body is None or len(body) != 1:
        raise Unreadable("not a SOAP envelope with one element in its body")
    return body[0]


def _fault(fault: etree._Element) -> SoapFault:
    """Read a fault. Some servers put its parts into a namespace, though SOAP 1.1 doesn't: take them by local name."""
    parts = {etree.QName(part).localname: part for part in fault.iterchildren(etree.Element)}
    texts = {name: (part.text or "").strip() for name, part in parts.items()}
    code = texts.get("faultcode", "").rpartition(":")[2]
    return SoapFault(code, texts.get("faultstring", ""), parts.get("detail"))


def _count_texts(element: etree._Element) -> int:
    return sum(1 for leaf in element.iter(etree.Element) if len(leaf) == 0 and (leaf.text or "").strip())


def _count_values(value: Any) -> int:
    """Count what is said. With `_count_texts` it notices when zeep loses elements without a word, as it can."""
    if isinstance(value, dict):
        return sum(_count_values(item) for item in value.values())
    if isinstance(value, list):
        return sum(_count_values(item) for item in value)
    return 0 if value is None or not str(value).strip() else 1
