"""Making the proof of an order from the ledger and its checkpoints."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import Unavailable
from domain.messages import OrderId
from ledger.canonical import microseconds, posting_digest
from ledger.proving import proof_form as form
from ledger.proving.checkpoints import Checkpoint, posting_leaf, read_checkpoints, tail_leaf
from ledger.proving.merkle import audit_path

_ENTRY: Final = """
select e.stream_id, e.seq, e.order_ref, e.line_no, e.on_hand_delta, e.reserved_delta, e.on_hand, e.reserved,
       e.posting_id, p.tenant, p.idempotency_key, p.request_digest, p.reason, p.actor, p.evidence, p.occurred_at,
       p.recorded_at, p.answer, coalesce(b.hash, s.identity_hash) as previous_hash
from ledger.entry e
join ledger.posting p on p.posting_id = e.posting_id
join ledger.stream s on s.stream_id = e.stream_id
left join ledger.entry b on b.stream_id = e.stream_id and b.seq = e.seq - 1
"""

# Where the order's entries are, and the tail that covers each: the first one at or after it.
_COVERED: Final = text(
    """
    select e.stream_id, e.seq, c.seq as tail, c.number
    from ledger.entry e
    left join lateral (
      select seq, number from ledger.checkpoint_tail c
      where c.stream_id = e.stream_id and c.seq >= e.seq order by c.seq limit 1
    ) c on true
    where e.tenant = :tenant and e.order_ref = :order_ref and e.order_ref <> ''
    order by e.stream_id, e.seq
    """
)
_SEGMENT: Final = text(_ENTRY + "where e.stream_id = :stream_id and e.seq between :first and :tail order by e.seq")
_STREAM: Final = text(
    "select sku, site, location_id, kind, lot, serial_number, stock_status from ledger.stream where stream_id = :id"
)
_WITHOUT_ENTRIES: Final = text(
    """
    select p.posting_id, p.tenant, p.idempotency_key, p.request_digest, p.reason, p.actor, p.evidence, p.occurred_at,
           p.recorded_at, p.answer, c.number
    from ledger.posting p left join ledger.checkpoint_posting c on c.posting_id = p.posting_id
    where p.tenant = :tenant and p.idempotency_key = any(:keys)
      and not exists (select from ledger.entry e where e.posting_id = p.posting_id)
    order by p.recorded_at, p.posting_id
    """
)
_LEAVES: Final = text(
    """
    select 'tail' as kind, stream_id as id, seq, hash from ledger.checkpoint_tail where number = :number
    union all
    select 'posting', posting_id, 0, digest from ledger.checkpoint_posting where number = :number
    order by kind desc, id
    """
)


@dataclass
class _Making:
    """What is put together: postings of the order by id, and the numbers of the checkpoints that are needed."""

    tenant: str
    order_ref: str
    postings: dict[UUID, form.ProvenPosting] = field(default_factory=dict)
    trees: dict[int, _Tree] = field(default_factory=dict)


@dataclass(frozen=True)
class _Tree:
    """The leaves of a checkpoint's tree, and where each stands."""

    leaves: Sequence[bytes]
    positions: dict[UUID, int]


async def prove_order(
    connection: AsyncConnection, order: OrderId, keys: Collection[str] = ()
) -> form.OrderProof | None:
    """Prove an order's entries, and the postings under `keys` that moved nothing. None where there is nothing of it.

    Raises `Unavailable` where something is newer than the newest checkpoint.
    """
    making = _Making(order.tenant, order.order_ref)
    where = (await connection.execute(_COVERED, {"tenant": order.tenant, "order_ref": order.order_ref})).all()
    bare = (await connection.execute(_WITHOUT_ENTRIES, {"tenant": order.tenant, "keys": list(keys)})).all()
    if not where and not bare:
        return None
    newer = sum(row.number is None for row in (*where, *bare))
    if newer:
        raise Unavailable(f"{newer} of the order's entries are in no checkpoint yet: take one.")
    streams = [await _stream(connection, making, *group) for group in groupby(where, key=lambda row: row.stream_id)]
    without = [await _without_entries(connection, making, row) for row in bare]
    return form.OrderProof(
        format=form.VERSION,
        tenant=order.tenant,
        order_ref=order.order_ref,
        postings=tuple(making.postings.values()),
        streams=tuple(streams),
        without_entries=tuple(without),
        checkpoints=tuple(map(_signed, await read_checkpoints(connection, making.trees))),
    )


async def _stream(
    connection: AsyncConnection, making: _Making, stream_id: UUID, where: Iterable[Row[Any]]
) -> form.ProvenStream:
    identity = (await connection.execute(_STREAM, {"id": stream_id})).one()
    tails = [(tail, next(rows)) for tail, rows in groupby(where, key=lambda row: (row.tail, row.number))]
    return form.ProvenStream(
        stream_id=str(stream_id),
        identity=form.Identity(**identity._mapping),  # noqa: SLF001 - SQLAlchemy's public name for it
        segments=tuple([await _segment(connection, making, first, *tail) for tail, first in tails]),
    )


async def _segment(
    connection: AsyncConnection, making: _Making, first: Row[Any], tail: int, number: int
) -> form.Segment:
    """Prove the entries from one of the order's to the tail that covers it."""
    asked = {"stream_id": first.stream_id, "first": first.seq, "tail": tail}
    rows = (await connection.execute(_SEGMENT, asked)).all()
    return form.Segment(
        previous_hash=rows[0].previous_hash.hex(),
        entries=tuple(_entry(making, row) for row in rows),
        place=await _place(connection, making, number, first.stream_id),
    )


def _entry(making: _Making, row: Row[Any]) -> form.ProvenEntry:
    own = row.order_ref == making.order_ref
    if own:
        making.postings.setdefault(row.posting_id, _posting(row))
    return form.ProvenEntry(
        seq=row.seq,
        order_ref=row.order_ref,
        line_no=row.line_no,
        on_hand_delta=row.on_hand_delta,
        reserved_delta=row.reserved_delta,
        on_hand=row.on_hand,
        reserved=row.reserved,
        posting_id=str(row.posting_id) if own else None,
        posting_digest=_digest(row),
    )


def _posting(row: Row[Any]) -> form.ProvenPosting:
    return form.ProvenPosting(
        posting_id=str(row.posting_id),
        idempotency_key=row.idempotency_key,
        request_digest=row.request_digest.hex(),
        reason=row.reason,
        actor=row.actor,
        evidence=row.evidence,
        occurred_at=microseconds(row.occurred_at),
        recorded_at=microseconds(row.recorded_at),
        answer_hash=sha256(row.answer.encode()).hexdigest(),
    )


def _digest(row: Row[Any]) -> str:
    return posting_digest(
        str(row.posting_id),
        row.tenant,
        row.idempotency_key,
        row.request_digest,
        row.reason,
        row.actor,
        row.evidence,
        row.occurred_at,
        row.recorded_at,
        row.answer,
    )


async def _without_entries(connection: AsyncConnection, making: _Making, row: Row[Any]) -> form.PostingWithoutEntries:
    making.postings[row.posting_id] = _posting(row)
    place = await _place(connection, making, row.number, row.posting_id)
    return form.PostingWithoutEntries(posting_id=str(row.posting_id), place=place)


async def _place(connection: AsyncConnection, making: _Making, number: int, leaf: UUID) -> form.Place:
    if number not in making.trees:
        making.trees[number] = await _tree(connection, number)
    tree = making.trees[number]
    position = tree.positions[leaf]
    path = tuple(beside.hex() for beside in audit_path(tree.leaves, position))
    return form.Place(checkpoint=number, position=position, path=path)


async def _tree(connection: AsyncConnection, number: int) -> _Tree:
    rows = (await connection.execute(_LEAVES, {"number": number})).all()
    leaves = [
        tail_leaf(row.id, row.seq, row.hash) if row.kind == "tail" else posting_leaf(row.id, row.hash) for row in rows
    ]
    return _Tree(leaves, {row.id: position for position, row in enumerate(rows)})


def _signed(checkpoint: Checkpoint) -> form.SignedCheckpoint:
    return form.SignedCheckpoint(
        number=checkpoint.number,
        covers_until=microseconds(checkpoint.covers_until),
        previous_hash=checkpoint.previous_hash.hex(),
        root=checkpoint.root.hex(),
        tails=checkpoint.tails,
        postings=checkpoint.postings,
        public_key=checkpoint.public_key.hex(),
        signature=checkpoint.signature.hex(),
    )
