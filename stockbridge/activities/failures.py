"""The one place where our errors become Temporal's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from temporalio.exceptions import ApplicationError

from stockbridge.domain.errors import InvariantViolated, Rejected, StockbridgeError
from stockbridge.ledger.writer import translating

NEVER_RETRIED = ("Rejected", "InvariantViolated")


@contextmanager
def as_failures() -> Iterator[None]:
    """Raise `Rejected` and `InvariantViolated` as failures that are never retried, all else as one that is.

    The type is the error's name in our tree; a refusal's details carry its code and words.
    """
    try:
        with translating():
            yield
    except Rejected as error:
        raise ApplicationError(error.detail, error.as_json(), type="Rejected", non_retryable=True) from error
    except InvariantViolated as error:
        raise ApplicationError(str(error), type="InvariantViolated", non_retryable=True) from error
    except StockbridgeError as error:
        raise ApplicationError(str(error), type=type(error).__name__) from error
