"""The form in which what an ERP said is kept: JSON's own values, and the same after having been written and read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from adapters.erp.language.budget import CannotSay
from adapters.erp.language.values import MOST_DEPTH, Value, rfc_3339


def kept(value: Value, pointer: str | None = None) -> Value:
    """Return a value as JSON has it: times and days are texts as `to_json` writes them, numbers keep their digits.

    Raises `CannotSay` for one of more levels than JSON is read with, as it could not be read again. It may become part
    of a tree, which has a level more. The `pointer` is the place in the file that it is of.
    """
    return _kept(value, 1, pointer)


def _kept(value: Value, depth: int, pointer: str | None) -> Value:
    if isinstance(value, datetime):
        return rfc_3339(value)
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, list | Mapping):
        return value
    if depth == MOST_DEPTH:
        raise CannotSay(f"it has more than {MOST_DEPTH - 1} levels", None, pointer)
    if isinstance(value, list):
        return [_kept(item, depth + 1, pointer) for item in value]
    return {name: _kept(inside, depth + 1, pointer) for name, inside in value.items()}
