"""XML -> trees of text, lists and fields, by what the contract declares. Nothing that was sent is lost on the way.

Every leaf is the text that was sent, whatever its type: a mapping makes numbers of it itself. What the contract doesn't
declare is read as it comes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from lxml import etree

from adapters.erp.contracts.bundle import SOAP_ENCODING
from adapters.erp.contracts.declared import TEXT, TYPE, Anything, Declared, Field, Leaf, Rows, Struct
from adapters.erp.contracts.parsing import local
from adapters.erp.language.values import Value
from adapters.wire import Unreadable

XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
NIL: Final = f"{{{XSI}}}nil"
XSI_TYPE: Final = f"{{{XSI}}}type"
ARRAY_TYPE: Final = f"{{{SOAP_ENCODING}}}arrayType"
_PARTS_OF_ARRAYS: Final = (f"{{{SOAP_ENCODING}}}offset", f"{{{SOAP_ENCODING}}}position")
_NOT_FIELDS: Final = tuple(
    f"{{{namespace}}}"
    for namespace in (
        XSI,
        SOAP_ENCODING,
        "http://schemas.xmlsoap.org/soap/envelope/",
        "http://www.w3.org/XML/1998/namespace",
    )
)

_MOST_PARTS: Final = 150_000
"""What references of one answer may unfold to: a hundred of each other's would be more than there is memory for."""

_DEEPEST: Final = 100
_SIZE: Final = re.compile(r"\[\s*(\d{0,9})\s*\]\s*$")
_ITEM: Final = "item"


class Reader:
    """Reads one message. `Unreadable` where it isn't what was declared, says that it's incomplete, or goes in circles.

    `encoded` is SOAP's section 5: arrays say how many they are, and an element may stand elsewhere, under an `id`.
    """

    def __init__(self, *, encoded: bool, elsewhere: Mapping[str, etree._Element] | None = None) -> None:
        self._encoded = encoded
        self._elsewhere = elsewhere or {}
        self._following: set[str] = set()
        self._path: list[str] = []
        self._left = _MOST_PARTS

    def read(self, element: etree._Element, declared: Declared) -> Value:
        """Read an element."""
        with self._at(local(element.tag)):
            referred = element.get("href") if self._encoded else None
            if referred is None:
                return self._said(element, declared)
            with self._followed(referred) as target:
                return self._said(target, declared)

    def _said(self, element: etree._Element, declared: Declared) -> Value:
        if element.get("href") is not None and self._encoded:
            return self.read(element, declared)
        if element.get(NIL) in {"true", "1"}:
            return None
        if self._encoded and (isinstance(declared, Rows) or _is_array(element)):
            return self._rows(element, declared)
        if isinstance(declared, Struct):
            return self._tree(element, declared)
        if isinstance(declared, Leaf) and len(element) == 0:
            return _text(element, declared)
        return self._as_it_comes(element)

    def _rows(self, element: etree._Element, declared: Declared) -> list[Value]:
        """Read an array: as many rows as it says that there are."""
        self._check_rows(element, declared)
        row = declared.row if isinstance(declared, Rows) else Anything()
        rows = [self.read(child, row) for child in element]
        announced = self._announced(element)
        if announced is not None and announced != len(rows):
            raise self._unreadable(f"{announced} rows are announced, {len(rows)} came")
        return rows

    def _check_rows(self, element: etree._Element, declared: Declared) -> None:
        if (element.text or "").strip():
            raise self._unreadable("a text, where rows are declared")
        if any(part.get(name) for part in (element, *element) for name in _PARTS_OF_ARRAYS):
            raise self._unreadable("a part of an array")
        names = {local(child.tag) for child in element}
        if not _is_array(element) and isinstance(declared, Rows) and declared.of and names - {declared.of, _ITEM}:
            raise self._unreadable("fields, where rows are declared")

    def _announced(self, element: etree._Element) -> int | None:
        array_type = element.get(ARRAY_TYPE)
        if array_type is None:
            return None
        size = _SIZE.search(array_type)
        if size is None:
            raise self._unreadable("an array that doesn't say its size as one number")
        return int(size[1]) if size[1] else None

    def _tree(self, element: etree._Element, declared: Struct) -> dict[str, Value]:
        told = local((element.get(XSI_TYPE) or "").replace(":", "}"))
        variant = declared.variants.get(told)
        struct = variant or declared
        tree: dict[str, Value] = {TYPE: told} if variant else {}
        tree |= {name: [] for name, field in struct.fields.items() if field.many}
        self._add_children(tree, element, struct.fields)
        tree |= self._attributes(element, struct.fields)
        if struct.text is not None:
            tree[TEXT] = _text(element, struct.text)
        else:
            self._check_no_text(element)
        return tree

    def _as_it_comes(self, element: etree._Element) -> Value:
        tree = self._attributes(element, {})
        if len(element) == 0:
            return {TEXT: element.text or "", **tree} if tree else element.text or ""
        self._check_no_text(element)
        self._add_children(tree, element, {})
        return tree

    def _add_children(self, tree: dict[str, Value], element: etree._Element, fields: Mapping[str, Field]) -> None:
        seen: dict[str, int] = {}
        for child in element:
            name = local(child.tag)
            field = fields.get(name)
            seen[name] = seen.get(name, 0) + 1
            value = self.read(child, field.holds if field else Anything())
            if field is not None and field.many:
                _add(tree[name], value, whole=self._encoded and _is_array(child) and not isinstance(field.holds, Rows))
            elif seen[name] == 1:
                tree[name] = value
            elif field is None:
                tree[name] = [tree[name], value] if seen[name] == 2 else _add(tree[name], value, whole=False)  # noqa: PLR2004 - the second makes it a list
            else:
                raise self._unreadable(f"{name} comes more than once")

    def _attributes(self, element: etree._Element, fields: Mapping[str, Field]) -> dict[str, Value]:
        plain = {name: value for name, value in element.attrib.items() if not name.startswith(_NOT_FIELDS)}
        if self._encoded:
            plain = {name: value for name, value in plain.items() if name not in {"id", "href"}}
        clashing = {name.removeprefix("_"): name for name, field in fields.items() if field.attribute}
        return {clashing.get(local(name), local(name)): value for name, value in plain.items()}

    def _check_no_text(self, element: etree._Element) -> None:
        if (element.text or "").strip() or any((child.tail or "").strip() for child in element):
            raise self._unreadable("a text, where fields are declared")

    @contextmanager
    def _at(self, name: str) -> Iterator[None]:
        self._left -= 1
        self._path.append(name)
        if self._left < 0 or len(self._path) > _DEEPEST:
            raise Unreadable("it unfolds to more than any honest answer")
        yield
        self._path.pop()

    @contextmanager
    def _followed(self, reference: str) -> Iterator[etree._Element]:
        target = self._elsewhere.get(reference.removeprefix("#")) if reference.startswith("#") else None
        if target is None:
            raise self._unreadable("it refers to what isn't in it")
        if reference in self._following:
            raise self._unreadable("it refers to itself")
        self._following.add(reference)
        yield target
        self._following.discard(reference)

    def _unreadable(self, why: str) -> Unreadable:
        return Unreadable(f"{'.'.join(self._path)}: {why}")


def by_id(envelope: etree._Element) -> dict[str, etree._Element]:
    """Return the elements that others may refer to. `Unreadable` where two have the same name."""
    found: dict[str, etree._Element] = {}
    for element in envelope.iter(etree.Element):
        name = element.get("id")
        if name is not None and found.setdefault(name, element) is not element:
            raise Unreadable("two elements have the same id")
    return found


def _is_array(element: etree._Element) -> bool:
    if element.get(ARRAY_TYPE) is not None:
        return True
    prefix, _, name = (element.get(XSI_TYPE) or "").rpartition(":")
    return name == "Array" and element.nsmap.get(prefix or None) == SOAP_ENCODING


def _text(element: etree._Element, leaf: Leaf) -> str:
    text = element.text or ""
    return text if leaf.kind == "text" else text.strip()


def _add(rows: Value, value: Value, *, whole: bool) -> list[Value]:
    assert isinstance(rows, list)
    if whole and isinstance(value, list):
        rows.extend(value)
    else:
        rows.append(value)
    return rows
