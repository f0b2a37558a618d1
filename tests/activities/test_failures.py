"""Our errors as Temporal's: the reason stands at the top, and only our own bugs bring their traceback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID

import pytest
from psycopg import Error as DriverError
from psycopg.errors import NotNullViolation, UniqueViolation
from sqlalchemy.exc import IntegrityError, OperationalError
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError

from activities.failures import as_failures
from domain.errors import InvariantViolated, OutcomeUnknown, Rejected, StockbridgeError, Unavailable

SAID: Final = "Ida Holm, +49 171 5550199"


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


async def test_our_own_bug_is_written_into_a_history_with_where_it_was_raised() -> None:
    failure = Failure()

    await pydantic_data_converter.encode_failure(failure_of(InvariantViolated("a bug")), failure)

    assert (failure.message, failure.HasField("cause")) == ("a bug", False)
    assert "raise error" in failure.stack_trace


@pytest.mark.parametrize("refused", [UniqueViolation, NotNullViolation])
async def test_what_postgresql_quotes_of_a_row_is_not(refused: type[DriverError]) -> None:
    """A row may be about people."""
    failure = Failure()
    broken = IntegrityError("insert", {"name": SAID}, refused(f"DETAIL: Failing row contains ({SAID})."))

    await pydantic_data_converter.encode_failure(failure_of(broken), failure)

    assert failure.application_failure_info.type == "InvariantViolated"
    assert SAID not in str(failure)


async def test_what_nobody_has_thought_of_is_told_by_its_type_and_place_alone() -> None:
    """It may quote whatever was read."""
    failure = Failure()
    unforeseen = ValueError(SAID)
    unforeseen.__cause__ = KeyError(SAID)

    await pydantic_data_converter.encode_failure(failure_of(unforeseen), failure)

    assert failure.application_failure_info.type == "ValueError"
    assert not failure.application_failure_info.non_retryable
    assert "raise error" in failure.stack_trace
    assert SAID not in str(failure)


@pytest.mark.parametrize("kind", [Unavailable, OutcomeUnknown, lambda words, said: Rejected("no", words, said=said)])
async def test_a_failure_has_the_id_of_what_a_partner_said_and_not_its_words(
    kind: Callable[..., StockbridgeError],
) -> None:
    failure, error = Failure(), kind("No.", said=SAID)
    error.said_id = UUID(int=7)

    await pydantic_data_converter.encode_failure(failure_of(error), failure)

    assert str(UUID(int=7)) in str(failure)
    assert SAID not in str(failure)
