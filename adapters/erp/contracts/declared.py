"""What a WSDL declares of its messages, as far as reading and writing them needs it: made of zeep's types, lazily."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

from lxml import etree
from zeep import xsd
from zeep.xsd.elements.indicators import Choice, Group, Indicator
from zeep.xsd.types import builtins
from zeep.xsd.types.complex import ComplexType

Kind = Literal["text", "number", "whole", "boolean", "date", "time"]

TEXT: Final = "_value"
"""The field of an element that has a text and attributes, too: what it says."""

HEADER: Final = "_header"
"""The field of a call that goes into SOAP's header, such as a vendor's token."""

TYPE: Final = "_type"
"""The field that names the derived type of an element, where it isn't the one that is declared."""

_KINDS: Final[Mapping[type, Kind]] = {
    builtins.Boolean: "boolean",
    builtins.Integer: "whole",
    builtins.Decimal: "number",
    builtins.Float: "number",
    builtins.Double: "number",
    builtins.DateTime: "time",
    builtins.Date: "date",
}


@dataclass(frozen=True)
class Leaf:
    """A text without elements in it. `named` is its type's name, where it has one."""

    kind: Kind
    named: str | None = None


@dataclass(frozen=True)
class Anything:
    """What the contract leaves open."""


class Rows:
    """An array of SOAP's encoding: in XML an element around its rows, in a tree a list.

    `of` is what its rows are called in the contract; None where that is left to whoever writes it.
    """

    def __init__(self, named: str | None, of: str | None, row: Any, contract: Declarations) -> None:
        self.named = named
        self.of = of
        self._row = row
        self._contract = contract

    @cached_property
    def row(self) -> Declared:
        """Return what each row is."""
        return self._contract.of(self._row)


@dataclass(frozen=True)
class Field:
    """An element or an attribute of a `Struct`. What is `many` comes as a list, also where there is one, or none."""

    name: str
    tag: str
    many: bool
    required: bool
    nillable: bool
    attribute: bool
    repeated_with: int | None
    type: Any
    contract: Declarations

    @property
    def holds(self) -> Declared:
        """Return what is in it, or in each of it."""
        return self.contract.of(self.type)


class Struct:
    """An element with fields: its elements in their order, then its attributes."""

    def __init__(self, type_: Any, contract: Declarations) -> None:
        self.named = _name(type_)
        self._type = type_
        self._contract = contract

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        """Return what is declared, by local name."""
        found: dict[str, Field] = {}
        for field in (*self._elements(), *self._attributes()):
            name = field.name
            if field.attribute and name in found:
                name = f"_{name}"
            if name not in found:
                found[name] = field
            elif field.repeated_with is None and not field.attribute:
                found[name] = _often(found[name])
        return found

    @cached_property
    def text(self) -> Leaf | None:
        """Return what its text is, where it has a text beside its attributes."""
        simple = simple_content(self._type)
        return None if simple is None else _leaf(simple)

    @cached_property
    def open(self) -> bool:
        """Say whether there may be more in it than is declared."""
        return any(isinstance(particle, xsd.Any) for particle, *_ in _particles(self._type))

    @cached_property
    def variants(self) -> Mapping[str, Struct]:
        """Return the types derived from this one, by local name: what may stand in its place."""
        return self._contract.derived_from(self.named)

    def _elements(self) -> Iterator[Field]:
        if self.text is not None:
            return
        for element, many, optional, together in _particles(self._type):
            if not isinstance(element, xsd.Any):
                required = not optional and not element.is_optional
                yield Field(
                    element.name,
                    str(element.qname),
                    many or element.accepts_multiple,
                    required,
                    element.nillable,
                    False,
                    together,
                    element.type,
                    self._contract,
                )

    def _attributes(self) -> Iterator[Field]:
        for _, attribute in self._type.attributes:
            if attribute.name is not None:
                yield Field(
                    attribute.name,
                    str(attribute.qname),
                    False,
                    attribute.required,
                    False,
                    True,
                    None,
                    attribute.type,
                    self._contract,
                )


Declared = Leaf | Anything | Rows | Struct


class Declarations:
    """All types of one contract. In an `encoded` one, what holds rows and nothing else is an array: so it is sent."""

    def __init__(self, types: Any, *, encoded: bool) -> None:
        self._types = types
        self._encoded = encoded
        self._known: dict[int, tuple[Any, Declared]] = {}

    def of(self, type_: Any) -> Declared:
        """Return what a type of zeep's declares."""
        known = self._known.get(id(type_))
        if known is None:
            known = self._known[id(type_)] = (type_, self._declared(type_))  # the type is kept, and so its id
        return known[1]

    def derived_from(self, named: str | None) -> Mapping[str, Struct]:
        """Return the types derived from a named one, by local name, however far."""
        return {} if named is None else self._derived.get(named, {})

    @cached_property
    def _derived(self) -> Mapping[str, Mapping[str, Struct]]:
        found: dict[str, dict[str, Struct]] = {}
        for type_ in self._types.types:
            declared = self.of(type_) if isinstance(type_, ComplexType) else None
            if isinstance(declared, Struct):
                for base in _bases(type_):
                    found.setdefault(base, {})[type_.qname.localname] = declared
        return found

    def _declared(self, type_: Any) -> Declared:
        if not isinstance(type_, ComplexType):
            return _leaf(type_) if isinstance(type_, xsd.AnySimpleType) else Anything()
        simple = simple_content(type_)
        if simple is not None and not type_.attributes:
            return Leaf(_leaf(simple).kind, _name(type_))
        if self._encoded:
            rows = self._rows(type_)
            if rows is not None:
                return rows
        return Struct(type_, self)

    def _rows(self, type_: Any) -> Rows | None:
        array = type_._array_type  # noqa: SLF001 - zeep has no other word for it
        if array is not None:
            return Rows(_name(type_), None, array.array_type, self)
        particles = list(_particles(type_))
        if len(particles) != 1 or type_.attributes:
            return None
        (element, many, *_), *_ = particles
        if isinstance(element, xsd.Any) or not (many or element.accepts_multiple):
            return None
        return Rows(_name(type_), element.name, element.type, self)


def simple_content(type_: Any) -> Any | None:
    """Return the simple type of a complex one that has a text and no elements."""
    inside = type_._element  # noqa: SLF001 - `elements` gives it a name of its own, as if it were one of them
    return inside.type if isinstance(inside, xsd.Element) and isinstance(inside.type, xsd.AnySimpleType) else None


def _particles(type_: Any) -> Iterator[tuple[Any, bool, bool, int | None]]:
    """Yield each element in its order: whether it may come often, needn't come, and which others it repeats with."""
    if type_._array_type is None and type_._element is not None:  # noqa: SLF001 - the nested form has no other name
        yield from _inside([type_._element], many=False, optional=False, together=None)  # noqa: SLF001


def _inside(
    particles: Iterable[Any], *, many: bool, optional: bool, together: int | None
) -> Iterator[tuple[Any, bool, bool, int | None]]:
    for particle in particles:
        if not isinstance(particle, Indicator):
            yield particle, many, optional, together
            continue
        often = particle.accepts_multiple
        nested: Any = [particle.child] if isinstance(particle, Group) else particle
        yield from _inside(
            nested,
            many=many or often,
            optional=optional or particle.is_optional or isinstance(particle, Choice),
            together=id(particle) if often and together is None else together,
        )


def _often(field: Field) -> Field:
    return Field(**{**field.__dict__, "many": True})


def _bases(type_: Any) -> Iterator[str]:
    for value_class in type_._extension_types:  # noqa: SLF001 - zeep doesn't tell what a type extends otherwise
        base = getattr(value_class, "_xsd_type", None)
        if base is not None and base.qname is not None:
            yield str(base.qname)


def _leaf(type_: Any) -> Leaf:
    kinds = (kind for base, kind in _KINDS.items() if isinstance(type_, base))
    return Leaf(next(kinds, "text"), _name(type_))


def _name(type_: Any) -> str | None:
    qname: etree.QName | None = type_.qname
    return str(qname) if qname is not None and type_.is_global else None
