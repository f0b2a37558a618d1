"""The legacy ERP's transport: one HTTP POST a call. It knows no messages."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from adapters.ending import Endings
from adapters.wire import Answer, options, read_blocking

_MAX_BYTES = 4 * 1024 * 1024


class SoapClient:
    """One connection pool to one service; threads may share it. `post` raises httpx's errors and `Unreadable`."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url = url
        self._max_s = 2 * timeout_s
        self._http = httpx.Client(**options(timeout_s))
        self._endings = Endings(self._http)

    def post(self, envelope: bytes, headers: Mapping[str, str]) -> Answer:
        """Send an envelope to the service; an answer with an error status is an answer."""
        with (
            self._endings.within(self._max_s),
            self._http.stream("POST", self._url, content=envelope, headers=headers) as response,
        ):
            return read_blocking(response, _MAX_BYTES)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
