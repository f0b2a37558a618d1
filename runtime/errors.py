"""What goes wrong while the wiring is put together: told to a person in one line, never as a traceback."""

from __future__ import annotations

from domain.errors import StockbridgeError


class StartupError(StockbridgeError):
    """Something that Stockbridge needs in order to run cannot be had; the message says what, and what helps."""


class FolderInUseError(StartupError):
    """Another stack works in the same data folder."""


class SettingMissingError(StartupError):
    """A command needs an environment variable that is not set."""
