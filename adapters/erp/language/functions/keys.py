"""Keys of ours that stand for a vendor's numbers: another key for each text, and the way back."""

from __future__ import annotations

import re
from typing import Final

from adapters.erp.language.budget import CannotSay

# key   = kept | "x~~" escaped          the second where it would not begin with a letter or a digit
# escape = "~" two hexadecimal digits   of each byte, in UTF-8, of what a key can't hold, and of "~" itself
LONGEST_KEY: Final = 64
_KEPT: Final = re.compile(r"[A-Za-z0-9._-]*+")
_FIRST: Final = re.compile(r"[A-Za-z0-9]")
_ESCAPED: Final = re.compile(r"[^A-Za-z0-9._-]")
_ESCAPE: Final = re.compile(rb"~([0-9A-F]{2})")
_MARK: Final = "x~~"


def as_key(text: str) -> str:
    """Return the key that stands for a text, and for no other one. Raises `CannotSay` where it would be too long."""
    if len(text) > LONGEST_KEY:
        raise CannotSay(f"a key has at most {LONGEST_KEY} characters")
    if not text:
        raise CannotSay("a key can't be empty")
    try:
        key = _ESCAPED.sub(_escape, text)
    except UnicodeEncodeError:
        raise CannotSay("half of a character can't be in a key") from None
    key = key if _FIRST.match(key) else _MARK + key
    if len(key) > LONGEST_KEY:
        raise CannotSay(f"a key has at most {LONGEST_KEY} characters, and with what it can't hold escaped, it has more")
    return key


def _escape(odd: re.Match[str]) -> str:
    return "".join(f"~{byte:02X}" for byte in odd[0].encode())


def from_key(key: str) -> str:
    """Return the text that a key stands for. Raises `CannotSay` for what no text has as its key."""
    escaped = key.removeprefix(_MARK)
    try:
        text = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), escaped.encode()).decode()
        if as_key(text) == key:
            return text
    except (UnicodeError, CannotSay):
        pass
    raise CannotSay("it is no key that `key` has made")
