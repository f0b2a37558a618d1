"""The one place where our errors become Temporal's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, FailureError

from domain.errors import InvariantViolated, Rejected, StockbridgeError
from ledger.writing.writer import translating

NEVER_RETRIED = ("Rejected", "InvariantViolated")

log = structlog.get_logger(__name__)


@contextmanager
def as_failures() -> Iterator[None]:
    """Raise `Rejected` and `InvariantViolated` as failures that are never retried, all else as one that is.

    The type is the error's name in our tree; a refusal's details carry its code and words. What is bound to happen (an
    ERP is down, a carrier refuses) is a line in the log; Temporal's traceback is kept for our own bugs:
    a long chain of causes is more than the UI shows, and would hide the reason.

    A failure's words stay in a history, so they are ours. What isn't an error of our tree may quote what a partner
    said, or a row: its type and where it was raised are told, and no more.
    """
    try:
        with translating():
            yield
    except Rejected as error:
        _note("step.refused", error)
        raise ApplicationError(
            error.detail,
            {**error.as_json(), **_where_said(error)},
            type="Rejected",
            non_retryable=True,
            category=ApplicationErrorCategory.BENIGN,
        ) from None
    except InvariantViolated as error:
        broken = ApplicationError(str(error), type="InvariantViolated", non_retryable=True)
        raise broken.with_traceback(_first_of(error).__traceback__) from None
    except StockbridgeError as error:
        _note("step.waits", error)
        details = filter(None, [_where_said(error)])
        raise ApplicationError(
            str(error), *details, type=type(error).__name__, category=ApplicationErrorCategory.BENIGN
        ) from None
    except FailureError:
        raise
    except Exception as error:  # noqa: BLE001 - raised again, without its words
        kind = type(error).__name__
        unforeseen = ApplicationError(f"{kind}: nobody has thought of this; see where it was raised", type=kind)
        raise unforeseen.with_traceback(error.__traceback__) from None


def _where_said(error: StockbridgeError) -> dict[str, str]:
    """Tell under which id it is kept what a partner said, if it said something."""
    return {"said_id": str(error.said_id)} if error.said_id else {}


def _first_of(error: BaseException) -> BaseException:
    """Return what an error came of: there it was raised."""
    return error.__cause__ or error


def _note(event: str, error: StockbridgeError) -> None:
    if activity.in_activity():
        info = activity.info()
        told = {"step": info.activity_type, "workflow": info.workflow_id, "attempt": info.attempt}
        log.warning(event, reason=str(error), **told, **_where_said(error))
