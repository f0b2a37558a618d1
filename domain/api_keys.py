"""API keys: what they look like, what they are for, and what may be asked of them.

A key that we make is `stockbridge_`, 43 characters for 32 random bytes, and 6 for their checksum, all letters and
digits: secret scanners find it, one that was mistyped or cut off shows it, and a double click takes all of it.
"""

from __future__ import annotations

import re
import string
from enum import StrEnum
from typing import Annotated, Final
from zlib import crc32

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from domain.commands import Instant, Key, Shape
from domain.texts import Name, Phrase

PREFIX: Final = "stockbridge_"
SECRET_BYTES: Final = 32
LONGEST_KEY: Final = 512
DAY_S: Final = 24 * 3600
LONGEST_GRACE_S: Final = 90 * DAY_S

DEMO_ERP_KEY: Final = "demo-erp-key"
DEMO_FLOOR_KEY: Final = "demo-floor-key"
WELL_KNOWN: Final = (DEMO_ERP_KEY, DEMO_FLOOR_KEY)
"""The embedded stack's, which everybody knows."""

_LETTERS: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET_LENGTH: Final = 43
_CHECKSUM_LENGTH: Final = 6
_SENDABLE: Final = re.compile(rf"[!-~]{{1,{LONGEST_KEY}}}")

_BITS_WANTED: Final = 128
_BITS_OF: Final = ((re.compile(r"[0-9]*"), 3.32), (re.compile(r"[0-9a-f]*|[0-9A-F]*"), 4.0))
_MOST_BITS: Final = 6.0


class Scope(StrEnum):
    """What a key is for. Floor and office may do the same; an administrator manages keys, and nothing else."""

    SOURCE = "source"
    FLOOR = "floor"
    OFFICE = "office"
    ADMINISTRATOR = "administrator"


def written(secret: bytes) -> str:
    """Write random bytes as a key."""
    body = PREFIX + _digits(int.from_bytes(secret), _SECRET_LENGTH)
    return body + _checksum(body)


def is_misspelt(key: str) -> bool:
    """Say whether a key is meant to be one of ours, and can't be: its checksum is another one."""
    return key.startswith(PREFIX) and key[-_CHECKSUM_LENGTH:] != _checksum(key[:-_CHECKSUM_LENGTH])


def is_sendable(key: str) -> bool:
    """Say whether a header can carry a key: visible ASCII, and not without end."""
    return _SENDABLE.fullmatch(key) is not None


def is_guessable(key: str) -> bool:
    """Say whether a key can't have 128 bits of chance in it, however it was drawn: fewer than 22 characters, say."""
    bits = next((bits for alphabet, bits in _BITS_OF if alphabet.fullmatch(key)), _MOST_BITS)
    return len(key) * bits < _BITS_WANTED


def _checksum(body: str) -> str:
    return _digits(crc32(body.encode()), _CHECKSUM_LENGTH)


def _digits(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, len(_LETTERS))
        digits = _LETTERS[digit] + digits
    return digits


class NewKey(Shape):
    """A key that is to be made. Its name is unique in its tenant, for ever."""

    name: Key
    owner: Annotated[Name, Field(description="Whom it is for, and who is told when it must change")]
    scope: Scope
    source: Annotated[
        Key | None, Field(description="The ERP that it speaks for; for the scope `source`", validate_default=True)
    ] = None
    expires_at: Annotated[Instant | None, Field(description="When it ends by itself; never if left out")] = None
    actor: Name | None = None

    @field_validator("source")
    @classmethod
    def _goes_with_the_scope(cls, source: str | None, info: ValidationInfo) -> str | None:
        if "scope" in info.data and (info.data["scope"] is Scope.SOURCE) != (source is not None):
            raise PydanticCustomError(
                "scope_or_source", "a key of the scope `source` names its ERP, and one of another scope names none"
            )
        return source


class KeyRotation(Shape):
    """A key is to have a successor, and to work beside it for a while."""

    successor: Annotated[Key | None, Field(description="The new key's name; the old one with a number by default")] = (
        None
    )
    grace_s: Annotated[
        int, Field(ge=0, le=LONGEST_GRACE_S, strict=True, description="How long the old one still works; 0: no more")
    ] = DAY_S
    actor: Name | None = None


class KeyRevocation(Shape):
    """A key is to end at once, and for ever."""

    reason: Phrase | None = None
    actor: Name | None = None


_NUMBERED: Final = re.compile(r"(.+?)-([1-9][0-9]{0,5})")


def numbered(name: str, taken: set[str]) -> str:
    """Name a successor: `erp` is followed by `erp-2`, that by `erp-3`, and what is taken is passed."""
    found = _NUMBERED.fullmatch(name)
    stem, number = (found[1], int(found[2])) if found else (name, 1)
    while (following := f"{stem[: 63 - len(str(number + 1))]}-{number + 1}") in taken:
        number += 1
    return following
