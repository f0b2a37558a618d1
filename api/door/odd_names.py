"""Lots and serial numbers that are told otherwise than names are kept now: some are stored just so, from before."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from starlette.datastructures import QueryParams

from domain.characters import is_normal, is_storable

ONE: Final = ("lot", "serial_number")
MANY: Final = "serial_numbers"
"""The fields that name goods, in bodies and addresses alike."""

_MOST_IN_A_LIST: Final = 500
"""Of longer lists of objects the rest is not looked at: they are refused."""


def odd_names(query: QueryParams, body: Any) -> Collection[str]:
    """Return the names of goods in a request that are not in their one form."""
    asked_for = (value for name, value in query.multi_items() if name in ONE)
    told = {name for part in _objects(body) for name in _names(part)}
    return {name for name in (*asked_for, *told) if is_storable(name) and not is_normal(name)}


def _objects(told: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a body that can name goods: itself, and what is in it and its lists."""
    waiting = [told]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting += (value for value in part.values() if isinstance(value, dict | list))
        elif isinstance(part, list):
            waiting += islice((each for each in part if isinstance(each, dict)), _MOST_IN_A_LIST)


def _names(part: Mapping[str, Any]) -> Iterator[str]:
    many = part.get(MANY)
    told = (*(part.get(name) for name in ONE), *(many if isinstance(many, list) else ()))
    return (name for name in told if isinstance(name, str))
