"""Checkpoints: signed roots over what the ledger recorded, each chained to the one before (docs/canonical-form.md).

So who holds one checkpoint can tell whether anything that was recorded until then was changed or cut off since.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Row, any_, bindparam, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.errors import InvariantViolated, Unavailable
from ledger.canonical import EPOCH, microseconds, posting_digest
from ledger.instants import wait_until_settled
from ledger.proving.merkle import GrowingTree, leaf_hash
from ledger.proving.signing import SigningKey, is_signed, key_id
from ledger.tables import checkpoint

NOTHING_BEFORE: Final = bytes(32)
"""What the first checkpoint has for the hash of the one before."""

LOOK_BACK: Final = timedelta(minutes=1)
"""How far before the last checkpoint is looked for what it does not cover: a clock may have been set back a little."""

_AS_LONG_AS_IT_TAKES: Final = text("set local statement_timeout = 0")
_ONE_AT_A_TIME: Final = text("select pg_advisory_xact_lock(x'53544f434b43504b'::bigint)")  # "STOCKCPK"

_NEWEST: Final = select(checkpoint).order_by(checkpoint.c.number.desc()).limit(1)
_WITH_NUMBER: Final = text("select hash from ledger.checkpoint where number = :number")
_WITH_NUMBERS: Final = (
    select(checkpoint)
    .where(checkpoint.c.number == any_(bindparam("numbers", type_=ARRAY(BigInteger))))
    .order_by(checkpoint.c.number)
)
_CLOCK: Final = text("select clock_timestamp()")


@dataclass(frozen=True)
class Checkpoint:
    """A signed root. It covers all that was recorded at or before `covers_until` and that none before it covers."""

    number: int
    covers_until: datetime
    previous_hash: bytes
    root: bytes
    tails: int
    postings: int
    public_key: bytes
    signature: bytes = b""

    @property
    def form(self) -> bytes:
        """Its canonical form: what is signed."""
        return (
            f"checkpoint\n{self.number}\n{microseconds(self.covers_until)}\n{self.previous_hash.hex()}\n"
            f"{self.root.hex()}\n{self.tails}\n{self.postings}\n{self.public_key.hex()}"
        ).encode()

    @property
    def hash(self) -> bytes:
        """What the next one chains to."""
        return sha256(self.form).digest()

    @property
    def key_id(self) -> str:
        """The short name of the key that it says it is signed with."""
        return key_id(self.public_key)

    @property
    def is_signed(self) -> bool:
        """Say whether it is signed with that key."""
        return is_signed(self.form, self.signature, self.public_key)

    def __str__(self) -> str:
        return f"checkpoint {self.number}, up to {self.covers_until.isoformat()}, signed with key {self.key_id}"


@dataclass(frozen=True)
class Head:
    """A checkpoint as somebody outside the database remembers it."""

    number: int
    hash: bytes


def tail_leaf(stream_id: UUID | str, seq: int, entry_hash: bytes) -> bytes:
    """Hash the leaf of a stream whose latest entry this is."""
    return leaf_hash(f"tail\n{stream_id}\n{seq}\n{entry_hash.hex()}".encode())


def posting_leaf(posting_id: UUID | str, digest: bytes) -> bytes:
    """Hash the leaf of a posting that has no entries."""
    return leaf_hash(f"posting\n{posting_id}\n{digest.hex()}".encode())


async def newest_checkpoint(connection: AsyncConnection) -> Checkpoint | None:
    """Read the newest checkpoint."""
    found = (await connection.execute(_NEWEST)).one_or_none()
    return None if found is None else _read(found)


async def read_checkpoints(connection: AsyncConnection, numbers: Collection[int]) -> list[Checkpoint]:
    """Read checkpoints by their numbers."""
    rows = await connection.execute(_WITH_NUMBERS, {"numbers": list(numbers)})
    return [_read(row) for row in rows]


def _read(row: Row[Any]) -> Checkpoint:
    return Checkpoint(*tuple(row)[:-1])  # the last is its hash, which it computes itself


async def is_there(connection: AsyncConnection, head: Head) -> bool:
    """Say whether a checkpoint that somebody remembers is still the one of its number."""
    return (await connection.execute(_WITH_NUMBER, {"number": head.number})).scalar() == head.hash


async def take_checkpoint(
    engine: AsyncEngine, key: SigningKey, trusted: Collection[bytes] = (), *, from_the_start: bool = False
) -> Checkpoint | None:
    """Sign what was recorded since the last checkpoint. None where that is nothing, and the last is of the same key.

    The last one must be signed with this key or a `trusted` one: its hash goes into this one, which vouches for it.
    `from_the_start` looks for what is not covered in the whole ledger: after the database's clock was set back.
    """
    async with engine.begin() as connection:
        await connection.execute(_AS_LONG_AS_IT_TAKES)
        await connection.execute(_ONE_AT_A_TIME)
        before = await _before(connection, {key.public_key, *trusted})
        until = await _settled_until(connection, before)
        since = before.covers_until - LOOK_BACK if before and not from_the_start else EPOCH
        number = before.number + 1 if before else 1
        span = {"number": number, "since": since, "until": until}
        tree = GrowingTree()
        tails = await _cover_tails(connection, span, tree)
        postings = await _cover_postings(connection, span, tree)
        if before and not tree.size and before.public_key == key.public_key:
            return None
        previous_hash = before.hash if before else NOTHING_BEFORE
        unsigned = Checkpoint(number, until, previous_hash, tree.root(), tails, postings, key.public_key)
        return await _sign(connection, unsigned, key)


async def _before(connection: AsyncConnection, trusted: Collection[bytes]) -> Checkpoint | None:
    """Read the last checkpoint, and refuse to chain to one that does not come from us."""
    before = await newest_checkpoint(connection)
    if before is None:
        return None
    if not before.is_signed:
        raise InvariantViolated(f"The newest {before}, is not: somebody made or changed it.")
    if before.public_key not in trusted:
        raise InvariantViolated(f"The newest {before}, which is not a key that is trusted here.")
    return before


async def _settled_until(connection: AsyncConnection, before: Checkpoint | None) -> datetime:
    """Return an instant up to which everything is committed."""
    until: datetime = (await connection.execute(_CLOCK)).scalar_one()
    if before and until <= before.covers_until:
        raise Unavailable("The database's clock is behind the newest checkpoint: it was set back.")
    await wait_until_settled(connection, until)
    return until


# In a stream, what was recorded later has the higher number: so the highest of a span is the tail at its end. They are
# sorted, by what no index or join has in its order, so that all are known before the first is written: a table that was
# empty is read from end to end for each.
_COVER_TAILS: Final = text(
    """
    insert into ledger.checkpoint_tail (number, stream_id, seq, hash)
    select :number, e.stream_id, e.seq, e.hash
    from (
      select e.stream_id, max(e.seq) as seq
      from ledger.posting p join ledger.entry e on e.posting_id = p.posting_id
      where p.recorded_at > :since and p.recorded_at <= :until group by e.stream_id
    ) changed
    join ledger.entry e using (stream_id, seq)
    where not exists (
      select from ledger.checkpoint_tail c where c.stream_id = changed.stream_id and c.seq >= changed.seq
    )
    order by e.hash
    """
)
_TAILS: Final = text(
    "select stream_id, seq, hash from ledger.checkpoint_tail where number = :number order by stream_id"
)


async def _cover_tails(connection: AsyncConnection, span: dict[str, Any], tree: GrowingTree) -> int:
    """Write the changed tails down and add them to the tree, by stream."""
    await connection.execute(_COVER_TAILS, span)
    async for stream_id, seq, entry_hash in await connection.stream(_TAILS, {"number": span["number"]}):
        tree.add(tail_leaf(stream_id, seq, entry_hash))
    return tree.size


_POSTINGS_WITHOUT_ENTRIES: Final = text(
    """
    select p.posting_id, p.tenant, p.idempotency_key, p.request_digest, p.reason, p.actor, p.evidence, p.occurred_at,
           p.recorded_at, p.answer
    from ledger.posting p
    where p.recorded_at > :since and p.recorded_at <= :until
      and not exists (select from ledger.entry e where e.posting_id = p.posting_id)
      and not exists (select from ledger.checkpoint_posting c where c.posting_id = p.posting_id)
    order by p.posting_id
    """
)
_COVER_POSTINGS: Final = text(
    """
    insert into ledger.checkpoint_posting (number, posting_id, digest)
    select :number, posting_id, digest
    from unnest(cast(:ids as uuid[]), cast(:digests as bytea[])) as n (posting_id, digest)
    """
)


async def _cover_postings(connection: AsyncConnection, span: dict[str, Any], tree: GrowingTree) -> int:
    """Write the postings without entries down and add them to the tree, by id."""
    rows = await connection.execute(_POSTINGS_WITHOUT_ENTRIES, {"since": span["since"], "until": span["until"]})
    ids, digests = [], []
    for posting_id, *fields in rows:
        ids.append(posting_id)
        digests.append(bytes.fromhex(posting_digest(str(posting_id), *fields)))
        tree.add(posting_leaf(posting_id, digests[-1]))
    if ids:
        await connection.execute(_COVER_POSTINGS, {"number": span["number"], "ids": ids, "digests": digests})
    return len(ids)


async def _sign(connection: AsyncConnection, unsigned: Checkpoint, key: SigningKey) -> Checkpoint:
    signed = replace(unsigned, signature=key.sign(unsigned.form))
    await connection.execute(insert(checkpoint), {**vars(signed), "hash": signed.hash})
    return signed
