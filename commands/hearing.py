"""What a partner says when it does not do what was asked: kept in `records`, and its id goes on with the error."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.errors import OutcomeUnknown, Rejected, StockbridgeError
from records import partner_words
from records.partner_words import Asked


@asynccontextmanager
async def hearing(engine: AsyncEngine, asked: Asked) -> AsyncIterator[None]:
    """Keep what is said while a partner is asked."""
    try:
        yield
    except StockbridgeError as error:
        if error.said is not None:
            async with engine.begin() as connection:
                error.said_id = await partner_words.keep(connection, asked, _code_of(error), error.said)
        raise


@contextmanager
def hearing_at_once(engine: Engine, asked: Asked) -> Iterator[None]:
    """Keep the same on a thread."""
    try:
        yield
    except StockbridgeError as error:
        if error.said is not None:
            with engine.begin() as connection:
                error.said_id = partner_words.keep_at_once(connection, asked, _code_of(error), error.said)
        raise


def _code_of(error: StockbridgeError) -> str:
    if isinstance(error, Rejected):
        return error.code
    return "outcome_unknown" if isinstance(error, OutcomeUnknown) else "unavailable"
