"""What a WSDL declares of its messages, as far as reading and writing them needs it: made of zeep's types, lazily."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
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

IN_HEADER: Final = "_header"
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
    """An element or an attribute of a `Struct`. What is `many` comes as a list, also where there is one, or none.

    `repeated_with` is the group of elements that comes often as one; `branches` are the choices that it is one of.
    """

    name: str
    tag: str
    type: Any
    contract: Declarations
    many: bool = False
    required: bool = False
    nillable: bool = False
    attribute: bool = False
    repeated_with: int | None = None
    branches: Mapping[int, int] = field(default_factory=dict)

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
        for one in (*self._elements(), *self._attributes()):
            first = found.get(one.name)
            if first is None:
                found[one.name] = one
            elif one.attribute:
                found[f"_{one.name}"] = one
            elif _exclude_each_other(first, one):
                found[one.name] = found.pop(one.name)  # `a`, or `b` and then `a`: it is written after both
            else:
                found[one.name] = replace(first, many=True)
        return found

    @cached_property
    def text(self) -> Leaf | None:
        """Return what its text is, where it has a text beside its attributes."""
        simple = simple_content(self._type)
        return None if simple is None else _leaf(simple)

    @cached_property
    def open(self) -> bool:
        """Say whether there may be more in it than is declared."""
        return any(isinstance(particle.element, xsd.Any) for particle in _particles(self._type))

    @cached_property
    def variants(self) -> Mapping[str, Struct]:
        """Return the types derived from this one, by local name: what may stand in its place."""
        return self._contract.derived_from(self.named)

    def _elements(self) -> Iterator[Field]:
        if self.text is not None:
            return
        for particle in _particles(self._type):
            element = particle.element
            if not isinstance(element, xsd.Any):
                yield Field(
                    name=element.name,
                    tag=str(element.qname),
                    type=element.type,
                    contract=self._contract,
                    many=particle.many or element.accepts_multiple,
                    required=not particle.optional and not element.is_optional,
                    nillable=element.nillable,
                    repeated_with=particle.repeated_with,
                    branches=particle.branches,
                )

    def _attributes(self) -> Iterator[Field]:
        for _, attribute in self._type.attributes:
            if attribute.name is not None:
                yield Field(
                    name=attribute.name,
                    tag=str(attribute.qname),
                    type=attribute.type,
                    contract=self._contract,
                    required=attribute.required,
                    attribute=True,
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
        if array is not None and array.array_type is not None:
            return Rows(_name(type_), None, array.array_type, self)
        particles = list(_particles(type_))
        if len(particles) != 1 or (type_.attributes and array is None):
            return None
        element = particles[0].element
        if not (particles[0].many or element.accepts_multiple):
            return None
        if isinstance(element, xsd.Any):
            return None if array is None else Rows(_name(type_), None, None, self)
        return Rows(_name(type_), None if array is not None else element.name, element.type, self)


def simple_content(type_: Any) -> Any | None:
    """Return the simple type of a complex one that has a text and no elements."""
    inside = type_._element  # noqa: SLF001 - `elements` gives it a name of its own, as if it were one of them
    return inside.type if isinstance(inside, xsd.Element) and isinstance(inside.type, xsd.AnySimpleType) else None


@dataclass(frozen=True)
class _Particle:
    """An element in its place, by what is around it."""

    element: Any
    many: bool = False
    optional: bool = False
    repeated_with: int | None = None
    branches: Mapping[int, int] = field(default_factory=dict)


def _particles(type_: Any) -> Iterator[_Particle]:
    """Yield each element in its order."""
    group = type_._element  # noqa: SLF001 - the nested form has no other name
    if isinstance(group, Indicator):
        yield from _inside(_Particle(group))


def _inside(around: _Particle) -> Iterator[_Particle]:
    group: Any = around.element
    is_choice, often = isinstance(group, Choice), group.accepts_multiple
    for number, element in enumerate([group.child] if isinstance(group, Group) else group):
        inside = _Particle(
            element,
            many=around.many or often,
            optional=around.optional or group.is_optional or is_choice,
            repeated_with=id(group) if often and around.repeated_with is None else around.repeated_with,
            branches={**around.branches, id(group): number} if is_choice else around.branches,
        )
        yield from _inside(inside) if isinstance(element, Indicator) else [inside]


def _exclude_each_other(one: Field, other: Field) -> bool:
    return any(other.branches.get(choice, branch) != branch for choice, branch in one.branches.items())


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
