"""Text that others gave, as Markdown that shows just that: the Temporal UI renders summaries and details."""

from __future__ import annotations

import re
from typing import Final

_MEANT: Final = re.compile(r"[\\`*_\[\]<>|~&@#$]|:(?=//)|(?<=www)\.", re.IGNORECASE)
"""What begins emphasis, code, links, pictures, tables, tags, entities and addresses inside of a line."""

_NOT_SHOWN: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")
"""What breaks a line, or turns its direction."""


def escaped(text: str) -> str:
    """Return text as it is to be read, in one line."""
    return _MEANT.sub(r"\\\g<0>", _line(text))


def code(text: str) -> str:
    """Return text as code, in one line, for a person to copy."""
    line = _line(text)
    longest = max(map(len, re.findall("`+", line)), default=0)
    if not longest:
        return f"`{line}`"
    fence = "`" * (longest + 1)
    return f"{fence} {line} {fence}"


def _line(text: str) -> str:
    return _NOT_SHOWN.sub(" ", text).strip()
