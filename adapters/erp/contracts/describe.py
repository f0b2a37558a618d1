"""What a checker of mappings asks of a contract: which fields there are, and which of them are lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Final, Literal

from adapters.erp.contracts.declared import TEXT, TYPE, Declared, Field, Leaf, Rows, Struct

Scalar = Literal["text", "number", "whole", "boolean", "date", "time", "unknown"]


@dataclass(frozen=True)
class Text:
    """One value. `kind` is what the contract says of it; all of SOAP's come as text whatever it is."""

    kind: Scalar = "text"


@dataclass(frozen=True)
class ListOf:
    """A list, also where there is one, or none."""

    item: Shape


@dataclass(frozen=True)
class Tree:
    """Fields by name, looked up as they are asked for: a contract may go in circles. An `open` one may have others."""

    fields: Mapping[str, Shape]
    open: bool = False


Shape = Text | ListOf | Tree

_MOST_TOLD: Final = 40

UNKNOWN: Final = Tree({}, open=True)
"""What the contract says nothing of."""


class Lazily(Mapping[str, Shape]):
    """Fields whose shapes are made when they are looked at."""

    def __init__(self, makers: Mapping[str, Callable[[], Shape]]) -> None:
        self._makers = makers

    def __getitem__(self, name: str) -> Shape:
        return self._makers[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


class NoSuchField(Exception):  # noqa: N818 - it says what the name is
    """There is no field of that name. Its words name the nearest, and what there is."""


def field_of(shape: Shape, name: str) -> Shape:
    """Return a field's shape. `NoSuchField` where the contract has none; of an open tree any may be there."""
    match shape:
        case Tree() if name in shape.fields:
            return shape.fields[name]
        case Tree() if shape.open:
            return UNKNOWN
        case Tree():
            raise NoSuchField(f"no such element: {name}; {among(name, shape.fields)}")
        case ListOf():
            raise NoSuchField(f"no such element: {name}; it is a list")
        case Text():
            raise NoSuchField(f"no such element: {name}; it is one value")


def among(name: str, known: Mapping[str, object]) -> str:
    """Say what there is instead of a name: the nearest first."""
    near = get_close_matches(name, known, n=1)
    told = ", ".join(list(known)[:_MOST_TOLD])
    return (f"did you mean {near[0]}? " if near else "") + f"there are: {told or 'none'}"


def shape_of(declared: Declared) -> Shape:
    """Return the shape of what a WSDL declares. A type that others are derived from has the fields of all of them."""
    match declared:
        case Leaf():
            return Text(declared.kind)
        case Rows():
            return ListOf(shape_of(declared.row))
        case Struct():
            return Tree(Lazily(_makers(declared)), open=declared.open)
        case _:
            return UNKNOWN


def _makers(struct: Struct) -> dict[str, Callable[[], Shape]]:
    makers: dict[str, Callable[[], Shape]] = {}
    for type_ in (*struct.variants.values(), struct):
        for name, field in type_.fields.items():
            makers[name] = partial(_of_field, field)
    if struct.text is not None:
        makers[TEXT] = partial(Text, struct.text.kind)
    if struct.variants:
        makers[TYPE] = Text
    return makers


def _of_field(field: Field) -> Shape:
    one = shape_of(field.holds)
    return ListOf(one) if field.many else one
