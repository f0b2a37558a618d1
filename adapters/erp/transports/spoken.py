"""What an ERP said, as far as it can be told without knowing what was asked: an answer, a fault, or something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from adapters.erp.language.values import NotJson, Value, from_json
from adapters.erp.transports.http import Heard
from adapters.erp.transports.value_codecs import Codec, decode
from adapters.wire import Unreadable, check_parts, storable_json

JSON: Final = "application/json"

_CHARSETS: Final = frozenset(
    {"utf-8", "utf8", "us-ascii", "iso-8859-1", "iso-8859-2", "iso-8859-15", "windows-1250", "windows-1252"}
)
"""Those that an ERP may declare. Others are mistaken more often than meant, and some hide what they encode."""

_LONGEST_EXCERPT: Final = 2000
_MARKS: Final = (b"{", b"[", b",")
_MOST_PARTS: Final = 1_000_000
"""A page of an ERP's orders has some ten thousand. Each may take some hundred bytes of memory."""


@dataclass(frozen=True)
class Spoken:
    """What was said, and of which kind. `other` is what can't be relied on, such as a page for people.

    `body` is what it says; where that can't be read, it is as `said`, the beginning of its text.
    """

    kind: Literal["answer", "fault", "other"]
    status: int
    body: Value
    said: str
    media_type: str


def said(heard: Heard, encoding: str) -> str:
    """Return the beginning of what came as text, whatever it is."""
    return heard.content[: 4 * _LONGEST_EXCERPT].decode(charset_of(heard, encoding), "replace")[:_LONGEST_EXCERPT]


def text_of(heard: Heard, encoding: str) -> str:
    """Return all of what came as text. Raises `NotJson` where it isn't in the encoding that it is said to be in."""
    try:
        return heard.content.decode(charset_of(heard, encoding)).removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise NotJson("it isn't in its own encoding") from None


def json_of(heard: Heard, codec: Codec, encoding: str) -> Value:
    """Return what came, read as JSON. Raises `NotJson`."""
    content = text_of(heard, encoding).encode()
    try:
        check_parts(content, _MARKS, _MOST_PARTS)
    except Unreadable as error:
        raise NotJson(str(error)) from None
    return decode(from_json(bytes(storable_json(content))), codec)


def is_json(media_type: str) -> bool:
    """Say whether something claims to be JSON."""
    return media_type == JSON or media_type.endswith(("+json", "/json", "/json-rpc"))


def charset_of(heard: Heard, encoding: str) -> str:
    """Return the encoding that the ERP declares, if it is one of a few, else the one that its door declares."""
    return heard.charset if heard.charset in _CHARSETS else encoding


def ascii_json(content: bytes) -> bytes:
    """Write JSON so that it is the same in every encoding: other letters stand in its texts only, and are escaped."""
    text = content.decode()
    return content if text.isascii() else "".join(map(_escaped, text)).encode("ascii")


def _escaped(letter: str) -> str:
    if letter.isascii():
        return letter
    units = letter.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
