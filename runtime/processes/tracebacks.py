"""An error as it is logged: where it was raised, without variables, for keys and people's data are among them.

Its words are logged where they are ours: others' may quote what a partner said, or a row, and so be about people.
"""

from __future__ import annotations

from collections.abc import Iterator
from traceback import format_tb
from typing import Any, Final

from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import ExcInfo
from temporalio.exceptions import FailureError

from domain.errors import StockbridgeError

_OURS: Final = (StockbridgeError, FailureError)
"""Errors whose words are ours. Failures of Temporal have been through `as_failures`."""


def as_text(exc_info: ExcInfo) -> str:
    """Write down an error and what it came of, which is told first."""
    return "\n".join(_told(error) for error in reversed([*_chain(exc_info[1])]))


def as_data(exc_info: ExcInfo) -> list[dict[str, Any]]:
    """Write down the same for machines."""
    stacks = _without_variables(exc_info)
    for stack, error in zip(stacks, _chain(exc_info[1]), strict=False):
        members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
        stack["exceptions"] = [as_data((type(each), each, each.__traceback__)) for each in members]
        stack |= {"exc_value": _words_of(error), "exc_notes": []}
    return stacks


_without_variables: Final = ExceptionDictTransformer(show_locals=False)


def _told(error: BaseException) -> str:
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    frames = "".join(format_tb(error.__traceback__))
    told = f"Traceback (most recent call last):\n{frames}{type(error).__name__}: {_words_of(error)}".rstrip(": ")
    return "\n".join([told, *map(_told, members)])


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and what it came of."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _words_of(error: BaseException) -> str:
    return str(error) if isinstance(error, _OURS) else ""
