"""A warehouse for each test."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.writing.writer import LedgerWriter

from .warehouse import Warehouse


@pytest.fixture
def warehouse(engine: AsyncEngine, tenant: str) -> Warehouse:
    """Return a warehouse of a tenant of its own."""
    return Warehouse(LedgerWriter(engine), engine, tenant)
