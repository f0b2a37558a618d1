"""Logs: one line an event, for people or for machines."""

from __future__ import annotations

import logging

import structlog

from stockbridge.runtime.settings import Settings

_QUIET = ("temporalio", "httpx", "httpcore", "uvicorn", "zeep", "urllib3")

# Without the variables of each frame: keys, secrets and people's data are among them.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def configure(settings: Settings) -> None:
    """Send our own events and the libraries' warnings to standard error, in the format of the settings."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    for_machines = settings.log_format == "json"
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _TRACEBACKS if for_machines else structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer() if for_machines else structlog.dev.ConsoleRenderer(colors=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
