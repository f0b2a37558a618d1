"""The way along a path, from a value to what is inside of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from adapters.erp.language.budget import CannotSay, a
from adapters.erp.language.values import MISSING, Result


def follow(value: Result, names: Iterable[str | int]) -> Result:
    """Return what stands under the names, each inside of the one before: `MISSING` where one isn't there.

    A number is a place in a list. Raises `CannotSay` where a value has nothing inside, or is a list and no place is
    said. It takes a step for each name, which the caller counts.
    """
    for name in names:
        if isinstance(value, dict | Mapping):  # most are the first, which is quicker to tell
            value = value.get(name, MISSING) if isinstance(name, str) else _no_place(name)
        elif isinstance(value, list):
            value = _at(value, name)
        elif value is None or value is MISSING:
            return MISSING
        else:
            raise CannotSay(f"there is nothing inside of {a(value)}, so no `{name}`")
    return value


def _no_place(place: int) -> Result:
    raise CannotSay(f"it is a tree, which has no place {place}")


def _at(items: Sequence[Result], place: str | int) -> Result:
    if isinstance(place, str):
        raise CannotSay(
            f"`{place}` is asked of a list: say of which with `| first`, or of each with `| all('{place}')`"
        )
    return items[place] if place < len(items) else MISSING
