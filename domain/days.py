"""Days are a site's: they begin and end by its own time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo


def day_at(instant: datetime, zone: str | None) -> date:
    """Return which day an instant belongs to, in a time zone; in UTC where it has no name, or none that is known."""
    return instant.astimezone(_zone(zone)).date()


@lru_cache(maxsize=1024)
def _zone(name: str | None) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (KeyError, ValueError, OSError):  # of a catalog that knows more zones than this machine
        return UTC


def expiry_of(produced_on: date, shelf_life_days: int) -> date:
    """Return the last day on which goods may be used that keep so long; the last there is, where it lies beyond."""
    try:
        return produced_on + timedelta(days=shelf_life_days)
    except OverflowError:
        return date.max
