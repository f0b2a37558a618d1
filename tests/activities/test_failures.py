"""Our errors as Temporal's: the reason stands at the top, and only our own bugs bring their traceback."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import OperationalError
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError

from stockbridge.activities.failures import as_failures
from stockbridge.domain.errors import InvariantViolated, OutcomeUnknown, Rejected, Unavailable


def failure_of(error: Exception) -> ApplicationError:
    with pytest.raises(ApplicationError) as raised, as_failures():
        raise error
    return raised.value


@pytest.mark.parametrize("error", [Unavailable("away"), OutcomeUnknown("unheard")])
def test_what_may_go_better_next_time_is_retried(error: Exception) -> None:
    failure = failure_of(error)

    assert (failure.type, failure.non_retryable, failure.message) == (type(error).__name__, False, str(error))


@pytest.mark.parametrize("error", [Rejected("no", "No."), InvariantViolated("a bug")])
def test_what_never_gets_better_is_not(error: Exception) -> None:
    failure = failure_of(error)

    assert (failure.type, failure.non_retryable, failure.message) == (type(error).__name__, True, str(error))


def test_a_refusal_carries_its_code_and_words() -> None:
    (details,) = failure_of(Rejected("unknown_sku", "MUG is not in the catalog.")).details

    assert (details["code"], details["detail"]) == ("unknown_sku", "MUG is not in the catalog.")


def test_a_database_that_is_away_is_waited_for() -> None:
    failure = failure_of(OperationalError("select 1", {}, OSError("gone")))

    assert failure.type == "Unavailable"


@pytest.mark.parametrize("error", [Unavailable("away"), Rejected("no", "No.")])
async def test_what_is_bound_to_happen_is_written_into_a_history_without_its_traceback(error: Exception) -> None:
    """A long chain of causes is more than the UI shows, and would hide the reason."""
    failure = Failure()

    await pydantic_data_converter.encode_failure(failure_of(error), failure)

    assert failure.message == str(error)
    assert not failure.HasField("cause")


async def test_our_own_bug_is_written_into_a_history_with_its_cause() -> None:
    """An error that is its own cause could not be: the converter would follow it for ever."""
    failure = Failure()

    await pydantic_data_converter.encode_failure(failure_of(InvariantViolated("a bug")), failure)

    assert failure.cause.application_failure_info.type == "InvariantViolated"
    assert not failure.cause.HasField("cause")
