"""Trees -> XML, by what the contract declares: its elements in its order, whatever order they are given in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby, zip_longest
from typing import Final

from lxml import etree

from adapters.erp.contracts.bundle import SOAP_ENCODING
from adapters.erp.contracts.declared import TEXT, TYPE, Declared, Field, Kind, Leaf, Rows, Struct
from adapters.erp.contracts.describe import among
from adapters.erp.contracts.reading import ARRAY_TYPE, NIL, XSI_TYPE
from adapters.erp.language.values import Value

_XSD: Final = "http://www.w3.org/2001/XMLSchema"
_ANY: Final = f"{{{_XSD}}}anyType"
_STRING: Final = f"{{{_XSD}}}string"
_ARRAY: Final = f"{{{SOAP_ENCODING}}}Array"
_ITEM: Final = "item"
_DEEPEST: Final = 100
_MOST_TOLD: Final = 40


class ContractBroken(Exception):  # noqa: N818 - it says what our message is
    """Our message isn't what the contract allows, so it must not be sent.

    `path` is where, as `order.lines[0].qty`, empty for the whole of it. `why` may quote what is there, and so a
    person's name.
    """

    def __init__(self, operation: str, path: str, why: str) -> None:
        super().__init__(": ".join(part for part in (operation, path, why) if part))
        self.operation = operation
        self.path = path
        self.why = why


class Writer:
    """Writes one message of an operation. `ContractBroken` where the tree doesn't fit.

    None is left out. In an `encoded` message each element says its type.
    """

    def __init__(self, operation: str, *path: str, encoded: bool = False) -> None:
        self._operation = operation
        self._encoded = encoded
        self._path = list(path)

    def write_into(self, element: etree._Element, declared: Declared, value: Value) -> None:
        """Fill an element, or say with `xsi:nil` that nothing is in it."""
        if value is None:
            element.set(NIL, "true")
        elif isinstance(declared, Struct):
            self._write_struct(element, declared, value)
        elif isinstance(declared, Rows):
            self._write_rows(element, declared, value)
        else:
            self._write_leaf(element, declared, value)

    def write_parameters(self, element: etree._Element, parameters: Struct, value: Value) -> None:
        """Write all parameters of a call in their order, the missing ones as empty texts.

        Some servers take them by their position: were one left out, the next would slide into its place.
        """
        given = self._fields(parameters, value)
        for name, field in parameters.fields.items():
            said = given.get(name)
            if said is None:
                empty = etree.SubElement(element, field.tag)
                empty.text = ""
                self._say_type(empty, _STRING)
            else:
                self._write_field(element, name, field, said)

    def _write_struct(self, element: etree._Element, declared: Struct, value: Value) -> None:
        struct = self._variant(element, declared, value)
        if struct.text is not None and not isinstance(value, Mapping):
            value = {TEXT: value}
        given = self._fields(struct, value)
        if struct is declared:
            self._say_type(element, struct.named)
        if struct.text is not None and TEXT in given:
            self._set_text(element, self._text(given[TEXT], struct.text.kind))
        for repeated, fields in groupby(struct.fields.items(), key=lambda item: item[1].repeated_with):
            if repeated is None:
                for name, field in fields:
                    self._write_field(element, name, field, given.get(name))
            else:
                self._write_in_turns(element, {name: (field, given.get(name)) for name, field in fields})

    def _write_field(self, element: etree._Element, name: str, field: Field, value: Value) -> None:
        with self._at(name):
            if field.attribute:
                if value is not None:
                    self._set_attribute(element, field.tag, self._text(value, _kind(field.holds)))
            elif field.many:
                for number, item in enumerate(self._rows(value)):
                    with self._at(f"[{number}]"):
                        self.write_into(etree.SubElement(element, field.tag), field.holds, item)
            elif value is not None:
                self.write_into(etree.SubElement(element, field.tag), field.holds, value)
            elif field.required and field.nillable:
                etree.SubElement(element, field.tag).set(NIL, "true")

    def _write_in_turns(self, element: etree._Element, fields: Mapping[str, tuple[Field, Value]]) -> None:
        """Write what repeats together: the first of each, then the second of each."""
        columns = [[(name, field, row) for row in self._rows(value)] for name, (field, value) in fields.items()]
        for together in zip_longest(*columns):
            for name, field, row in filter(None, together):
                self._write_field(element, name, field, [row])

    def _write_rows(self, element: etree._Element, declared: Rows, value: Value) -> None:
        rows = self._rows(value)
        if declared.of is None:
            self._say_type(element, _ARRAY)
            row_type = _named(declared.row) or _ANY
            element.set(ARRAY_TYPE, f"{_prefixed(element, row_type)}[{len(rows)}]")
        else:
            self._say_type(element, declared.named)
        for number, row in enumerate(rows):
            with self._at(f"[{number}]"):
                self.write_into(etree.SubElement(element, declared.of or _ITEM), declared.row, row)

    def _write_leaf(self, element: etree._Element, declared: Declared, value: Value) -> None:
        self._set_text(element, self._text(value, _kind(declared)))
        self._say_type(element, _named(declared) or _STRING)

    def _variant(self, element: etree._Element, declared: Struct, value: Value) -> Struct:
        told = value.get(TYPE) if isinstance(value, Mapping) else None
        if told is None:
            return declared
        variant = declared.variants.get(str(told))
        if variant is None:
            raise self._broken(f"no such type: {told}; {among(str(told), declared.variants)}")
        element.set(XSI_TYPE, etree.QName(variant.named or ""))
        return variant

    def _fields(self, struct: Struct, value: Value) -> Mapping[str, Value]:
        if not isinstance(value, Mapping):
            raise self._broken(f"fields are expected; {among('', struct.fields)}")
        for name in value:
            if name not in struct.fields and name != TYPE and not (name == TEXT and struct.text):
                with self._at(name):
                    raise self._broken(f"no such element; {among(name, struct.fields)}")
        return value

    def _rows(self, value: Value) -> list[Value]:
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._broken("a list of rows is expected")
        return value

    def _text(self, value: Value, kind: Kind) -> str:
        text = self._plain(value)
        if self._encoded and text and not _fits(text, kind):
            raise self._broken(f"not a {kind}: {text[:_MOST_TOLD]}")
        return text

    def _plain(self, value: Value) -> str:
        match value:
            case str():
                return value
            case bool():
                return "true" if value else "false"
            case Decimal() if value.is_finite():
                return f"{value:f}"
            case datetime() | date():
                return value.isoformat()
            case _:
                raise self._broken("one value is expected")

    def _set_text(self, element: etree._Element, text: str) -> None:
        try:
            element.text = text
        except ValueError:
            raise self._broken("it holds a character that XML can't carry") from None

    def _set_attribute(self, element: etree._Element, tag: str, text: str) -> None:
        try:
            element.set(tag, text)
        except ValueError:
            raise self._broken("it holds a character that XML can't carry") from None

    def _say_type(self, element: etree._Element, named: str | None) -> None:
        if self._encoded and named is not None:
            element.set(XSI_TYPE, etree.QName(named))

    @contextmanager
    def _at(self, name: str) -> Iterator[None]:
        self._path.append(name)
        if len(self._path) > _DEEPEST:
            raise self._broken("it is too deep")
        yield
        self._path.pop()

    def _broken(self, why: str) -> ContractBroken:
        return ContractBroken(self._operation, ".".join(self._path).replace(".[", "["), why)


def _prefixed(element: etree._Element, named: str) -> str:
    """Write a name as a part of a text. The envelope of an encoded message knows a prefix for each of its types."""
    qname = etree.QName(named)
    prefix = next(prefix for prefix, uri in element.nsmap.items() if uri == qname.namespace)
    return f"{prefix}:{qname.localname}"


def _named(declared: Declared) -> str | None:
    return declared.named if isinstance(declared, Leaf | Rows | Struct) else None


def _kind(declared: Declared) -> Kind:
    return declared.kind if isinstance(declared, Leaf) else "text"


def _fits(text: str, kind: Kind) -> bool:
    """Say whether a text is of a kind, where no schema does: encoded messages can't be held against theirs."""
    try:
        match kind:
            case "whole":
                int(text)
            case "number":
                return Decimal(text).is_finite()
            case "boolean":
                return text in {"true", "false", "1", "0"}
            case "date":
                date.fromisoformat(text[:10])
            case "time":
                datetime.fromisoformat(text)
    except (ValueError, ArithmeticError):
        return False
    return True
