"""What carriers and ERPs said when they did not do what was asked, word for word: of each step, what it said last.

It may be about people, so it is nowhere else. Whatever else is kept or sent carries our words, and the id at most. Who
is erased (`people`) is erased here, too, and what is erased stays so.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from psycopg.sql import SQL
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from domain import characters
from domain.messages import OrderId
from postgres.statements import Query, composed, listed

LONGEST: Final = 4000


@dataclass(frozen=True)
class Asked:
    """What a partner was asked: for which step of which order. `partner` is a carrier's name, or an ERP's source."""

    order: OrderId
    step: str
    partner: str

    @property
    def words_id(self) -> UUID:
        """Name what is said to it."""
        named = f"words\n{self.order.tenant}\n{self.order.order_ref}\n{self.step}"
        return UUID(bytes=sha256(named.encode()).digest()[:16])


@dataclass(frozen=True)
class PartnerWords:
    """What a partner said. `words` are None once erased; `code` is ours, for what it comes to."""

    words_id: UUID
    order_ref: str
    step: str
    partner: str
    code: str
    words: str | None
    first_said_at: datetime
    said_at: datetime


def storable(words: str) -> str:
    """Return words as PostgreSQL can keep them, and no more of them than anybody reads."""
    return characters.storable(words[:LONGEST])


async def keep(connection: AsyncConnection, asked: Asked, code: str, words: str) -> UUID:
    """Keep what a partner said to what it was asked, and return its id."""
    await _KEEP.run(connection, **_given(asked, code, words))
    return asked.words_id


def keep_at_once(connection: Connection, asked: Asked, code: str, words: str) -> UUID:
    """Keep the same on a thread's connection."""
    _KEEP.at_once(connection, **_given(asked, code, words))
    return asked.words_id


def _given(asked: Asked, code: str, words: str) -> dict[str, Any]:
    about = {**asked.order.model_dump(), "step": asked.step, "partner": asked.partner}
    return {**about, "words_id": asked.words_id, "code": code, "words": storable(words)}


_KEEP: Final = Query(
    """
    insert into records.partner_words as kept (words_id, tenant, order_ref, step, partner, code, words)
    values (%(words_id)s, %(tenant)s, %(order_ref)s, %(step)s, %(partner)s, %(code)s, %(words)s)
    on conflict (words_id) do update set partner = excluded.partner, code = excluded.code,
      words = case when kept.words is not null then excluded.words end, said_at = clock_timestamp()
    """
)


async def of_orders(
    connection: AsyncConnection, tenant: str, order_refs: Collection[str]
) -> dict[tuple[str, str], PartnerWords]:
    """Return what partners said of orders, by order and step."""
    rows = await _OF_ORDERS.rows(connection, tenant=tenant, order_refs=list(order_refs))
    every = (PartnerWords(*row) for row in rows)
    return {(each.order_ref, each.step): each for each in every}


_OF_ORDERS: Final = Query(
    composed(
        """
        select {fields} from records.partner_words
        where tenant = %(tenant)s and order_ref = any(%(order_refs)s) order by first_said_at
        """,
        fields=SQL(listed(PartnerWords.__dataclass_fields__)),
    )
)
