"""TCP ports: the one that people expect, or any that is free."""

from __future__ import annotations

import socket
from collections.abc import Collection
from contextlib import closing

LOOPBACK = "127.0.0.1"


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Say whether a server could listen on `host:port` now."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def any_free(host: str = LOOPBACK) -> int:
    """Return a port that nobody listens on. It stays free only until someone takes it: use it soon."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def preferred_or_free(
    preferred: int | None, host: str = LOOPBACK, *, besides: Collection[int] = (), attempts: int = 100
) -> int:
    """Return `preferred` if it is free, else the next free one after it; with None, any free port.

    `besides` are ports that were chosen before and are not in use yet.
    """
    if preferred is None:
        return any_free(host)
    for port in range(preferred, min(preferred + attempts, 65_536)):
        if port not in besides and is_free(port, host):
            return port
    return any_free(host)
