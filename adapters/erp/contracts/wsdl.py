"""A WSDL's operations: calls as envelopes, and envelopes as trees. No network, ever.

zeep knows what a WSDL and its schemas mean. It isn't asked to read or write messages: of encoded ones it loses rows,
and what it makes of a number isn't what was sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from threading import Lock
from typing import Any, Final

from lxml import etree
from zeep import Settings, xsd
from zeep.exceptions import Error as ZeepError
from zeep.wsdl import Document
from zeep.wsdl.bindings.soap import Soap11Binding
from zeep.wsdl.messages import RpcMessage

from adapters.erp.contracts.bundle import SOAP_ENCODING, Bundle, UnusableContract, location
from adapters.erp.contracts.declared import IN_HEADER, Declarations, Declared, Struct
from adapters.erp.contracts.describe import Lazily, Shape, Tree, shape_of
from adapters.erp.contracts.envelopes import BODY, ENVELOPE, HEADER, SOAP, Envelope, opened
from adapters.erp.contracts.parsing import local
from adapters.erp.contracts.reading import XSI, Reader
from adapters.erp.contracts.schema_set import compiled
from adapters.erp.contracts.writing import ContractBroken, Writer
from adapters.erp.language.values import Value
from adapters.wire import Unreadable

_WSDL: Final = "{http://schemas.xmlsoap.org/wsdl/}"
_IN_WSDL: Final = "{http://schemas.xmlsoap.org/wsdl/soap/}"
_ENCODING_STYLE: Final = f"{{{SOAP}}}encodingStyle"
_COUNTED: Final = re.compile(r"\[(\d+)\]")
_XSD: Final = "http://www.w3.org/2001/XMLSchema"

# Our bundle is the only one who is asked for a document, and has no other than its own.
_SETTINGS: Final = Settings(
    strict=True, forbid_dtd=True, forbid_entities=True, forbid_external=False, xml_huge_tree=False
)


def soap_contract(bundle: Bundle, wsdl_name: str, binding: str | None = None) -> SoapContract:
    """Return a contract, loaded on first use and once, whoever comes first. It is known by the bundle's digest."""
    return _kept(bundle, wsdl_name, binding).contract


class SoapContract:
    """One SOAP 1.1 binding of a WSDL: the one that has this name, else the first. Loading takes a moment.

    Threads may share it. `NotBundled` where it refers to what the bundle doesn't have, `UnusableContract` where it
    can't be loaded.
    """

    def __init__(self, bundle: Bundle, wsdl_name: str, binding: str | None = None) -> None:
        document = _document(bundle, wsdl_name)
        self._binding = _chosen(document, wsdl_name, binding)
        self._uses = _uses(bundle, wsdl_name, self._binding.name.localname)
        self._types = document.types
        self._literal = Declarations(document.types, encoded=False)
        self._encoded = Declarations(document.types, encoded=True)
        self._known: dict[str, _Operation] = {}
        self._lock = Lock()
        literal = any(not isinstance(operation.input, RpcMessage) for operation in self._binding.all().values())
        self._schema = compiled(bundle, wsdl_name) if literal else None

    def operations(self) -> tuple[str, ...]:
        """Return the names of all operations."""
        return tuple(self._binding.all())

    def sent(self, operation: str) -> Shape:
        """Return what a call sends: parameters, or what is in its element; in `_header`, SOAP's header."""
        called = self._operation(operation)
        request = Tree({}) if called.request is None else shape_of(called.request)
        if called.header is None or not isinstance(request, Tree):
            return request
        makers = {name: partial(request.fields.__getitem__, name) for name in request.fields}
        return Tree(Lazily({**makers, IN_HEADER: partial(shape_of, called.header)}), request.open)

    def answered(self, operation: str) -> Shape:
        """Return what is answered: the parts, or what is in the answer's element."""
        called = self._operation(operation)
        return Tree({}) if called.answer is None else shape_of(called.answer)

    def write(self, operation: str, send: Value) -> Envelope:
        """Make the envelope of a call. `ContractBroken` where the tree doesn't fit the contract to the letter.

        What is in its field `_header` goes into SOAP's header.
        """
        called = self._operation(operation)
        envelope = etree.Element(ENVELOPE, nsmap=self._prefixes if called.encoded else {"soap-env": SOAP, "xsi": XSI})
        said = send if isinstance(send, Mapping) else {}
        if said.get(IN_HEADER) is not None:
            self._fill_header(called, etree.SubElement(envelope, HEADER), said[IN_HEADER])
            send = {name: value for name, value in said.items() if name != IN_HEADER}
        self._fill_body(called, etree.SubElement(envelope, BODY), {} if send is None else send)
        content = etree.tostring(envelope, xml_declaration=True, encoding="utf-8")
        return Envelope(content, {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{called.action}"'})

    def read(self, operation: str, content: bytes | bytearray, charset: str | None = None) -> Value:
        """Read an answer: fields by name, each a text, a list, a tree, or None where it says `nil`.

        `charset` is the HTTP header's. `SoapFault` for a fault, whatever the HTTP status it came with. `Unreadable` for
        what isn't an envelope, isn't the answer to this operation, breaks its schema, or announces more than it holds.
        """
        called = self._operation(operation)
        message = opened(content, charset, encoded=called.encoded)
        if message.element is None and called.answer is None:
            return {}
        if message.element is None or called.answer is None or not called.is_answer(message.element):
            raise Unreadable(f"it is not the answer to {operation}")
        self._check_answer(called, message.element)
        reader = Reader(encoded=called.encoded, elsewhere=message.elsewhere)
        return reader.read(message.element, called.answer)

    def _fill_header(self, called: _Operation, header: etree._Element, said: Value) -> None:
        if called.header is None:
            raise ContractBroken(called.name, IN_HEADER, "the contract has no header")
        Writer(called.name, IN_HEADER).write_into(header, called.header, said)
        for part in header:
            self._check_call(called, part, IN_HEADER)

    def _fill_body(self, called: _Operation, body: etree._Element, send: Value) -> None:
        if called.request is None or called.request_tag is None:
            if send != {}:
                raise ContractBroken(called.name, "", "nothing is sent with it")
            return
        element = etree.SubElement(body, called.request_tag)
        writer = Writer(called.name, encoded=called.encoded)
        if called.encoded:
            element.set(_ENCODING_STYLE, SOAP_ENCODING)
        if called.rpc and isinstance(called.request, Struct):
            writer.write_parameters(element, called.request, send)
        else:
            writer.write_into(element, called.request, send)
            self._check_call(called, element)

    def _check_call(self, called: _Operation, element: etree._Element, *around: str) -> None:
        error = self._error_in(element)
        if error is not None:
            path = [*around, *([local(element.tag)] if around else []), *_steps(error.path)]
            raise ContractBroken(called.name, ".".join(path), error.message)

    def _check_answer(self, called: _Operation, element: etree._Element) -> None:
        error = None if called.rpc else self._error_in(element)
        if error is not None:
            raise Unreadable(f"the answer to {called.name} breaks the contract", error.message)

    def _error_in(self, element: etree._Element) -> Any | None:
        """Return what a message's schema has against it. Encoded messages have no schema that they could keep to."""
        if self._schema is None:
            return None
        with self._lock:  # it keeps the errors of the last one
            return None if self._schema.validate(element) else self._schema.error_log.last_error

    def _operation(self, name: str) -> _Operation:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._described(name)
        return known

    def _described(self, name: str) -> _Operation:
        found = self._binding.all().get(name)
        if found is None:
            raise ContractBroken(name, "", f"no such operation; there are: {', '.join(self.operations())}")
        rpc = isinstance(found.input, RpcMessage)
        encoded = rpc and self._uses.get(name) == "encoded"
        declarations = self._encoded if encoded else self._literal
        request, answer = (_body(message, declarations, name) for message in (found.input, found.output))
        header = declarations.of(found.input.header.type) if found.input.header.type._element else None  # noqa: SLF001
        return _Operation(name, found.soapaction or "", rpc, encoded, header, *request, *answer)

    @cached_property
    def _prefixes(self) -> dict[str, str]:
        """Return prefixes for whatever type a message may name."""
        own = {"soap-env": SOAP, "xsi": XSI, "xsd": _XSD, "soap-enc": SOAP_ENCODING}
        others = [namespace for namespace in self._types.namespaces if namespace not in {None, *own.values()}]
        return own | {f"ns{number}": namespace for number, namespace in enumerate(others)}


@dataclass(frozen=True)
class _Operation:
    """What is sent and answered: a header, the elements in the two bodies, and what they hold."""

    name: str
    action: str
    rpc: bool
    encoded: bool
    header: Declared | None
    request_tag: str | None
    request: Declared | None
    answer_tag: str | None
    answer: Declared | None

    def is_answer(self, element: etree._Element) -> bool:
        """Say whether an element is the answer. In rpc its name is only a custom: the operation's and `Response`."""
        if self.rpc:
            return local(element.tag) in {local(self.answer_tag or ""), f"{self.name}Response"}
        return bool(element.tag == self.answer_tag)


def _body(message: Any, declarations: Declarations, operation: str) -> tuple[str | None, Declared | None]:
    body: xsd.Element | None = getattr(message, "body", None)
    if body is None:
        return None, None
    if str(body.qname) == BODY:
        raise UnusableContract(f"{operation}: a body of several elements")
    return str(body.qname), declarations.of(body.type)


class _Bundled:
    """What zeep asks for documents."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    def load(self, url: str) -> bytes:
        """Return a document."""
        return self._bundle.load(url)


def _document(bundle: Bundle, wsdl_name: str) -> Document:
    bundle.load_xml(location(wsdl_name))
    try:
        return Document(location(wsdl_name), _Bundled(bundle), settings=_SETTINGS)  # type: ignore[arg-type]  # zeep uses `load` only
    except (ZeepError, ValueError, LookupError, AttributeError, AssertionError, TypeError, RecursionError) as error:
        raise UnusableContract(f"{wsdl_name}: {type(error).__name__}: {error}") from error


def _chosen(document: Document, wsdl_name: str, name: str | None) -> Any:
    bindings = [binding for binding in document.bindings.values() if isinstance(binding, Soap11Binding)]
    for binding in bindings:
        if name in {None, binding.name.localname}:
            return binding
    known = ", ".join(binding.name.localname for binding in bindings) or "none"
    raise UnusableContract(f"{wsdl_name}: no SOAP 1.1 binding{f' {name}' if name else ''}; there are: {known}")


def _uses(bundle: Bundle, wsdl_name: str, binding: str) -> dict[str, str]:
    """Return how each operation's body is written, `literal` or `encoded`: zeep reads both alike."""
    queue, seen, found = [location(wsdl_name)], set[str](), dict[str, str]()
    while queue:
        at = queue.pop()
        if at in seen:
            continue
        seen.add(at)
        root = bundle.load_xml(at)
        queue += [location(other.get("location"), at) for other in root.iter(f"{_WSDL}import") if other.get("location")]
        for operation in root.iterfind(f"{_WSDL}binding[@name='{binding}']/{_WSDL}operation"):
            body = operation.find(f"{_WSDL}input/{_IN_WSDL}body")
            found[operation.get("name", "")] = "literal" if body is None else body.get("use", "literal")
    return found


def _steps(xpath: str | None) -> list[str]:
    """Say where an element is as we do, `order`, `lines[0]`, for libxml2's `/ns0:call/ns0:order/ns0:lines[1]`."""
    steps = (xpath or "").split("/")[2:]
    return [_COUNTED.sub(lambda n: f"[{int(n[1]) - 1}]", step.rpartition(":")[2]) for step in steps]


class _Kept:
    """A contract that is loaded when it is first asked for: others needn't wait for it."""

    def __init__(self, bundle: Bundle, wsdl_name: str, binding: str | None) -> None:
        self._made_of = (bundle, wsdl_name, binding)
        self._lock = Lock()
        self._contract: SoapContract | None = None

    @property
    def contract(self) -> SoapContract:
        """Return the contract."""
        with self._lock:
            if self._contract is None:
                self._contract = SoapContract(*self._made_of)
            return self._contract


@lru_cache(maxsize=64)
def _kept(bundle: Bundle, wsdl_name: str, binding: str | None) -> _Kept:
    return _Kept(bundle, wsdl_name, binding)
