"""Times that callers tell of what happened: none is later than now by more than clocks differ, or from before all news.

Plans and deadlines are none of these: they may lie anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from pydantic import TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.commands import Instant
from domain.errors import Fault
from domain.said import Part
from domain.window import Window
from records import clock

HAPPENED: Final = ("occurred_at", "counted_at", "ordered_at")
"""The fields that say when something happened."""

_INSTANT: Final[TypeAdapter[datetime]] = TypeAdapter(Instant)


async def time_faults(connection: AsyncConnection, part: Part, window: Window) -> list[Fault]:
    """Say which times of a body can't be, by PostgreSQL's clock. A body that tells none costs no look at it."""
    if not any(told_time(part, name) for name in HAPPENED):
        return []
    return list(faults_by(part, window, await clock.now(connection)))


def faults_by(part: Part, window: Window, now: datetime) -> Iterator[Fault]:
    """Say which times of a body can't be, now."""
    for name in HAPPENED:
        told = told_time(part, name)
        if told is not None and window.is_ahead(told, now):
            detail = f"{in_utc(told)} is later than now, which is {in_utc(now)}: set the clock that says so"
            yield part.fault(name, "time_in_future", detail)
        elif told is not None and window.is_too_old(told, now):
            detail = f"{in_utc(told)} is more than {window.back.days} days before now, which is {in_utc(now)}"
            yield part.fault(name, "time_too_old", detail)


def told_time(part: Part, name: str) -> datetime | None:
    """Return a time as it was told; None where it was not, or can't be read."""
    told = part.get(name)
    try:
        return None if told is None else _INSTANT.validate_python(told)
    except ValidationError:
        return None


def in_utc(at: datetime) -> str:
    """Write an instant for a person, to the second."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
