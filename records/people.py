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

from domain.messages import OrderId
from domain.reasons import words_of
from postgres.statements import Query
from records.tables import address


@dataclass(frozen=True)
class Address:
    """Who an order goes to, as was said; `order_ref` is of the order that it was stored for beside its pushes."""

    ship_to: dict[str, Any]
    order_ref: str | None = None

    def as_row(self) -> dict[str, Any]:
        """Write it down."""
        return _said(self)


@dataclass(frozen=True)
class Words:
    """What was said in words about a posting, or as an order's note."""

    reason: str | None = None
    note: str | None = None

    def as_row(self) -> dict[str, Any]:
        """Write them down."""
        return _said(self)


def _said(told: Address | Words) -> dict[str, Any]:
    return {name: value for name, value in vars(told).items() if value is not None}


@dataclass(frozen=True)
class People:
    """What is kept under ids. Nothing is of what was erased."""

    addresses: Mapping[UUID, Address]
    words: Mapping[UUID, Words]


def note_id(tenant: str, posting_key: str) -> UUID:
    """Name the free note that came with a posting, so that it can be found by the posting's key."""
    return UUID(bytes=sha256(f"note\n{tenant}\n{posting_key}".encode()).digest()[:16])


def address_id(order: OrderId, address_no: str) -> UUID:
    """Name an address that was stored for an order beside those of its pushes."""
    return UUID(bytes=sha256(f"address\n{order.tenant}\n{order.order_ref}\n{address_no}".encode()).digest()[:16])


async def is_of_order(connection: AsyncConnection, order: OrderId, address_id: UUID) -> bool:
    """Say whether an address was stored for an order, beside those of its pushes."""
    known = await get_address(connection, order.tenant, address_id)
    return known is not None and known.order_ref == order.order_ref


async def read_the_same(connection: AsyncConnection, tenant: str, one: UUID, other: UUID) -> bool:
    """Say whether goods go to the same by two addresses, whatever they were stored for."""
    known = (await read(connection, tenant, {one, other})).addresses
    said = [known[address_id].ship_to if address_id in known else None for address_id in (one, other)]
    return said[0] == said[1]


async def keep(connection: AsyncConnection, address_id: UUID, tenant: str, told: Address | Words) -> bool:
    """Keep what was told under an id that is ours. What is kept already stays. Says whether it is new."""
    statement = insert(address).values(address_id=address_id, tenant=tenant, data=told.as_row())
    new = await connection.execute(statement.on_conflict_do_nothing().returning(address.c.address_id))
    return new.one_or_none() is not None


async def keep_words(
    connection: AsyncConnection, tenant: str, posting_key: str, *, reason: str | None = None, note: str | None = None
) -> None:
    """Keep what was said about a posting in words, if anything was: they may be about people."""
    words = Words(words_of(reason), note)
    if words != Words():
        await keep(connection, note_id(tenant, posting_key), tenant, words)


async def say_again(connection: AsyncConnection, tenant: str, posting_key: str, *, note: str | None) -> None:
    """Keep the note of a command that nothing was posted for yet: of one that was refused before, this one counts."""
    words = Words(note=note)
    if note is None or not await keep(connection, note_id(tenant, posting_key), tenant, words):
        kept = (address.c.address_id == note_id(tenant, posting_key)) & address.c.data.is_not(None)
        await connection.execute(update(address).where(kept).values(data=words.as_row()))


async def words_about(connection: AsyncConnection, tenant: str, posting_keys: Iterable[str]) -> dict[str, Words]:
    """Return what was said in words about postings, by their keys."""
    keys = {note_id(tenant, key): key for key in posting_keys}
    return {keys[found]: words for found, words in (await read(connection, tenant, keys)).words.items()} if keys else {}


async def get_address(connection: AsyncConnection, tenant: str, address_id: UUID) -> Address | None:
    """Return an address; None once it is erased."""
    return (await read(connection, tenant, [address_id])).addresses.get(address_id)


async def read(connection: AsyncConnection, tenant: str, address_ids: Iterable[UUID]) -> People:
    """Return what is kept under these ids."""
    told: dict[UUID, dict[str, Any]] = dict(await _READ.rows(connection, tenant=tenant, address_ids=list(address_ids)))
    return People(
        {name: address for name, data in told.items() if (address := address_of(data))},
        {name: Words(data.get("reason"), data.get("note")) for name, data in told.items() if not address_of(data)},
    )


def address_of(data: Mapping[str, Any] | None) -> Address | None:
    """Read an address; None where that is not what the data is, or it was erased."""
    return Address(data["ship_to"], data.get("order_ref")) if data and "ship_to" in data else None


_READ: Final = Query(
    """
    select address_id, data from records.address
    where tenant = %(tenant)s and address_id = any(%(address_ids)s) and data is not null
    """
)
