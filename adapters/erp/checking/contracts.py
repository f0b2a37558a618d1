"""What contracts say of a call: what it takes, and what it answers. What no contract says is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal, Protocol

from adapters.erp.checking.known import ANY, Fields, Known, any_of, list_of, of_kinds, perhaps, tree
from adapters.erp.contracts.bundle import Bundle, NotBundled, UnusableContract
from adapters.erp.contracts.declared import IN_HEADER, TEXT, TYPE, Declared, Leaf, Rows, Struct
from adapters.erp.contracts.describe import ListOf as ListShape
from adapters.erp.contracts.describe import Scalar, Shape
from adapters.erp.contracts.describe import Text as TextShape
from adapters.erp.contracts.openapi import Call as Described
from adapters.erp.contracts.openapi import NoSuchCall, open_api_contract
from adapters.erp.contracts.wsdl import SoapContract, soap_contract
from adapters.erp.language.values import KINDS
from adapters.erp.mapping.calls import Saying
from adapters.erp.mapping.doors import Door, RestDoor, SoapDoor
from adapters.erp.mapping.file import nearest
from adapters.erp.mapping.parts import Text

_ONE_VALUE: Final = of_kinds("text", "number", "boolean", "time", "day")
_IN_A_QUERY: Final = Known(KINDS - {"tree"})
_SOAP_FAULT: Final = perhaps(tree({"code": of_kinds("text"), "text": of_kinds("text"), "detail": perhaps(ANY)}))

_ANSWERED: Final[Mapping[Scalar, Known]] = {
    "text": of_kinds("text"),
    "number": of_kinds("number"),
    "whole": of_kinds("number"),
    "boolean": of_kinds("boolean"),
    "date": of_kinds("text", "day"),
    "time": of_kinds("text", "time"),
    "unknown": ANY,
}
_TAKEN: Final[Mapping[Scalar, Known]] = {
    **_ANSWERED,
    "text": of_kinds("text", "time", "day"),
    "date": of_kinds("text", "time", "day"),
    "time": of_kinds("text", "time", "day"),
}


@dataclass(frozen=True)
class Spoken:
    """One call by its contract. `sent` is None where nothing may be sent; `query` names what a query may have."""

    sent: Known | None = ANY
    answered: Known = ANY
    query: Known = ANY
    operation: str = ""


class Contract(Protocol):
    """What a door keeps to."""

    def spoken(self, saying: Saying, says: Callable[[str, str], None]) -> Spoken:
        """Return what is said of a call. `says` is told a word of the call and what is wrong with it."""
        ...

    def heard(self, answers: list[Known]) -> Known:
        """Return what `body` may be for a table of faults, of the calls with these answers."""
        ...


class _Open:
    """No contract: whatever is said may be right."""

    def spoken(self, saying: Saying, says: Callable[[str, str], None]) -> Spoken:
        del saying, says
        return Spoken()

    def heard(self, answers: list[Known]) -> Known:
        del answers
        return ANY


@dataclass(frozen=True)
class _Soap:
    contract: SoapContract
    known: dict[str, Spoken] = field(default_factory=dict)

    def spoken(self, saying: Saying, says: Callable[[str, str], None]) -> Spoken:
        name = saying.operation or ""
        if name not in self.contract.operations():
            says("operation", f"there is no operation `{name}`" + nearest(name, self.contract.operations()))
            return Spoken()
        if name not in self.known:
            self.known[name] = self._described(name)
        return self.known[name]

    def _described(self, name: str) -> Spoken:
        called = self.contract._operation(name)  # noqa: SLF001 - what is required it tells nobody else
        sent = (
            tree({}) if called.request is None else _of_declared(called.request, _needed_by(called.rpc, called.encoded))
        )
        if called.header is not None and sent.fields is not None:
            fields = {**sent.fields, IN_HEADER: _of_declared(called.header)}
            sent = tree(fields, open=sent.open, required=sent.required)
        return Spoken(sent, _of_soap(self.contract.answered(name)), operation=name)

    def heard(self, answers: list[Known]) -> Known:
        return any_of(*answers, _SOAP_FAULT)


@dataclass(frozen=True)
class _OpenApi:
    find: Callable[[str, str], Described]

    def spoken(self, saying: Saying, says: Callable[[str, str], None]) -> Spoken:
        verb, path = saying.verb, saying.path
        if verb is None or path is None:
            return Spoken()
        try:
            call = self.find(verb, _template(path))
        except NoSuchCall as error:
            says(verb, str(error))
            return Spoken()
        query = tree(dict.fromkeys(call.query, _IN_A_QUERY), required=call.required)
        sent = None if call.body is None else _of_json(call.body, _TAKEN, null=True)
        return Spoken(sent, _of_json(call.answer, _ANSWERED, null=True), query, f"{call.method} {call.path}")

    def heard(self, answers: list[Known]) -> Known:
        del answers  # what it says of faults nobody keeps to
        return ANY


def contract_of(door: Door, bundle: Bundle, says: Callable[[str, str], None]) -> Contract:
    """Return what a door keeps to. `says` is told the word that names a document, and what is wrong with that."""
    word = "wsdl" if isinstance(door, SoapDoor) else "openapi"
    try:
        if isinstance(door, SoapDoor):
            return _Soap(soap_contract(bundle, door.wsdl, door.binding))
        if isinstance(door, RestDoor) and door.openapi is not None:
            return _OpenApi(open_api_contract(bundle, door.openapi).call)
    except NotBundled as error:
        says(word, f"{error} isn't in the bundle" + nearest(str(error), bundle.files))
    except UnusableContract as error:
        says("binding" if isinstance(door, SoapDoor) and door.binding else word, str(error))
    return _Open()


def _template(path: Text) -> str:
    return "".join(part if isinstance(part, str) else "${}" for part in path.parts)


def _of_soap(shape: Shape) -> Known:
    """Return what an answer has: all of SOAP's values come as text."""
    if isinstance(shape, TextShape):
        return perhaps(of_kinds("text"))
    if isinstance(shape, ListShape):
        return list_of(_of_soap(shape.item))
    if shape.open and not shape.fields:
        return ANY
    return perhaps(
        tree(Fields({name: partial(_below, _of_soap, shape.fields, name) for name in shape.fields}), open=shape.open)
    )


def _below(make: Callable[[Shape], Known], fields: Mapping[str, Shape], name: str) -> Known:
    return make(fields[name])


def _of_json(shape: Shape, scalars: Mapping[Scalar, Known], *, null: bool) -> Known:
    make = partial(_of_json, scalars=scalars, null=null)
    if isinstance(shape, TextShape):
        return perhaps(scalars[shape.kind])
    if isinstance(shape, ListShape):
        return perhaps(list_of(make(shape.item)))
    if shape.open and not shape.fields:
        return ANY
    return perhaps(
        tree(Fields({name: partial(_below, make, shape.fields, name) for name in shape.fields}), open=shape.open)
    )


_Needed = Literal["all", "below", "nothing"]
"""Which of the fields are needed that are declared so: all, those below the parameters, or none."""


def _needed_by(rpc: bool, encoded: bool) -> _Needed:
    """Say what a call needs. A missing parameter is sent empty, and no schema looks into what is encoded."""
    if encoded:
        return "nothing"
    return "below" if rpc else "all"


def _of_declared(declared: Declared, needed: _Needed = "all") -> Known:
    """Return what a WSDL takes."""
    match declared:
        case Leaf():
            return _ONE_VALUE
        case Rows():
            return list_of(_of_declared(declared.row, needed))
        case Struct():
            return _of_struct(declared, needed)
        case _:
            return ANY


def _of_struct(struct: Struct, needed: _Needed) -> Known:
    makers: dict[str, Callable[[], Known]] = {}
    for type_ in (*struct.variants.values(), struct):
        for name in type_.fields:
            makers[name] = partial(_of_field, type_, name, "nothing" if needed == "nothing" else "all")
    if struct.text is not None:
        makers[TEXT] = lambda: _ONE_VALUE
    if struct.variants:
        makers[TYPE] = partial(of_kinds, "text")
    required = _required(struct) if needed == "all" else frozenset()
    known = tree(Fields(makers), open=struct.open, required=required)
    return any_of(known, _ONE_VALUE) if struct.text is not None else known


def _required(struct: Struct) -> frozenset[str]:
    """Return the fields that must be there. A group that repeats needs not all of its own, and a variant others."""
    if struct.variants:
        return frozenset()
    return frozenset(
        name for name, one in struct.fields.items() if one.required and not one.nillable and one.repeated_with is None
    )


def _of_field(struct: Struct, name: str, needed: _Needed) -> Known:
    one = struct.fields[name]
    known = _of_declared(one.holds, needed)
    return list_of(known) if one.many else known
