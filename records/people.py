"""People's data and free notes, each under an id: whatever else is kept or sent carries the id only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.reasons import words_of
from postgres.statements import Query
from records.tables import address


def note_id(tenant: str, posting_key: str) -> UUID:
    """Name the free note that came with a posting, so that it can be found by the posting's key."""
    return UUID(bytes=sha256(f"note\n{tenant}\n{posting_key}".encode()).digest()[:16])


def address_id(tenant: str, order_ref: str, address_no: str) -> UUID:
    """Name an address that was stored for an order beside those of its pushes."""
    return UUID(bytes=sha256(f"address\n{tenant}\n{order_ref}\n{address_no}".encode()).digest()[:16])


async def is_of_order(connection: AsyncConnection, tenant: str, order_ref: str, address_id: UUID) -> bool:
    """Say whether an address was stored for an order, beside those of its pushes."""
    known = (await read(connection, tenant, [address_id])).get(address_id)
    return known is not None and known.get("order_ref") == order_ref


async def keep(connection: AsyncConnection, address_id: UUID, tenant: str, data: Mapping[str, Any]) -> bool:
    """Keep data under an id that is ours. What is kept already stays. Says whether it is new."""
    statement = insert(address).values(address_id=address_id, tenant=tenant, data=dict(data))
    new = await connection.execute(statement.on_conflict_do_nothing().returning(address.c.address_id))
    return new.one_or_none() is not None


async def keep_words(
    connection: AsyncConnection, tenant: str, posting_key: str, *, reason: str | None = None, note: str | None = None
) -> None:
    """Keep what was said about a posting in words, if anything was: they may be about people."""
    words = {name: text for name, text in (("reason", words_of(reason)), ("note", note)) if text is not None}
    if words:
        await keep(connection, note_id(tenant, posting_key), tenant, words)


async def say_again(connection: AsyncConnection, tenant: str, posting_key: str, *, note: str | None) -> None:
    """Keep the note of a command that nothing was posted for yet: of one that was refused before, this one counts."""
    words = {} if note is None else {"note": note}
    if note is None or not await keep(connection, note_id(tenant, posting_key), tenant, words):
        kept = (address.c.address_id == note_id(tenant, posting_key)) & address.c.data.is_not(None)
        await connection.execute(update(address).where(kept).values(data=words))


@dataclass(frozen=True)
class Words:
    """What was said in words about a posting."""

    reason: str | None = None
    note: str | None = None


async def words_about(connection: AsyncConnection, tenant: str, posting_keys: Iterable[str]) -> dict[str, Words]:
    """Return what was said in words about postings, by their keys."""
    keys = {note_id(tenant, key): key for key in posting_keys}
    kept = await read(connection, tenant, keys) if keys else {}
    return {keys[found]: Words(words.get("reason"), words.get("note")) for found, words in kept.items()}


async def read(connection: AsyncConnection, tenant: str, address_ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """Return what is kept under these ids; nothing for what was erased."""
    return dict(await _READ.rows(connection, tenant=tenant, address_ids=list(address_ids)))


_READ: Final = Query(
    """
    select address_id, data from records.address
    where tenant = %(tenant)s and address_id = any(%(address_ids)s) and data is not null
    """
)
