"""Who speaks: the API key of a request decides the tenant, the source, and what it may ask for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, ClassVar, Final, Protocol, cast

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.door.queries import KnownParameters
from api.door.request_body import SaidRequest, shape_of
from domain.api_keys import WELL_KNOWN, Scope, is_misspelt, is_sendable
from domain.characters import keeping
from domain.errors import Kind, Rejected
from ledger.stored_names import stored_names
from postgres.statements import alone
from records.access import api_keys
from records.access.api_keys import ApiKey, Found

CACHED_S: Final = 3.0
"""How long a key is believed without another look: as long it may go on here after it was revoked."""
USE_NOTED_S: Final = 60.0
MOST_CACHED: Final = 10_000

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Believed:
    key: ApiKey
    until: float


class Authenticator:
    """Looks keys up by their hash, each once in a few seconds, whoever asks meanwhile; notes that they are used.

    Those that everybody knows are taken with `well_known` only, whatever the database says.
    """

    def __init__(
        self, engine: AsyncEngine, *, well_known: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = alone(engine)
        self._refused = frozenset() if well_known else frozenset(map(api_keys.hash_of, WELL_KNOWN))
        self._clock = clock
        self._believed: dict[bytes, _Believed] = {}
        self._looking: dict[bytes, asyncio.Task[tuple[Found | None, float]]] = {}
        self._use_due: dict[bytes, float] = {}
        self._noting: set[asyncio.Task[None]] = set()

    async def caller(self, authorization: str | None) -> ApiKey:
        """Return whom an `Authorization` header speaks for. Raises `Rejected` as unproven."""
        key_hash = _hash_in(authorization)
        believed = self._believed.get(key_hash)
        if believed is None or believed.until <= self._clock():
            believed = await self._look_up(key_hash)
        self._note_use(key_hash)
        return believed.key

    async def drain(self) -> None:
        """Wait for what is still being noted."""
        await asyncio.gather(*self._noting)

    async def _look_up(self, key_hash: bytes) -> _Believed:
        if key_hash in self._refused:
            raise _unauthorized("The API key is one that everybody knows: it is for the embedded stack alone.")
        found, asked = await self._found(key_hash)
        self._believed.pop(key_hash, None)
        if found is None:
            raise _unauthorized("The API key is not known.")
        if found.has_ended:
            raise _unauthorized("The API key has ended: it has expired, was replaced or revoked. Ask for another.")
        if len(self._believed) >= MOST_CACHED:
            self._believed.clear()
            self._use_due.clear()
        lives_s = CACHED_S if found.lives_s is None else min(found.lives_s, CACHED_S)
        believed = self._believed[key_hash] = _Believed(found.key, asked + lives_s)
        return believed

    async def _found(self, key_hash: bytes) -> tuple[Found | None, float]:
        """Look a key up, or wait for whoever looks for it already."""
        looking = self._looking.get(key_hash)
        if looking is None:
            looking = self._looking[key_hash] = asyncio.create_task(self._read(key_hash))
            looking.add_done_callback(lambda _: self._looking.pop(key_hash, None))
        return await asyncio.shield(looking)

    async def _read(self, key_hash: bytes) -> tuple[Found | None, float]:
        asked = self._clock()
        async with self._engine.connect() as connection:
            return await api_keys.find_key(connection, key_hash), asked

    def _note_use(self, key_hash: bytes) -> None:
        """Have it noted that a key is used, now and then; the request does not wait for it."""
        now = self._clock()
        if self._use_due.get(key_hash, now) <= now:
            self._use_due[key_hash] = now + USE_NOTED_S
            noting = asyncio.create_task(self._write_use(key_hash))
            self._noting.add(noting)
            noting.add_done_callback(self._noting.discard)

    async def _write_use(self, key_hash: bytes) -> None:
        try:
            async with self._engine.connect() as connection:
                await api_keys.note_use(connection, key_hash, USE_NOTED_S)
        except Exception as error:  # noqa: BLE001 - nobody waits for this, and nothing hangs on it
            log.warning("key.use_not_noted", error=type(error).__name__)


def _hash_in(authorization: str | None) -> bytes:
    """Return the hash of the key in a header, which may be anything. Raises `Rejected` as unproven."""
    scheme, _, rest = (authorization or "").partition(" ")
    key = rest.strip()
    if scheme.lower() != "bearer" or not key:
        raise _unauthorized("The request has no API key: send it as a bearer token.")
    if not is_sendable(key):
        raise _unauthorized("What the request has is no API key: it is too long, or not of visible ASCII characters.")
    if is_misspelt(key):
        raise _unauthorized("The API key is mistyped or cut off: its checksum does not match.")
    return api_keys.hash_of(key)


def _unauthorized(detail: str) -> Rejected:
    return Rejected("unauthorized", detail, kind=Kind.UNPROVEN)


class LetsIn(Protocol):
    """Says who speaks, and whether he may now (`rates.py`)."""

    async def caller(self, request: Request) -> ApiKey:
        """Return who speaks. Raises `Rejected`."""
        ...


class Reads(Protocol):
    """Has connections to read by (`services.py`)."""

    def reading(self) -> AsyncConnection:
        """Return a connection."""
        ...


class Door(APIRoute):
    """A route behind the door: who speaks is known, and the body is JSON, before a byte of the body is read.

    It is for everybody but administrators, whose keys are for `AdministratorsDoor` alone.
    """

    for_administrators: ClassVar[bool] = False

    def get_route_handler(self) -> Handler:
        """Return the route's handler with the checks in front of it."""
        handle = super().get_route_handler()
        parameters = KnownParameters(self.dependant)
        shape = shape_of(self.body_field.field_info.annotation) if self.body_field else None

        async def checked(request: Request) -> Response:
            caller = await cast("LetsIn", request.app.state.pace).caller(request)
            request.state.caller = caller
            structlog.contextvars.bind_contextvars(tenant=caller.tenant, key_name=caller.name)
            _check_scope(caller, for_administrators=self.for_administrators)
            _check_content_type(request)
            said = SaidRequest(request, shape)
            parameters.check(said)
            if self.body_field is not None:
                await said.read()
            with keeping(await _kept_names(said, caller.tenant)):
                return await handle(said)

        return checked


class AdministratorsDoor(Door):
    """A route for administrators, and nobody else."""

    for_administrators = True


def _check_scope(caller: ApiKey, *, for_administrators: bool) -> None:
    if (caller.scope is Scope.ADMINISTRATOR) == for_administrators:
        return
    if for_administrators:
        detail = f"This is for administrators, and the key {caller.name} is of the scope {caller.scope}."
    else:
        detail = (
            "The key is an administrator's, for keys and connections alone: use one of an ERP, the floor or office."
        )
    raise Rejected("wrong_scope", detail, kind=Kind.FORBIDDEN)


async def _kept_names(request: SaidRequest, tenant: str) -> Collection[str]:
    """Return the names of goods that are taken as they are told: they are stored just so."""
    if not request.odd_names:
        return ()
    services = cast("Reads", request.app.state.services)
    async with services.reading() as connection:
        return await stored_names(connection, tenant, request.odd_names)


def _check_content_type(request: Request) -> None:
    headers = request.headers
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if has_body and request.method != "GET" and content_type != "application/json":
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)


async def caller_of(request: Request) -> ApiKey:
    """Return whom the request speaks for."""
    return cast("ApiKey", request.state.caller)


BEARER: Final = Depends(HTTPBearer(auto_error=False, description="An API key; it names tenant, source and scope."))
"""Documents the key; the check itself is in front of the route."""


def behind_the_door(prefix: str, tag: str, door: type[Door] = Door) -> APIRouter:
    """Make a router of addresses that are behind the door, all of which are described under one heading."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=door, dependencies=[BEARER])


Caller = Annotated[ApiKey, Depends(caller_of)]
