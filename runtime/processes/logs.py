"""Logs: one line an event, for people or for machines. What can't be written is lost, and no work with it."""

from __future__ import annotations

import logging
import sys
from threading import Lock
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

from runtime.processes.tracebacks import as_data, as_text
from runtime.settings import Settings

_QUIET = ("temporalio", "httpx", "httpcore", "uvicorn", "zeep", "urllib3")
_IN_LINES: Final = ("exception", "stack")
"""What has several lines in a log for people: each is set off, so that none looks like an event of its own."""


def configure(settings: Settings) -> None:
    """Send our own events to standard output and the libraries' warnings to standard error, as the settings say."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    _configure_libraries(level)
    for_machines = settings.log_format == "json"
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(_for_machines() if for_machines else _for_people()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=UnfailingLogger,
        cache_logger_on_first_use=True,
    )


def _for_machines() -> tuple[Any, ...]:
    return structlog.processors.ExceptionRenderer(as_data), structlog.processors.JSONRenderer()


def _for_people() -> tuple[Any, ...]:
    rendered = structlog.processors.ExceptionRenderer(as_text)
    return rendered, in_plain_text, structlog.dev.ConsoleRenderer(colors=False)


def _configure_libraries(level: int) -> None:
    logging.raiseExceptions = False  # what can't be written is nobody's fault who called
    handler = logging.StreamHandler()
    handler.setFormatter(_PlainFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


class UnfailingLogger:
    """Writes lines to standard output. A disk that is full, or a pipe that nobody reads any more, fails no one.

    How many lines were lost is told when writing works again.
    """

    def __init__(self, *_args: Any, stream: TextIO | None = None) -> None:
        self._stream = stream

    def msg(self, message: str) -> None:
        """Write a line, if it can be written."""
        with _writing:
            told = f'{{"event": "log.lines_lost", "lines": {_lost.lines}}}\n' if _lost.lines else ""
            if _written(self._stream or sys.stdout, f"{told}{message}\n"):
                _lost.lines = 0
            else:
                _lost.lines += 1

    log = debug = info = warn = warning = error = critical = fatal = exception = failure = err = msg


class _Lost:
    """How many lines could not be written since the last one that could."""

    lines: int = 0


_lost: Final = _Lost()
_writing: Final = Lock()


def _written(stream: TextIO | None, text: str) -> bool:
    """Write text at once, and say whether that was possible. There may be no stream, or a closed one."""
    if stream is None:
        return False
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):
        return False
    return True


# -- plain text ------------------------------------------------------------------------------------------------------


def in_plain_text(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Escape what would steer a terminal, turn the direction of writing or begin a line: it may come from anyone."""
    return {
        escaped(name): in_lines(value) if name in _IN_LINES and isinstance(value, str) else _plain(value)
        for name, value in event.items()
    }


def _plain(value: Any) -> Any:
    match value:
        case str():
            return escaped(value)
        case None | bool() | int() | float():
            return value
        case _:
            return escaped(repr(value))


def escaped(text: str) -> str:
    """Write all that can't be printed as Python does: by its number."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def in_lines(text: str) -> str:
    """Escape each line of a traceback, and set it off."""
    return "\n".join(f"  {escaped(line)}" for line in text.split("\n"))


class _PlainFormatter(logging.Formatter):
    """Writes what libraries say as plain text."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        record.message = escaped(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - likewise
        return in_lines(as_text(ei))


__all__ = ["UnfailingLogger", "configure", "escaped", "in_lines", "in_plain_text"]
