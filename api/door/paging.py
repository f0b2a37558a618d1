"""Lists in pages: `{"items": [...], "next": "<cursor>" or null}`."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import AfterValidator, BaseModel

from domain.errors import Fault
from domain.refusals import refusal

Item = TypeVar("Item")
Row = TypeVar("Row")

Limit = Annotated[int, Query(ge=1, le=1000, description="How many items a page has at most")]
Cursor = Annotated[str | None, Query(max_length=512, description="The `next` of the page before")]

Utc = Annotated[datetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
"""A time in an answer."""


class Page(BaseModel, Generic[Item]):
    """A page of a list, and the cursor of the next one."""

    items: list[Item]
    next: str | None = None


def cut(
    rows: Sequence[Row], limit: int, position: Callable[[Row], Sequence[object]]
) -> tuple[Sequence[Row], str | None]:
    """Cut a page off rows of which one more was read than it holds."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], cursor(*position(rows[limit - 1]))


def cursor(*position: object) -> str:
    """Write a position as a cursor."""
    return urlsafe_b64encode(json.dumps([str(part) for part in position]).encode()).decode().rstrip("=")


def position(cursor: str | None, length: int) -> list[str] | None:
    """Read a cursor. Raises `Rejected` with code `bad_cursor`."""
    if cursor is None:
        return None
    try:
        parts = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        parts = None
    if not isinstance(parts, list) or len(parts) != length or not all(_is_plain(part) for part in parts):
        raise bad_cursor()
    return parts


def _is_plain(part: object) -> bool:
    return isinstance(part, str) and "\x00" not in part and part.isprintable()


def bad_cursor() -> Exception:
    """Say that a cursor is none of ours."""
    return refusal([Fault("/query/cursor", "bad_cursor", "is not a cursor that was given out")])


def instant_of(text: str) -> datetime:
    """Read a time out of a cursor."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise bad_cursor() from None
