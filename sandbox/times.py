"""The sandbox's own clock: it lives outside the hub, so its times are its own."""

from __future__ import annotations

from datetime import UTC, datetime


def now_text() -> str:
    """Tell the present moment, RFC 3339 in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
