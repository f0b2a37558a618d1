"""Bytes -> XML, whoever wrote them: no DTD, no entities, no network, bounded in size and depth."""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from adapters.wire import Unreadable, check_parts

_MARKS: Final = (b"<", b"=")
_MOST_MARKS: Final = 300_000
"""What elements and attributes begin with. An encoded order of a thousand lines needs a quarter of it."""

_READ_ALOUD: Final = frozenset(
    {"utf-8", "utf-16", "us-ascii", "ascii", "iso-8859-1", "iso-8859-2", "iso-8859-15", "windows-1250", "windows-1252"}
)
"""Encodings in which a mark is a byte of its own: what else there is could hide marks."""

_DECLARED: Final = re.compile(rb"""\s*<\?xml[^>]*?\sencoding\s*=\s*["']([^"'>]*)""")
_BYTE_ORDERS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_BEGINNINGS: Final = (b"<", *_BYTE_ORDERS, b"\x00<")


def parsed_answer(content: bytes | bytearray, charset: str | None) -> etree._Element:
    """Parse what a partner sent. `charset` is its Content-Type's, which counts more than the document's own word.

    `Unreadable` for what isn't XML, has a DTD, is in an encoding that could hide its size, or is too much.
    """
    _check_encoding(content, charset)
    check_parts(content, _MARKS, _MOST_MARKS)
    heard = None if bytes(content[:3]).startswith(_BYTE_ORDERS) else charset
    try:
        return parsed(bytes(content), heard)
    except ValueError as error:  # whose words quote the answer's
        raise Unreadable(f"not XML that we accept: {type(error).__name__}") from error


def parsed(content: bytes, charset: str | None = None) -> etree._Element:
    """Parse a document. `ValueError` for what isn't XML or has a DTD, and so could have entities."""
    parser = etree.XMLParser(
        encoding=charset or None,
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, LookupError) as error:
        raise ValueError(str(error)) from error
    if root.getroottree().docinfo.doctype:
        raise ValueError("it has a document type")
    return root


def local(tag: str) -> str:
    """Return a tag's name without its namespace."""
    return tag.rpartition("}")[2]


def _check_encoding(content: bytes | bytearray, charset: str | None) -> None:
    declared = _DECLARED.match(bytes(content[:200]).removeprefix(b"\xef\xbb\xbf"))
    said = [charset] if charset else []
    said += [declared[1].decode("ascii", errors="replace")] if declared else []
    known = all(encoding.lower() in _READ_ALOUD for encoding in said)
    if not (known and content.lstrip().startswith(_BEGINNINGS)):
        raise Unreadable("not XML that we accept: it is in an encoding that we don't read")
