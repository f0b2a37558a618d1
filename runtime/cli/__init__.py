"""The command line: `stockbridge`, its commands, and what they do beyond running a process."""

from __future__ import annotations

from runtime.cli.command_line import main

__all__ = ["main"]
