"""The documents that a contract is made of, all of them: what isn't among them is never fetched."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import urljoin, urlsplit

from lxml import etree

from adapters.erp.contracts.parsing import parsed

SOAP_ENCODING: Final = "http://schemas.xmlsoap.org/soap/encoding/"
XML_NAMESPACE: Final = "http://www.w3.org/XML/1998/namespace"

_OF_XML: Final = (
    "http://www.w3.org/2001/xml.xsd",
    "https://www.w3.org/2001/xml.xsd",
    "http://www.w3.org/2001/03/xml.xsd",
)
"""Where contracts look for the attributes that every document has."""

_ROOT: Final = "http://bundle.invalid/"
"""Where relative names are resolved. `.invalid` is nobody's, by RFC 2606."""

_MOST_BYTES: Final = 32 * 1024 * 1024
_MOST_FILES: Final = 2_000


class NotBundled(Exception):  # noqa: N818 - it says what is missing
    """A contract refers to a document that isn't among our files. It is not fetched."""


class UnusableContract(Exception):  # noqa: N818 - it says what the document is
    """A document isn't a contract that we can load, and why."""


class Bundle:
    """Documents by name: a path relative to the bundle's root, or the whole URL that others refer to it by.

    Two bundles of the same documents are equal. `UnusableContract` for one that is too large.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        if len(files) > _MOST_FILES or sum(map(len, files.values())) > _MOST_BYTES:
            raise UnusableContract(f"a bundle of more than {_MOST_FILES} files or {_MOST_BYTES} bytes")
        self.files: Mapping[str, bytes] = MappingProxyType(dict(files))
        self._by_location = {location(name): content for name, content in self.files.items()}
        for url, content in {SOAP_ENCODING: _soap_encoding(), **dict.fromkeys(_OF_XML, _attributes_of_xml())}.items():
            self._by_location.setdefault(url, content)

    @classmethod
    def from_folder(cls, path: Path) -> Bundle:
        """Take every file in a folder, and in those in it. Links that lead out of it aren't followed."""
        inside = path.resolve()
        found = [file for file in sorted(path.rglob("*")) if file.is_file() and file.resolve().is_relative_to(inside)]
        if len(found) > _MOST_FILES or sum(file.stat().st_size for file in found) > _MOST_BYTES:
            raise UnusableContract(f"a folder of more than {_MOST_FILES} files or {_MOST_BYTES} bytes")
        return cls({file.relative_to(path).as_posix(): file.read_bytes() for file in found})

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of all names and contents, in hex: what a loaded contract is kept by."""
        parts = [part for name in sorted(self.files) for part in (name.encode(), self.files[name])]
        return hashlib.sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).hexdigest()

    def load(self, url: str) -> bytes:
        """Return the document at a location. `NotBundled` where there is none."""
        try:
            return self._by_location[url]
        except KeyError:
            raise NotBundled(url.removeprefix(_ROOT)) from None

    def load_xml(self, url: str) -> etree._Element:
        """Return the document at a location, parsed. `NotBundled`, or `UnusableContract` for what isn't XML."""
        try:
            return parsed(self.load(url))
        except ValueError as error:
            raise UnusableContract(f"{url.removeprefix(_ROOT)}: {error}") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bundle) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


def location(name: str, base: str = _ROOT) -> str:
    """Return where a document is: its URL, or its place in the bundle, seen from the document at `base`."""
    return name if urlsplit(name).scheme else urljoin(base, name)


_TEXTS: Final = (
    "string",
    "normalizedString",
    "token",
    "anyURI",
    "QName",
    "Name",
    "NCName",
    "base64Binary",
    "hexBinary",
)
_NUMBERS: Final = (
    *("decimal", "integer", "long", "int", "short", "byte", "float", "double"),
    *("nonPositiveInteger", "negativeInteger", "nonNegativeInteger", "positiveInteger"),
    *("unsignedLong", "unsignedInt", "unsignedShort", "unsignedByte"),
)
_OTHERS: Final = ("boolean", "dateTime", "date", "time", "duration")


def _soap_encoding() -> bytes:
    """Write what contracts use of SOAP 1.1's section 5: arrays, and XML Schema's simple types under a second name."""
    simple = "".join(
        f'<xs:complexType name="{name}"><xs:simpleContent><xs:extension base="xs:{name}"/></xs:simpleContent>'
        f'</xs:complexType><xs:element name="{name}" type="enc:{name}"/>'
        for name in (*_TEXTS, *_NUMBERS, *_OTHERS)
    )
    return (
        f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:enc="{SOAP_ENCODING}"'
        f' targetNamespace="{SOAP_ENCODING}">'
        '<xs:attribute name="arrayType" type="xs:string"/><xs:attribute name="offset" type="xs:string"/>'
        '<xs:complexType name="Array"><xs:sequence><xs:any namespace="##any" minOccurs="0" maxOccurs="unbounded"'
        ' processContents="lax"/></xs:sequence><xs:attribute ref="enc:arrayType"/><xs:attribute ref="enc:offset"/>'
        '</xs:complexType><xs:element name="Array" type="enc:Array"/>'
        '<xs:complexType name="Struct"><xs:sequence><xs:any namespace="##any" minOccurs="0" maxOccurs="unbounded"'
        ' processContents="lax"/></xs:sequence></xs:complexType><xs:element name="Struct" type="enc:Struct"/>'
        f"{simple}</xs:schema>"
    ).encode()


def _attributes_of_xml() -> bytes:
    return (
        f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="{XML_NAMESPACE}">'
        '<xs:attribute name="lang" type="xs:string"/><xs:attribute name="base" type="xs:anyURI"/>'
        '<xs:attribute name="space" type="xs:NCName"/><xs:attribute name="id" type="xs:ID"/></xs:schema>'
    ).encode()
