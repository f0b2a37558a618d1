"""SOAP 1.1's envelope: what is around a message, and the fault that may come in its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lxml import etree

from adapters.erp.contracts.declared import Anything
from adapters.erp.contracts.parsing import local, parsed_answer
from adapters.erp.contracts.reading import Reader, by_id
from adapters.erp.language.values import Value
from adapters.wire import Unreadable

SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
ENVELOPE: Final = f"{{{SOAP}}}Envelope"
HEADER: Final = f"{{{SOAP}}}Header"
BODY: Final = f"{{{SOAP}}}Body"
_FAULT: Final = f"{{{SOAP}}}Fault"


@dataclass(frozen=True)
class Envelope:
    """A call as it goes over the wire."""

    content: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Message:
    """What is in an answer's body; None where nothing is. `elsewhere` are the elements that it may refer to."""

    element: etree._Element | None
    elsewhere: Mapping[str, etree._Element]


class SoapFault(Exception):  # noqa: N818 - SOAP's own word
    """The service answered with a fault. `code` comes without its prefix; `detail` is read as it comes, or None."""

    def __init__(self, code: str, text: str, detail: Value) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.detail = detail


def opened(content: bytes | bytearray, charset: str | None, *, encoded: bool) -> Message:
    """Take a message out of its envelope. `SoapFault` for a fault; `Unreadable` for what isn't an envelope of one.

    Beside an `encoded` message may stand what it refers to.
    """
    envelope = parsed_answer(content, charset)
    body = envelope.find(BODY) if envelope.tag == ENVELOPE else None
    if body is None:
        raise Unreadable("not a SOAP envelope")
    elsewhere = by_id(body) if encoded else {}
    first, *others = list(body) or [None]
    if any(not encoded or other.get("id") is None for other in others):
        raise Unreadable("not a SOAP envelope with one element in its body")
    if first is not None and first.tag == _FAULT:
        raise _fault(first, elsewhere)
    return Message(first, elsewhere)


def _fault(fault: etree._Element, elsewhere: Mapping[str, etree._Element]) -> SoapFault:
    """Read a fault. Some servers put its parts into a namespace, though SOAP 1.1 doesn't: take them by local name."""
    parts = {local(part.tag): part for part in fault.iterchildren(etree.Element)}
    texts = {name: (part.text or "").strip() for name, part in parts.items()}
    detail = parts.get("detail")
    told = None if detail is None else Reader(encoded=bool(elsewhere), elsewhere=elsewhere).read(detail, Anything())
    return SoapFault(texts.get("faultcode", "").rpartition(":")[2], texts.get("faultstring", ""), told)
