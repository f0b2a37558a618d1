"""One act of an operator for many orders: which orders it is for, and what became of it in each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Text, cast, exists, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.attention import Attention, Flag
from postgres.statements import Query
from records.orders.orders import attention_of
from records.tables import INSTANT, inbox, operator_batch, operator_batch_order, order_revision, orders, partner_words


@dataclass(frozen=True)
class Wanted:
    """Which open orders an act is for: those that it can help, and that fulfill every condition; None is any.

    `step` is one step, or with no slash in it a kind of steps.
    """

    tenant: str
    verb: str
    source: str | None = None
    step: str | None = None
    reason: str | None = None
    flagged_before: datetime | None = None
    status: str | None = None
    carrier: str | None = None
    sku: str | None = None
    ordered_before: datetime | None = None
    order_nos: Sequence[str] | None = None
    order_refs: Sequence[str] | None = None


_ALSO_WITHOUT_A_FLAG: Final[Mapping[str, Sequence[str]]] = {
    "accept_short": ("backordered",),
    "release_hold": ("backordered", "reserved", "picking", "picked", "labeled"),
    "cancel_order": ("backordered", "reserved", "picking", "picked", "labeled"),
}
"""The statuses in which an act does something though the order may need nobody."""

_STEP: Final = orders.c.attention["step"].astext
_REASON: Final = orders.c.attention["reason"].astext
_KIND_OF_STEP: Final = func.split_part(_STEP, "/", 1)
_CAUSE: Final = func.replace(_REASON, _STEP, _KIND_OF_STEP)
"""Why an order needs a person, in the words that it shares with others: without its own step."""


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    named_step = _STEP if "/" in (wanted.step or "") else _KIND_OF_STEP
    asked = (
        (orders.c.source, wanted.source),
        (orders.c.status, wanted.status),
        (orders.c.carrier, wanted.carrier),
        (named_step, wanted.step),
    )
    conditions = [orders.c.tenant == wanted.tenant, orders.c.closed_at.is_(None), _helps(wanted.verb)]
    conditions += [column == value for column, value in asked if value is not None]
    if wanted.reason is not None:
        conditions.append(or_(_contains(_REASON, wanted.reason), _partner_said(wanted.reason)))
    if wanted.flagged_before is not None:
        conditions.append(cast(orders.c.attention["since"].astext, INSTANT) < wanted.flagged_before)
    if wanted.ordered_before is not None:
        conditions.append(orders.c.ordered_at < wanted.ordered_before)
    if wanted.sku is not None:
        conditions.append(_has_sku(wanted.sku))
    for column, values in ((orders.c.order_no, wanted.order_nos), (orders.c.order_ref, wanted.order_refs)):
        if values is not None:
            conditions.append(column == func.any(literal(list(values), ARRAY(Text))))
    return conditions


def _contains(text: ColumnElement[Any], part: str) -> ColumnElement[bool]:
    return func.strpos(func.lower(text), part.lower()) > 0


def _partner_said(part: str) -> ColumnElement[bool]:
    """Say whether a partner said this to the step that an order needs a person for."""
    said = partner_words.c
    of_flag = (said.tenant == orders.c.tenant, said.order_ref == orders.c.order_ref, said.step == _STEP)
    return orders.c.needs_attention & exists().where(*of_flag, _contains(said.words, part))


def _helps(verb: str) -> ColumnElement[bool]:
    """Say whether an act can help an order: its flag names it, or it gives something up."""
    named = orders.c.needs_attention & orders.c.attention["actions"].has_key(verb)
    return or_(named, orders.c.status.in_(_ALSO_WITHOUT_A_FLAG.get(verb, ())))


def _has_sku(sku: str) -> ColumnElement[bool]:
    """Say whether the latest revision asks for a sku, also where that is a kit."""
    revision = order_revision.c
    return exists().where(
        revision.tenant == orders.c.tenant,
        revision.order_ref == orders.c.order_ref,
        revision.revision == orders.c.revision,
        or_(*(revision.content[lines].contains(cast([{"sku": sku}], JSONB)) for lines in ("resolved", "lines"))),
    )


@dataclass(frozen=True)
class Meant:
    """An order that an act is for, as it is now."""

    order_ref: str
    order_no: str
    source: str
    status: str
    needs_attention: bool
    attention: Attention | None

    @property
    def flag(self) -> Flag | None:
        """What a person is needed for now; None where nobody is."""
        return self.attention.flag if self.attention and self.needs_attention else None


_MEANT: Final = tuple(orders.c[name] for name in Meant.__dataclass_fields__)


async def find(connection: AsyncConnection, wanted: Wanted, limit: int, after: str = "") -> list[Meant]:
    """Return the orders that an act is for, by name."""
    query = select(*_MEANT).where(*_conditions(wanted), orders.c.order_ref > after)
    rows = await connection.execute(query.order_by(orders.c.order_ref).limit(limit))
    return [_meant(row) for row in rows]


async def count(connection: AsyncConnection, wanted: Wanted) -> int:
    """Count the orders that an act is for."""
    query = select(func.count()).select_from(orders).where(*_conditions(wanted))
    return int((await connection.execute(query)).scalar_one())


async def order_nos(connection: AsyncConnection, wanted: Wanted) -> list[str]:
    """Return the numbers of the orders that an act is for, which names them."""
    found = await connection.execute(select(orders.c.order_no).where(*_conditions(wanted)))
    return list(found.scalars())


@dataclass(frozen=True)
class Cause:
    """What orders need a person for, and how many need one for that. `step` is the kind of the step that is stuck."""

    step: str | None
    reason: str | None
    orders: int


async def causes(connection: AsyncConnection, wanted: Wanted, limit: int) -> list[Cause]:
    """Return why the orders that an act is for need a person, the most frequent cause first."""
    query = (
        select(_KIND_OF_STEP.label("step"), _CAUSE.label("reason"), func.count().label("orders"))
        .where(*_conditions(wanted))
        .group_by(_KIND_OF_STEP, _CAUSE)
        .order_by(func.count().desc(), _CAUSE)
        .limit(limit)
    )
    return [Cause(*row) for row in await connection.execute(query)]


# -- batches that were accepted --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Batch:
    """An act for many orders, as it was asked for. `source` is whose orders they are; None is anybody's."""

    tenant: str
    batch_no: str
    source: str | None
    digest: bytes
    request: dict[str, Any]
    actor: str


@dataclass(frozen=True)
class BatchRow(Batch):
    """A batch, as it was accepted."""

    accepted_at: datetime


@dataclass(frozen=True)
class Act:
    """What a batch says to one of its orders."""

    order_ref: str
    digest: bytes
    payload: Mapping[str, Any]


async def add(connection: AsyncConnection, batch: Batch) -> bool:
    """Accept a batch, whose acts are then to be put. Returns False where there is one of its number."""
    statement = insert(operator_batch).values(vars(batch)).on_conflict_do_nothing()
    return (await connection.execute(statement.returning(operator_batch.c.batch_no))).one_or_none() is not None


# No other command's key begins with that word, and the number is new: nothing can be in the way.
_PUT_ACTS: Final = Query(
    """
    with act as (
      insert into records.inbox (tenant, order_ref, kind, key, attempt, digest, payload, actor)
      select %(tenant)s, given.order_ref, 'operate', 'batch/' || given.order_ref || '/' || %(batch_no)s, 1,
             given.digest, given.payload, %(actor)s
      from unnest(%(order_refs)s::text[], %(digests)s::bytea[], %(payloads)s::text[]::jsonb[])
           as given (order_ref, digest, payload)
      returning inbox_id, order_ref
    )
    insert into records.operator_batch_order (tenant, batch_no, order_ref, inbox_id)
    select %(tenant)s, %(batch_no)s, order_ref, inbox_id from act
    """
)


async def put_acts(connection: AsyncConnection, batch: Batch, acts: Sequence[Act]) -> None:
    """Put a batch's acts into the inbox, one for each of its orders: the relay has them decided."""
    await _PUT_ACTS.run(
        connection,
        tenant=batch.tenant,
        batch_no=batch.batch_no,
        actor=batch.actor,
        order_refs=[act.order_ref for act in acts],
        digests=[act.digest for act in acts],
        payloads=[json.dumps(act.payload) for act in acts],
    )


async def get(connection: AsyncConnection, tenant: str, batch_no: str) -> BatchRow | None:
    """Return a batch."""
    query = select(operator_batch).where(operator_batch.c.tenant == tenant, operator_batch.c.batch_no == batch_no)
    found = (await connection.execute(query)).one_or_none()
    return BatchRow(*found) if found else None


_OF_BATCH: Final = operator_batch_order.join(inbox, inbox.c.inbox_id == operator_batch_order.c.inbox_id).join(
    orders,
    (orders.c.tenant == operator_batch_order.c.tenant) & (orders.c.order_ref == operator_batch_order.c.order_ref),
)


def _of(tenant: str, batch_no: str) -> tuple[ColumnElement[bool], ...]:
    return operator_batch_order.c.tenant == tenant, operator_batch_order.c.batch_no == batch_no


@dataclass(frozen=True)
class Became:
    """How many acts of a batch are in a state of the inbox, and how many of their orders need a person now."""

    state: str
    orders: int
    needing_attention: int


async def became(connection: AsyncConnection, tenant: str, batch_no: str) -> list[Became]:
    """Count what became of a batch's acts."""
    counts = func.count(), func.count().filter(orders.c.needs_attention)
    query = select(inbox.c.state, *counts).select_from(_OF_BATCH).where(*_of(tenant, batch_no))
    return [Became(*row) for row in await connection.execute(query.group_by(inbox.c.state))]


@dataclass(frozen=True)
class ActedOn:
    """An order of a batch, with what became of the act: the `state` of its row in the inbox, and the answer."""

    order: Meant
    state: str
    answer: dict[str, Any] | None
    decided_at: datetime | None


async def page(
    connection: AsyncConnection, tenant: str, batch_no: str, state: str | None, limit: int, after: str = ""
) -> list[ActedOn]:
    """Return a batch's orders as they are now, each with what became of the act, by name."""
    decision = (inbox.c.state, inbox.c.answer, inbox.c.decided_at)
    query = select(*decision, *_MEANT).select_from(_OF_BATCH).where(*_of(tenant, batch_no), orders.c.order_ref > after)
    if state is not None:
        query = query.where(inbox.c.state == state)
    rows = await connection.execute(query.order_by(orders.c.order_ref).limit(limit))
    return [ActedOn(_meant(row[len(decision) :]), *row[: len(decision)]) for row in rows]


def _meant(row: Sequence[Any]) -> Meant:
    read = dict(zip(Meant.__dataclass_fields__, row, strict=True))
    return Meant(**{**read, "attention": attention_of(read["attention"])})
