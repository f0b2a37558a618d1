"""How often a key or an address may ask, in one process; and how slowly wrong keys are looked up.

Each has an allowance that fills up with time: what is kept of it is the one moment at which it is full again.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from ipaddress import IPv6Address
from math import ceil
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.door.auth import Authenticator
from api.door.problems import TooManyRequestsError, of_error
from domain.errors import Kind, Rejected
from records.access.api_keys import ApiKey

BURST_S: Final = 10.0
"""Who was silent for so long may ask as often at once as he may in this time."""

MOST_KNOWN: Final = 10_000
_MINUTE_S: Final = 60.0
_TURN_S: Final = 0.1
_MOST_WAITING: Final = 10


@dataclass(frozen=True)
class Rates:
    """How often may be asked, by a key and from an address, and with a wrong key; 0 is as often as one likes."""

    key_per_s: float = 1000
    address_per_s: float = 2000
    wrong_keys_per_minute: float = 60


class Allowances:
    """Allowances of so many a second, each for whoever asks by its name."""

    def __init__(self, per_s: float, burst_s: float = BURST_S) -> None:
        self._each_s = 1 / per_s if per_s else 0.0
        self._burst_s = burst_s
        self._full_at: dict[Hashable, float] = {}

    def take(self, name: Hashable) -> None:
        """Take one. Raises `TooManyRequestsError` where none is left."""
        now = time.monotonic()
        full_at = max(self._full_at.get(name, now), now) + self._each_s
        if full_at - now > self._burst_s:
            raise TooManyRequestsError(ceil(full_at - now - self._burst_s))
        self._full_at[name] = full_at
        if len(self._full_at) > MOST_KNOWN:
            self._forget(now)

    def __len__(self) -> int:
        """Return of how many something is kept."""
        return len(self._full_at)

    def _forget(self, now: float) -> None:
        """Forget those that are full again; all of them, if that is none."""
        self._full_at = {name: full_at for name, full_at in self._full_at.items() if full_at > now}
        if len(self._full_at) > MOST_KNOWN:
            self._full_at.clear()


class Pace:
    """Lets callers in, as often as they may."""

    def __init__(self, rates: Rates, authenticator: Authenticator) -> None:
        self._authenticator = authenticator
        self._by_key = Allowances(rates.key_per_s)
        self._wrong = Allowances(rates.wrong_keys_per_minute / _MINUTE_S, _MINUTE_S)
        self._right: set[int] = set()
        self._guessing: dict[str, float] = {}
        self._waiting: Counter[str] = Counter()

    async def caller(self, request: Request) -> ApiKey:
        """Return who speaks. Raises `Rejected` where that is nobody, or who spoke too often."""
        authorization, address = request.headers.get("authorization"), address_of(request.scope)
        if self._is_guessing(address) and hash(authorization) not in self._right:
            await self._turn(address)
        try:
            caller = await self._authenticator.caller(authorization)
        except Rejected as refused:
            if authorization and refused.kind is Kind.UNPROVEN:
                self._note_wrong(address, authorization)
            raise
        self._by_key.take(caller)
        self._note_right(authorization or "")
        return caller

    def _note_right(self, authorization: str) -> None:
        if len(self._right) >= MOST_KNOWN:
            self._right.clear()
        self._right.add(hash(authorization))  # the hash, so that no key is kept

    def _note_wrong(self, address: str, authorization: str) -> None:
        """Count a wrong key. Raises `TooManyRequestsError` where too many came from the address."""
        self._right.discard(hash(authorization))
        try:
            self._wrong.take(address)
        except TooManyRequestsError:
            if len(self._guessing) >= MOST_KNOWN:
                self._guessing.clear()
            self._guessing[address] = time.monotonic()
            raise

    def _is_guessing(self, address: str) -> bool:
        return address in self._guessing and time.monotonic() - self._guessing[address] < _MINUTE_S

    async def _turn(self, address: str) -> None:
        """Wait for one's turn: of keys that are not known to be right, a guessing address has so many a second."""
        if self._waiting[address] >= _MOST_WAITING:
            raise TooManyRequestsError(1)
        self._waiting[address] += 1
        try:
            await asyncio.sleep(_TURN_S * self._waiting[address])
        finally:
            self._waiting[address] -= 1
            self._waiting += Counter()  # drops who waits no more


class AddressLimit:
    """Refuses requests of an address that asks too often, before anything is looked up for it."""

    def __init__(self, app: ASGIApp, rates: Rates) -> None:
        self._app = app
        self._allowances = Allowances(rates.address_per_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on. How we are may be asked at any time."""
        if scope["type"] == "http" and scope["path"].startswith("/api/"):
            try:
                self._allowances.take(address_of(scope))
            except TooManyRequestsError as refused:
                await of_error(Request(scope), refused)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def address_of(scope: Scope) -> str:
    """Name where a request comes from: an address; of IPv6 the network, of which one machine has all addresses."""
    client = scope.get("client")
    host = client[0] if client else ""
    if ":" not in host:
        return host
    address = IPv6Address(host.partition("%")[0])
    return str(address.ipv4_mapped or int(address) >> 64)
