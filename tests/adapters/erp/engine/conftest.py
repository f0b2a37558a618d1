"""A tiny ERP on a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.adapters.erp.engine.tiny import Tiny
from tests.adapters.scripted import answer, scripted


@pytest.fixture
async def tiny() -> AsyncIterator[Tiny]:
    async with scripted(answer(500, "nobody has thought of this")) as server:
        tiny = Tiny(server)
        yield tiny
        tiny.close()
