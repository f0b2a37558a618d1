"""How a process without a door of its own (worker, relay) says that it does its work now.

A file, because everything can look for one: the stack that started it, a container's health check, a person.
"""

from __future__ import annotations

from pathlib import Path

from runtime.settings import Settings


def announce_ready(settings: Settings) -> None:
    """Make the file named by STOCKBRIDGE_READY_FILE; without that setting nobody is waiting."""
    if settings.ready_file:
        Path(settings.ready_file).touch()


def withdraw_ready(settings: Settings) -> None:
    """Take the file away: at the start, and when the work ends."""
    if settings.ready_file:
        Path(settings.ready_file).unlink(missing_ok=True)
