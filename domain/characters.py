"""Which characters names and words may hold, and the one form that names have.

A name is what tells one thing from another: a lot, a serial number, who did it and with what. What looks the same is
the same name: NFC, every blank a plain one, none at its ends, and nothing inside that can't be seen. Letters that only
look alike (a Cyrillic A) are other letters. Words are for people, and kept as they came.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

CONTROLS: Final = frozenset({"Cc", "Zl", "Zp"})
"""The categories of control characters, and of what ends a line."""

_UNSEEN: Final = CONTROLS | {"Cf", "Cn", "Cs"}
_PLAIN: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_EMPTY_ENDS: Final = "\u180e\u200b\u2060\ufeff"
"""What has no width and no meaning at an end: from a copied cell, or the mark that begins a file."""

# Letters, marks and symbols that show nothing, and those that stand for a character that was lost.
_UNSEEN_THOUGH_NO_CONTROL: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufffc\ufffd\U000e0100-\U000e01ef]"
)
_NOT_IN_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NOT_STORABLE: Final = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT: Final = "\ufffd"


@dataclass
class Naming:
    """How names are taken: those that are `kept` as they are told, and whether another one was told otherwise."""

    kept: Container[str] = ()
    changed: bool = False


_naming: ContextVar[Naming | None] = ContextVar("how_names_are_taken", default=None)


class Everything(Container[str]):
    """All names."""

    def __contains__(self, name: object) -> bool:
        """Say that it is one of them."""
        return True


# -- names -----------------------------------------------------------------------------------------------------------


@contextmanager
def keeping(names: Container[str]) -> Iterator[None]:
    """Take these names as they are told, meanwhile: they were stored so before names had one form."""
    with _taking(Naming(names)):
        yield


@contextmanager
def watching() -> Iterator[Naming]:
    """Take names as before, and notice whether one was told otherwise than it is kept."""
    outside = _naming.get()
    with _taking(Naming(outside.kept if outside else ())) as naming:
        yield naming


@contextmanager
def _taking(naming: Naming) -> Iterator[Naming]:
    token = _naming.set(naming)
    try:
        yield naming
    finally:
        _naming.reset(token)


def is_kept(told: str) -> bool:
    """Say whether a name is one that is taken as it is told."""
    naming = _naming.get()
    return naming is not None and told in naming.kept


def meant_by(told: str) -> str:
    """Return the name that is meant: the one that is stored just so, else its one form."""
    if _PLAIN.fullmatch(told) or is_kept(told):
        return told
    name, naming = normal_form(told), _naming.get()
    if name != told and naming is not None:
        naming.changed = True
    return name


def normal_form(told: str) -> str:
    """Return the one form of a name. What it must not hold is still in it: see `first_unseen`."""
    if _PLAIN.fullmatch(told):
        return told
    blanks = "".join(" " if unicodedata.category(each) == "Zs" else each for each in told)
    return unicodedata.normalize("NFC", blanks.strip(" " + _EMPTY_ENDS))


def is_normal(told: str) -> bool:
    """Say whether a name may be taken as it is told."""
    return bool(_PLAIN.fullmatch(told)) or (told == normal_form(told) and first_unseen(told) is None)


def first_unseen(name: str) -> str | None:
    """Return the first character of a name that can't be seen, or lost what it stood for."""
    return None if _PLAIN.fullmatch(name) else next(filter(_is_unseen, name), None)


def _is_unseen(character: str) -> bool:
    unseen = unicodedata.category(character) in _UNSEEN
    return unseen or _UNSEEN_THOUGH_NO_CONTROL.match(character) is not None


def seen(told: str) -> str:
    """Return what of a text can be seen, and its blanks: a number that is looked for, not one that is stored."""
    if told.isascii():
        return told
    return "".join(each for each in unicodedata.normalize("NFC", told) if not _is_unseen(each))


# -- words -----------------------------------------------------------------------------------------------------------


def is_blank(words: str) -> bool:
    """Say whether there is nothing in a text that can be seen."""
    return all(_is_unseen(each) or unicodedata.category(each) == "Zs" for each in words)


def first_control(words: str) -> str | None:
    """Return the first character of a line that would end it, or does something else than stand for itself."""
    if words.isascii() and words.isprintable():
        return None
    return next((each for each in words if unicodedata.category(each) in CONTROLS), None)


def first_untold(words: str) -> str | None:
    """Return the first character that XML 1.0 has not, of those that are no control characters: half of one, or none.

    Source: XML 1.0 (Fifth Edition), production 2, Char.
    """
    return next((each for each in _NOT_IN_XML.findall(words) if unicodedata.category(each) not in CONTROLS), None)


def for_xml(words: str) -> str:
    """Mark what XML 1.0 can't carry."""
    return _NOT_IN_XML.sub(REPLACEMENT, words)


def is_storable(words: str) -> bool:
    """Say whether PostgreSQL can keep a text."""
    return _NOT_STORABLE.search(words) is None


def storable(words: str) -> str:
    """Mark what PostgreSQL can't keep: NUL, and halves of characters."""
    return _NOT_STORABLE.sub(REPLACEMENT, words)


def as_line(words: str) -> str:
    """Mark what a line must not hold."""
    return "".join(REPLACEMENT if unicodedata.category(each) in CONTROLS | {"Cs"} else each for each in words)


def named(character: str) -> str:
    """Name a character for a person: `U+200B ZERO WIDTH SPACE`."""
    category = unicodedata.category(character)
    unnamed = {"Cc": "a control character", "Cs": "half of a character", "Co": "a private character"}
    name = unicodedata.name(character, "") or unnamed.get(category, "not a character")
    return f"U+{ord(character):04X} ({name})"
