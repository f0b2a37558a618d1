"""The little ERP, and the hub's way to it by a mapping."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from adapters.erp.engine.adapter import MappedErp
from tests.adapters.erp.connected import connected
from tests.adapters.erp.engine.inbound.shelf import KEY, Shelf, serving

HOOK = "hook-secret-9876543210"


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with serving() as running:
        yield running


@pytest.fixture
def reach(shelf: Shelf) -> Iterator[Callable[[str], MappedErp]]:
    """Connect the little ERP by a mapping's text."""
    with ExitStack() as open_ones:

        def reached(text: str) -> MappedErp:
            settings = {"address": f"{shelf.url}/api", "user": "erp"}
            erp = MappedErp(connected(text, {}, settings, {"key": KEY, "hook": HOOK}))
            open_ones.callback(erp.close)
            return erp

        yield reached
