from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from runtime.embedded import ports


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def test_a_free_port_is_taken_as_wished(taken: int) -> None:
    wished = ports.any_free()
    assert ports.preferred_or_free(wished) == wished
    assert wished != taken


def test_a_taken_port_gives_way_to_the_next_free_one(taken: int) -> None:
    chosen = ports.preferred_or_free(taken)
    assert chosen != taken
    assert ports.is_free(chosen)


def test_a_port_that_was_promised_to_another_is_passed_over() -> None:
    wished = ports.any_free()
    assert ports.preferred_or_free(wished, besides=[wished]) != wished


def test_without_a_wish_any_free_port_will_do(taken: int) -> None:
    chosen = ports.preferred_or_free(None)
    assert chosen != taken
    assert ports.is_free(chosen)


def test_beyond_the_last_port_any_free_one_is_taken() -> None:
    assert 0 < ports.preferred_or_free(65_535, besides=[65_535]) < 65_536
