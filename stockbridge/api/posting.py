"""What is said at the door and goes to the ledger as it is: what every posting is told, and trying anew."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

from stockbridge.api.auth import actor_of
from stockbridge.api.said import asked
from stockbridge.domain.commands import FromTheFloor
from stockbridge.domain.errors import Rejected
from stockbridge.domain.stock import Evidence
from stockbridge.ledger.writer import Outcome
from stockbridge.records.keys import ApiKey


def said_by(caller: ApiKey, body: FromTheFloor) -> dict[str, Any]:
    """Return what every posting is told: whose it is, who did it, how we know, and what was asked."""
    return {
        "tenant": caller.tenant,
        "actor": actor_of(caller, body.actor),
        "evidence": Evidence.SCANNED if body.device else Evidence.CONFIRMED,
        "asked": asked(body),
    }


def posted(outcome: Outcome) -> UUID:
    """Return the id of a posting: something moved, or its key is kept though nothing did."""
    assert outcome.posting_id is not None
    return outcome.posting_id


async def anew(code: str, times: int, ask: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """Ask again what is refused with this code, so often at most: something was posted while it was being asked."""
    overtaken = retry_if_exception(lambda error: isinstance(error, Rejected) and error.code == code)
    return await AsyncRetrying(retry=overtaken, stop=stop_after_attempt(times), reraise=True)(ask)
