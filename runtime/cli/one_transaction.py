"""PostgreSQL for a command that does one thing and is over: a transaction on a connection of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from ledger.writing.writer import translating
from runtime.settings import sqlalchemy_url


@asynccontextmanager
async def one_transaction(url: str) -> AsyncIterator[AsyncConnection]:
    """Open a transaction at an address, and commit it at the end. What goes wrong is told in our words."""
    engine = create_async_engine(sqlalchemy_url(url))
    try:
        with translating():
            async with engine.begin() as connection:
                yield connection
    finally:
        await engine.dispose()
