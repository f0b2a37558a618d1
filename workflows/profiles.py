"""Every timeout and retry profile, named for what is being waited for."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, TypedDict

from temporalio.common import RetryPolicy

from activities.failures import NEVER_RETRIED


class Local(TypedDict):
    """How a short step in the house runs as a local activity."""

    start_to_close_timeout: timedelta
    schedule_to_close_timeout: timedelta
    retry_policy: RetryPolicy


class Remote(TypedDict):
    """How a step runs as a normal activity: it waits durably, and shows as pending in the UI."""

    start_to_close_timeout: timedelta
    retry_policy: RetryPolicy


class AtOnce(Remote):
    """How a step runs of which it is soon known whether somebody is there to do it."""

    schedule_to_start_timeout: timedelta


class Long(Remote):
    """How a step runs that takes minutes: it tells that it lives, so that it is soon run again if its worker dies."""

    heartbeat_timeout: timedelta


LEDGER_STEP: Final = Local(
    start_to_close_timeout=timedelta(seconds=4),
    schedule_to_close_timeout=timedelta(seconds=4),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(milliseconds=50),
        maximum_interval=timedelta(seconds=1),
        maximum_attempts=8,
        non_retryable_error_types=NEVER_RETRIED,
    ),
)
"""The ledger answers in milliseconds; past a few seconds it is away.

Eight attempts take about four seconds: the SDK's own time limit does not end a local activity that fails fast."""

LEDGER_AWAY: Final = Remote(
    start_to_close_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=1),
        maximum_interval=timedelta(seconds=10),
        non_retryable_error_types=NEVER_RETRIED,
    ),
)
"""PostgreSQL is away: wait for it, for ever."""

ERP: Final = Remote(
    start_to_close_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=1),
        backoff_coefficient=1.7,
        maximum_interval=timedelta(seconds=30),
        non_retryable_error_types=NEVER_RETRIED,
    ),
)
"""An ERP may be down for days; the warehouse goes on, and the ERP catches up."""

CARRIER: Final = Remote(
    start_to_close_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(milliseconds=500),
        backoff_coefficient=1.7,
        maximum_interval=timedelta(seconds=30),
        non_retryable_error_types=NEVER_RETRIED,
    ),
)
"""A parcel waits at the dock for its label, so the first repeats come soon."""

CARRIER_AT_ONCE: Final = AtOnce(
    schedule_to_start_timeout=timedelta(seconds=10),
    start_to_close_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(maximum_attempts=1, non_retryable_error_types=NEVER_RETRIED),
)
"""A first try: the workflow waits with what it tells of the order, and hears soon if there is no answer.

No limit from schedule to close: a second try would begin beside a first one that started late."""

CHECKPOINT: Final = Long(
    start_to_close_timeout=timedelta(minutes=30),
    heartbeat_timeout=timedelta(minutes=1),
    retry_policy=LEDGER_AWAY["retry_policy"],
)
"""A checkpoint takes less than a second; the first one, of a ledger of many years, some minutes."""

LEDGER_CHECK: Final = Long(
    start_to_close_timeout=timedelta(hours=12),
    heartbeat_timeout=timedelta(minutes=1),
    retry_policy=LEDGER_AWAY["retry_policy"],
)
"""All of the ledger is read, so it takes as long as it is large."""
