"""Columns of many rows as PostgreSQL array literals: a bulk insert is then one statement of a pipeline.

COPY can't be pipelined, and psycopg's own lists take several times as long to write down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any


def columns(rows: Sequence[Sequence[Any]], texts: Sequence[int]) -> tuple[str, ...]:
    """Return one array literal for each column. `texts` are the positions of those that hold free text."""
    by_column = zip(*rows, strict=True)
    return tuple(_column(c, array_of_texts if i in texts else array_of_plain) for i, c in enumerate(by_column))


def _column(values: tuple[Any, ...], written: Callable[[Iterable[Any]], str]) -> str:
    """Write a column down. In most of a batch's columns all values are the same: that one is written once."""
    first, many = values[0], len(values)
    if values[-1] != first or values.count(first) != many:
        return written(values)
    return "{" + ",".join([written(values[:1])[1:-1]] * many) + "}"


def array_of_plain(values: Iterable[Any]) -> str:
    """Write numbers, ids, hex, booleans, dates or instants down: what needs no quotes. None is NULL."""
    return "{" + ",".join(map(str, values)).replace("None", "NULL") + "}"


def array_of_texts(values: Iterable[str]) -> str:
    """Write texts down, each in quotes."""
    listed = list(values)
    joined = '","'.join(listed)
    if "\\" in joined or joined.count('"') > 2 * (len(listed) - 1):
        joined = '","'.join(value.replace("\\", "\\\\").replace('"', '\\"') for value in listed)
    return f'{{"{joined}"}}' if listed else "{}"
