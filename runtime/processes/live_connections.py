"""Connections as they are now, in a process that runs: looked at each second, and their ports made when needed.

A port is lent for a piece of work. Once its connection has changed, nobody is lent it any more, and it is closed when
the last one who has it is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.carriers.port import CarrierPort
from adapters.egress import Egress
from adapters.erp.port import ErpPort
from commands.connections.opening import make_port
from domain.connections import ConnectionKind, ErpMapping, Flow, unknown, what_waits
from domain.errors import StockbridgeError, Unavailable
from ledger.writing.writer import translating
from postgres.statements import alone
from records.access import connections
from records.access.connections import Connection, Named
from records.access.sealing import Sealed, SealingKeys

LOOK_S: Final = 1.0
_AFTER_A_FAULT_S: Final = 2.0

log = structlog.get_logger(__name__)


@dataclass
class _Live:
    """A connection at one revision, with the port that is made of it at its first use."""

    row: Connection
    sealed: dict[str, Sealed]
    mapping: ErpMapping | None
    port: Any = None
    borrowers: int = 0
    replaced: bool = False
    turn: Lock = field(default_factory=Lock)


class LiveConnections:
    """All connections, as far as this process knows. `running` keeps it up to date for as long as its block runs."""

    def __init__(self, engine: AsyncEngine, keys: SealingKeys, egress: Egress, look_s: float = LOOK_S) -> None:
        self._engine = alone(engine)
        self._keys = keys
        self._egress = egress
        self._look_s = look_s
        self._live: dict[Named, _Live] = {}
        self._changed = asyncio.Event()
        self.erps = LiveErps(self)
        self.carriers = LiveCarriers(self)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[LiveConnections]:
        """Look now, and again and again; close every port at the end."""
        await self._look_once()
        watching = asyncio.create_task(self._watch())
        try:
            yield self
        finally:
            watching.cancel()
            await asyncio.wait({watching})
            for live in self._live.values():
                await _close(live.row.kind, live.port)

    def rows(self, kind: ConnectionKind) -> dict[Named, Connection]:
        """Return the connections of a kind, as they were at the last look."""
        return {named: live.row for named, live in self._live.items() if named.kind is kind}

    async def change(self) -> None:
        """Wait until a connection comes, goes or changes."""
        await self._changed.wait()

    async def look(self) -> None:
        """Take up what has changed. Those that have not cost nothing but their row in one statement."""
        with translating():
            async with self._engine.connect() as connection:
                revisions = await connections.revisions(connection)
                other = [named for named, revision in revisions.items() if self._revision(named) != revision]
                gone = self._live.keys() - revisions.keys()
                read = await _read(connection, other) if other else {}
        before = [live for named in (*other, *gone) if (live := self._live.pop(named, None)) is not None]
        self._live.update(read)
        if other or gone:
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()
        for live in before:
            await self._replace(live)

    def lend(self, named: Named, least: Flow) -> _Live:
        """Find a connection, and note that its port is used. Raises `Rejected` or `Unavailable`. Any thread may ask."""
        live = self._live.get(named)
        if live is None:
            raise unknown(named.kind, named.name)
        if not live.row.flow.lets(least):
            raise Unavailable(what_waits(named.kind, named.name, live.row.flow), ours=True)
        with live.turn:
            if live.port is None:
                live.port = make_port(live.row, self._keys, live.sealed, live.mapping, self._egress)
            live.borrowers += 1
        return live

    def take_back(self, live: _Live) -> bool:
        """Note that a port is no longer used. Says whether it is to be closed: nobody else will be lent it."""
        with live.turn:
            live.borrowers -= 1
            return live.replaced and live.borrowers == 0

    def _revision(self, named: Named) -> int | None:
        live = self._live.get(named)
        return live.row.revision if live else None

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._look_s)
            await self._look_once()

    async def _look_once(self) -> None:
        try:
            await self.look()
        except StockbridgeError as error:  # what is known goes on meanwhile
            log.warning("connections.not_looked_at", reason=str(error))

    async def _replace(self, live: _Live) -> None:
        with live.turn:
            live.replaced = True
            unused, live.port = (live.port, None) if live.borrowers == 0 else (None, live.port)
        await _close(live.row.kind, unused)


async def _close(kind: ConnectionKind, port: Any) -> None:
    if port is not None:
        with suppress(Exception):  # nobody needs it any more
            await (port.aclose() if kind is ConnectionKind.CARRIER else asyncio.to_thread(port.close))


async def _read(connection: AsyncConnection, names: Sequence[Named]) -> dict[Named, _Live]:
    """Read connections whole; one that was removed just now is left out."""
    rows = await connections.several(connection, names)
    sealed: dict[Named, dict[str, Sealed]] = {}
    for secret in await connections.secrets_of_several(connection, names):
        sealed.setdefault(secret.of, {})[secret.field] = secret.sealed
    bodies = await connections.mappings_of(connection, rows)
    return {
        row.key: _Live(row, sealed.get(row.key, {}), bodies.get((row.tenant, row.mapping)) if row.mapping else None)
        for row in rows
    }


@dataclass(frozen=True)
class LiveErps:
    """Implements `Erps`, for threads."""

    _live: LiveConnections

    @contextmanager
    def of(self, tenant: str, source: str, least: Flow = Flow.BOTH) -> Iterator[ErpPort]:
        """Lend the port of the ERP that a tenant's source is."""
        lent = self._live.lend(Named(tenant, ConnectionKind.ERP, source), least)
        port: Any = lent.port
        try:
            yield port
        finally:
            if self._live.take_back(lent):
                port.close()


@dataclass(frozen=True)
class LiveCarriers:
    """Implements `Carriers`, for the loop."""

    _live: LiveConnections

    @asynccontextmanager
    async def of(self, tenant: str, carrier: str, least: Flow = Flow.BOTH) -> AsyncIterator[CarrierPort]:
        """Lend the port of a tenant's carrier."""
        lent = self._live.lend(Named(tenant, ConnectionKind.CARRIER, carrier), least)
        port: Any = lent.port
        try:
            yield port
        finally:
            if self._live.take_back(lent):
                await port.aclose()


# -- work that goes on for each connection ---------------------------------------------------------------------------

Serving = Callable[[Connection], AbstractAsyncContextManager[None]]


@dataclass
class Attendance:
    """Has something go on for each connection of a kind through which `least` goes: a worker, a loop.

    `serve` makes it, and it ends and begins anew where what `depends` tells of the connection is another.
    """

    live: LiveConnections
    kind: ConnectionKind
    serve: Serving
    depends: Callable[[Connection], Hashable]
    least: Flow
    _attending: dict[Named, asyncio.Task[None]] = field(default_factory=dict, init=False)

    async def run(self) -> None:
        """Attend to all connections, those that are to come too, until cancelled."""
        try:
            while True:
                for named in self._wanted().keys() - self._attending.keys():
                    task = self._attending[named] = asyncio.create_task(self._attend(named))
                    task.add_done_callback(lambda _, named=named: self._attending.pop(named, None))  # type: ignore[misc]
                await self.live.change()
        finally:
            tasks = [*self._attending.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _wanted(self) -> dict[Named, Connection]:
        return {named: row for named, row in self.live.rows(self.kind).items() if row.flow.lets(self.least)}

    async def _attend(self, named: Named) -> None:
        """Attend to one connection until it is gone, or nothing goes through it any more."""
        while (row := self._wanted().get(named)) is not None:
            try:
                async with self.serve(row):
                    await self._until_other(row)
            except Exception:
                log.exception("connection.not_attended", tenant=named.tenant, connection=str(named))
                await asyncio.sleep(_AFTER_A_FAULT_S)

    async def _until_other(self, row: Connection) -> None:
        while (now := self._wanted().get(row.key)) is not None and self.depends(now) == self.depends(row):
            await self.live.change()
