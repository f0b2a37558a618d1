"""The one place where our errors become Temporal's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from stockbridge.domain.errors import InvariantViolated, Rejected, StockbridgeError
from stockbridge.ledger.writer import translating

NEVER_RETRIED = ("Rejected", "InvariantViolated")

log = structlog.get_logger(__name__)


@contextmanager
def as_failures() -> Iterator[None]:
    """Raise `Rejected` and `InvariantViolated` as failures that are never retried, all else as one that is.

    The type is the error's name in our tree; a refusal's details carry its code and words. What is bound to happen (an
    ERP is down, a carrier refuses) is a line in the log; Temporal's traceback is kept for our own bugs:
    a long chain of causes is more than the UI shows, and would hide the reason.
    """
    try:
        with translating():
            yield
    except Rejected as error:
        _note("step.refused", error)
        raise ApplicationError(
            error.detail,
            error.as_json(),
            type="Rejected",
            non_retryable=True,
            category=ApplicationErrorCategory.BENIGN,
        ) from None
    except InvariantViolated as error:
        raise ApplicationError(str(error), type="InvariantViolated", non_retryable=True) from error
    except StockbridgeError as error:
        _note("step.waits", error)
        raise ApplicationError(
            str(error), type=type(error).__name__, category=ApplicationErrorCategory.BENIGN
        ) from None


def _note(event: str, error: StockbridgeError) -> None:
    if activity.in_activity():
        info = activity.info()
        log.warning(event, reason=str(error), step=info.activity_type, workflow=info.workflow_id, attempt=info.attempt)
