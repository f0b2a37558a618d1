"""Why something was done: a code, which may stand anywhere, or words, which may be about people."""

from __future__ import annotations

import re
from typing import Final

_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,63}")


def code_of(said: str | None) -> str:
    """Return a reason that is a code; nothing of one that is free text."""
    return said if said and _CODE.fullmatch(said) else ""


def words_of(said: str | None) -> str | None:
    """Return a reason that is free text; None of one that is a code."""
    return None if said is None or code_of(said) else said
