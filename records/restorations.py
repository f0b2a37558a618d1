"""After a restore from a backup: the epoch that was raised, what must be asked for first, and what is missing.

Whoever restores says so (`stockbridge restored`). Until then nothing tells a restored database from one that never
was, but what others name that it has not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from psycopg.sql import SQL, Composed, Literal
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.messages import OfOrder, OrderId
from postgres.statements import Query, composed

NEVER: Final = 0
"""The epoch of a database that was never restored."""

EPOCH: Final = SQL("(select coalesce(max(epoch), {never}) from records.restoration)").format(never=Literal(NEVER))
"""The latest restore; `NEVER` where there was none."""

STOPPED: Final = SQL("""(
  select m.what from records.missing_row m
  where m.found_at > (select coalesce(max(restored_at), '-infinity') from records.restoration)
  order by m.found_at limit 1
)""")
"""What is missing, where nobody has said since that the database was restored; else null."""


def asks_first(created_at: LiteralString) -> Composed:
    """Write that what was intended then may have been done in a life that the database has forgotten."""
    forgotten = "exists (select from records.restoration r where r.finished_at is null or {at} < r.finished_at)"
    return SQL(forgotten).format(at=SQL(created_at))


@dataclass(frozen=True)
class Memory:
    """What the database knows of its own restores. `stopped` says what is missing, where nothing may be sent."""

    epoch: int
    stopped: str | None
    is_open: bool
    finished_at: datetime | None

    def asks_first(self, created_at: datetime) -> bool:
        """Say whether what was intended then may have been done in a life that the database has forgotten."""
        return self.is_open or (self.finished_at is not None and created_at < self.finished_at)


_MEMORY: Final = Query(
    composed(
        """
        select {epoch}, {stopped}, exists (select from records.restoration where finished_at is null),
          (select max(finished_at) from records.restoration)
        """,
        epoch=EPOCH,
        stopped=STOPPED,
    ),
    tuple(Memory.__dataclass_fields__),
)


async def memory(connection: AsyncConnection) -> Memory:
    """Return what the database knows of its restores."""
    found = await _MEMORY.mapping(connection)
    return Memory(**(found or {}))


_NOTE_MISSING: Final = Query(
    """
    with flagged as (
      update records.orders set needs_attention = true, updated_at = clock_timestamp(), attention = jsonb_build_object(
        'reason', %(reason)s::text, 'since', to_jsonb(clock_timestamp()),
        'actions', jsonb_build_array('stockbridge restored'), 'step', %(step)s::text)
      where tenant = %(tenant)s and order_ref = %(order_ref)s and not needs_attention
    )
    insert into records.missing_row (tenant, order_ref, what) values (%(tenant)s, %(order_ref)s, %(what)s)
    on conflict (tenant, order_ref, what) do update set found_at = clock_timestamp()
    """
)
STEP: Final = "restored"
"""What a person is needed for where something is missing."""


def words_of(what: str) -> str:
    """Say what it means that something is missing, and what is to be done."""
    return (
        f"PostgreSQL does not have {what}: it seems to have been restored from a backup. Nothing is sent to carriers "
        "and ERPs until somebody runs `stockbridge restored`."
    )


async def note_missing(connection: AsyncConnection, order: OrderId, what: str) -> None:
    """Note what somebody names and the database has not.

    From then on nothing is sent by any process, and the order says why.
    """
    await _NOTE_MISSING.run(connection, **_missing(order, what))


def note_missing_at_once(connection: Connection, order: OrderId, what: str) -> None:
    """Note the same on a thread's connection."""
    _NOTE_MISSING.at_once(connection, **_missing(order, what))


def _missing(order: OrderId, what: str) -> dict[str, str]:
    return {"tenant": order.tenant, "order_ref": order.order_ref, "what": what, "reason": words_of(what), "step": STEP}


# -- who restores says so ----------------------------------------------------------------------------------------------

# All that runs must look anew; who was flagged for what was missing is needed for it no more.
_RAISE: Final = Query(
    composed(
        """
        with ended as (
          update records.restoration set finished_at = clock_timestamp() where finished_at is null
        ), raised as (
          insert into records.restoration (epoch)
          select greatest({epoch} + 1, extract(epoch from clock_timestamp())::bigint) returning epoch
        ), unflagged as (
          update records.orders set needs_attention = false, attention = null, updated_at = clock_timestamp()
          where needs_attention and attention ->> 'step' = %(step)s
        ), woken as (
          insert into records.outbox (tenant, order_ref, signal)
          select tenant, order_ref, 'stock_allocated' from records.orders where closed_at is null returning outbox_id
        )
        select raised.epoch, (select count(*) from woken) from raised
        """,
        epoch=EPOCH,
    )
)


async def raise_epoch(connection: AsyncConnection) -> tuple[int, int]:
    """Say that the database was restored. Returns the new epoch, and how many open orders look anew."""
    row = await _RAISE.row(connection, step=STEP)
    epoch, woken = row or (NEVER, 0)
    return int(epoch), int(woken)


@dataclass(frozen=True)
class Undecided:
    """A command that waits for a decision."""

    tenant: str
    order_ref: str
    kind: str
    key: str
    received_at: datetime


_UNDECIDED: Final = Query(
    "select tenant, order_ref, kind, key, received_at from records.inbox where state = 'queued' order by inbox_id",
    tuple(Undecided.__dataclass_fields__),
)


async def undecided(connection: AsyncConnection) -> list[Undecided]:
    """Return all commands that wait for a decision."""
    return [Undecided(**row) for row in await _UNDECIDED.mappings(connection)]


_FINISH: Final = Query("update records.restoration set finished_at = clock_timestamp() where finished_at is null")


async def finish(connection: AsyncConnection) -> None:
    """Say that all was said again. What was intended until now is still asked for by reference first."""
    await _FINISH.run(connection)


@dataclass(frozen=True)
class Restoration:
    """A restore that was told of, and is not finished."""

    epoch: int
    restored_at: datetime
    looked_at: datetime | None


_OPEN: Final = Query(
    "select epoch, restored_at, looked_at from records.restoration where finished_at is null order by epoch desc",
    tuple(Restoration.__dataclass_fields__),
)


async def unfinished(connection: AsyncConnection) -> Restoration | None:
    """Return the restore that is not finished, if there is one."""
    found = await _OPEN.mapping(connection)
    return Restoration(**found) if found else None


# -- what only others know ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class KnownElsewhere:
    """What a partner or Temporal knows of an order, and the database did not when it was looked for."""

    tenant: str
    order_ref: str
    partner: str
    name: str
    detail: str


_NOTE: Final = Query(
    """
    insert into records.known_elsewhere (epoch, tenant, order_ref, partner, name, detail)
    values (%(epoch)s, %(tenant)s, %(order_ref)s, %(partner)s, %(name)s, %(detail)s) on conflict do nothing
    """
)
_LOOKED: Final = Query("update records.restoration set looked_at = clock_timestamp() where epoch = %(epoch)s")

# What was said again since is known here, too: a booking in a step, a document in a message, an order in its row.
_STILL: Final = Query(
    """
    select k.tenant, k.order_ref, k.partner, k.name, k.detail from records.known_elsewhere k
    where k.epoch = %(epoch)s and k.settled_at is null
      and not exists (
        select from records.carrier_step s
        where k.partner = 'carrier' and s.tenant = k.tenant and s.order_ref = k.order_ref and s.booking_id = k.name)
      and not exists (
        select from records.erp_message m
        where k.partner = 'erp' and m.tenant = k.tenant and m.order_ref = k.order_ref and m.document_no = k.name)
      and not exists (
        select from records.orders o
        where k.partner = 'temporal' and o.tenant = k.tenant and o.order_ref = k.order_ref)
    order by k.tenant, k.order_ref, k.partner, k.name
    """,
    tuple(KnownElsewhere.__dataclass_fields__),
)


async def note_known_elsewhere(connection: AsyncConnection, epoch: int, known: KnownElsewhere) -> None:
    """Note what somebody else knows, once."""
    await _NOTE.run(connection, epoch=epoch, **vars(known))


async def looked(connection: AsyncConnection, epoch: int) -> None:
    """Note that all have been asked about every open order."""
    await _LOOKED.run(connection, epoch=epoch)


async def still_known_elsewhere(connection: AsyncConnection, epoch: int) -> list[KnownElsewhere]:
    """Return what only others know, and nobody has said again since."""
    return [KnownElsewhere(**row) for row in await _STILL.mappings(connection, epoch=epoch)]


_SETTLE: Final = Query(
    """
    update records.known_elsewhere set settled_at = clock_timestamp()
    where tenant = %(tenant)s and order_ref = %(order_ref)s and partner = 'carrier' and name = %(booking_id)s
    """
)


async def settle_booking(connection: AsyncConnection, order: OrderId, booking_id: str) -> None:
    """Note that a booking that only the carrier knew is void now."""
    await _SETTLE.run(connection, tenant=order.tenant, order_ref=order.order_ref, booking_id=booking_id)


# -- what there is to ask about --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Concerned(OfOrder):
    """An order of which others may know more."""

    tenant: str
    order_ref: str
    order_no: str
    source: str
    carrier: str


# Those that were closed long before can hardly have changed since the backup; some come back.
_CONCERNED: Final = Query(
    """
    select tenant, order_ref, order_no, source, carrier from records.orders
    where (closed_at is null or closed_at > %(restored_at)s - interval '7 days')
      and (tenant, order_ref) > (%(tenant)s, %(order_ref)s)
    order by tenant, order_ref limit %(limit)s
    """,
    tuple(Concerned.__dataclass_fields__),
)


async def concerned(
    connection: AsyncConnection, restoration: Restoration, limit: int, after: tuple[str, str]
) -> list[Concerned]:
    """Return orders that are open, or closed a short time ago, a page at a time."""
    tenant, order_ref = after
    given = {"restored_at": restoration.restored_at, "tenant": tenant, "order_ref": order_ref, "limit": limit}
    return [Concerned(**row) for row in await _CONCERNED.mappings(connection, **given)]


_LAST_HEARD: Final = Query(
    "select coalesce(max(received_at), %(restored_at)s) from records.inbox where received_at < %(restored_at)s"
)


async def last_heard_at(connection: AsyncConnection, restoration: Restoration) -> datetime:
    """Return when the last command came that the database knows of from before the restore."""
    row = await _LAST_HEARD.row(connection, restored_at=restoration.restored_at)
    at: datetime = row[0] if row else restoration.restored_at
    return at


_IS_KNOWN: Final = Query(
    """
    select from records.orders where tenant = %(tenant)s and order_ref = %(order_ref)s
    union all
    select from records.inbox where tenant = %(tenant)s and order_ref = %(order_ref)s and state = 'queued'
    limit 1
    """
)


async def is_known(connection: AsyncConnection, order: OrderId) -> bool:
    """Say whether there is such an order, or a command that may make it."""
    return await _IS_KNOWN.row(connection, tenant=order.tenant, order_ref=order.order_ref) is not None
