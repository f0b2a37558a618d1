"""The inbox: every command is a row here before Temporal is called; an order's commands are decided in their order.

A row is queued until it is accepted or refused, in the transaction of what it caused. The same key again is the same
row, but after a refusal it is a new attempt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final, Generic, TypeVar, cast

from psycopg.sql import SQL
from sqlalchemy import bindparam, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import Conflict, InvariantViolated, Kind, Rejected
from domain.messages import Command, OfOrder, OrderId
from domain.order_commands import kept
from domain.payloads import Kept
from postgres.statements import Query, composed, listed
from records.tables import inbox

Payload_co = TypeVar("Payload_co", bound=Kept, covariant=True)
"""What a row holds, where the kind of its command is known."""


@dataclass(frozen=True)
class InboxRow(OfOrder, Generic[Payload_co]):
    """A command as it was stored, in a `document`. `answer` is what was said to it: the outcome, or a problem.

    `of_new_order` says that its order was surely not accepted when the row was read, `is_new` that it was stored just
    now: nobody can have answered it before.
    """

    inbox_id: int
    tenant: str
    order_ref: str
    kind: str
    key: str
    attempt: int
    digest: bytes
    document: dict[str, Any]
    actor: str
    state: str
    answer: dict[str, Any] | None
    received_at: datetime
    decided_at: datetime | None
    of_new_order: bool = False
    is_new: bool = False

    @cached_property
    def payload(self) -> Payload_co:
        """Return what was said, as its kind of command is kept."""
        return cast("Payload_co", kept(self.kind, self.document))

    @property
    def command(self) -> Command:
        """Return it as a workflow hears of it: what it says is read here."""
        return Command(
            tenant=self.tenant,
            order_ref=self.order_ref,
            inbox_id=self.inbox_id,
            kind=self.kind,
            key=self.key,
            received_at=self.received_at,
        )

    @property
    def update_id(self) -> str:
        """Name the update that carries the command: repeats of an undecided row keep it.

        With the time: after a restore from a backup the same key is another row, which no old update may answer.
        """
        return f"{self.key}/{self.attempt}/{self.received_at.astimezone(UTC).isoformat()}"


_GIVEN: Final = ("tenant", "order_ref", "kind", "key", "attempt", "digest", "payload", "actor")


def _row(stored: Mapping[Any, Any]) -> InboxRow[Kept]:
    row = {**stored, "digest": bytes(stored["digest"])}
    return InboxRow(document=row.pop("payload"), **row)


async def put(
    connection: AsyncConnection,
    order: OrderId,
    *,
    kind: str,
    key: str,
    digest: bytes,
    payload: Mapping[str, Any],
    actor: str,
) -> tuple[InboxRow[Kept], bool]:
    """Store a command, unless it is there already. Returns its row, and whether it is new.

    After a refusal, the same key is a new attempt, with any content. Raises `Conflict` where an accepted or undecided
    row with the same key has other content.
    """
    given: dict[str, Any] = {
        "tenant": order.tenant,
        "order_ref": order.order_ref,
        "kind": kind,
        "key": key,
        "digest": digest,
        "payload": dict(payload),
        "actor": actor,
    }
    if new := await _store(connection, given, 1):
        return new, True
    last = await _last(connection, order, key)
    if last is not None and last.state == "refused":
        if new := await _store(connection, given, last.attempt + 1):
            return new, True
        last = await _last(connection, order, key)
    if last is None:
        raise InvariantViolated(f"the inbox row of {key} is neither new nor known")
    if last.digest != digest:
        raise Conflict(f"{key} came before with other content.")
    return last, False


async def _store(connection: AsyncConnection, given: dict[str, Any], attempt: int) -> InboxRow[Kept] | None:
    """Write an attempt, unless it is there."""
    stored = await _STORE.row(connection, **given, attempt=attempt)
    if stored is None:
        return None
    inbox_id, received_at = stored
    undecided: dict[str, Any] = {"state": "queued", "answer": None, "decided_at": None}
    row = {**given, **undecided, "attempt": attempt, "inbox_id": inbox_id, "received_at": received_at, "is_new": True}
    return _row(row)


_STORE: Final = Query.of(
    insert(inbox)
    .values({name: bindparam(name) for name in _GIVEN})
    .on_conflict_do_nothing()
    .returning(inbox.c.inbox_id, inbox.c.received_at)
)
_LAST: Final = Query.of(
    select(inbox)
    .where(
        inbox.c.tenant == bindparam("tenant"),
        inbox.c.order_ref == bindparam("order_ref"),
        inbox.c.key == bindparam("key"),
    )
    .order_by(inbox.c.attempt.desc())
    .limit(1)
)


async def _last(connection: AsyncConnection, order: OrderId, key: str) -> InboxRow[Kept] | None:
    found = await _LAST.mapping(connection, tenant=order.tenant, order_ref=order.order_ref, key=key)
    return _row(found) if found else None


async def get(connection: AsyncConnection, inbox_id: int) -> InboxRow[Kept]:
    """Return a row by its id."""
    found = (await connection.execute(select(inbox).where(inbox.c.inbox_id == inbox_id))).mappings().one()
    return _row(found)


# Everything that is decided comes by here. `after` is the command that was decided before, as who asks remembers it.
_FIRST_UNDECIDED: Final = Query(
    composed(
        """
        select {fields}, not exists (
          select from records.orders o where o.tenant = %(tenant)s and o.order_ref = %(order_ref)s
        ) as of_new_order, (
          select a.received_at from records.inbox a
          where a.inbox_id = %(after)s and a.tenant = %(tenant)s and a.order_ref = %(order_ref)s
        ) as after_received_at
        from records.inbox i
        where i.tenant = %(tenant)s and i.order_ref = %(order_ref)s
          and (i.inbox_id = %(inbox_id)s or (i.state = 'queued' and i.inbox_id < %(inbox_id)s))
        order by i.state <> 'queued', i.inbox_id
        limit 1
        """,
        fields=SQL(listed(inbox.c.keys(), "i.")),
    ),
    (*inbox.c.keys(), "of_new_order", "after_received_at"),
)


@dataclass(frozen=True)
class NextUp:
    """What is to be decided next; None where the order has no such command.

    `after_received_at` is when the command came that was decided before; None where there is no such row.
    """

    row: InboxRow[Kept] | None
    after_received_at: datetime | None


async def next_up(connection: AsyncConnection, order: OrderId, inbox_id: int, after: int | None = None) -> NextUp:
    """Return the order's first undecided command up to this one; without one, this one."""
    asked = {"tenant": order.tenant, "order_ref": order.order_ref, "inbox_id": inbox_id, "after": after}
    found = await _FIRST_UNDECIDED.mapping(connection, **asked)
    if found is None:
        return NextUp(None, None)
    after_received_at = found.pop("after_received_at")
    return NextUp(_row(found), after_received_at)


async def is_undecided(connection: AsyncConnection, inbox_id: int) -> bool:
    """Say whether a command waits for a decision."""
    return await _IS_UNDECIDED.row(connection, inbox_id=inbox_id) is not None


_IS_UNDECIDED: Final = Query("select from records.inbox where inbox_id = %(inbox_id)s and state = 'queued'")


async def undecided(connection: AsyncConnection, order: OrderId) -> list[InboxRow[Kept]]:
    """Return the commands of an order that wait for a decision, in their order."""
    query = (
        select(inbox)
        .where(inbox.c.tenant == order.tenant, inbox.c.order_ref == order.order_ref, inbox.c.state == "queued")
        .order_by(inbox.c.inbox_id)
    )
    return [_row(row) for row in (await connection.execute(query)).mappings()]


async def undecided_heads(
    connection: AsyncConnection, older_than_s: float, limit: int, after: tuple[str, str] = ("", "")
) -> list[InboxRow[Kept]]:
    """Return the first undecided command of each order, for those that have waited this long: the relay's work.

    A page at a time, by tenant and order_ref, from the order after `after`.
    """
    query = (
        select(inbox)
        .ext(distinct_on(inbox.c.tenant, inbox.c.order_ref))
        .where(
            inbox.c.state == "queued",
            inbox.c.received_at < func.now() - text(f"interval '{older_than_s} s'"),
            tuple_(inbox.c.tenant, inbox.c.order_ref) > after,
        )
        .order_by(inbox.c.tenant, inbox.c.order_ref, inbox.c.inbox_id)
        .limit(limit)
    )
    return [_row(row) for row in (await connection.execute(query)).mappings()]


async def accept(connection: AsyncConnection, inbox_id: int, answer: Mapping[str, Any]) -> None:
    """Mark a command accepted, with its answer. Raises `AlreadyDecided` where another run was first."""
    await _decide(connection, inbox_id, "accepted", answer)


async def refuse(connection: AsyncConnection, inbox_id: int, refusal: Rejected) -> None:
    """Mark a command refused, with the reasons. Raises `AlreadyDecided` where another run was first."""
    await _decide(connection, inbox_id, "refused", refusal.as_json())


class AlreadyDecided(Rejected):
    """The command was decided by another run of the same activity: read its row."""

    def __init__(self) -> None:
        super().__init__("already_decided", "The command was decided before.", kind=Kind.CONFLICT)


async def _decide(connection: AsyncConnection, inbox_id: int, state: str, answer: Mapping[str, Any]) -> None:
    if not await _DECIDE.run(connection, inbox_id=inbox_id, decision=state, said=dict(answer)):
        raise AlreadyDecided


_DECIDE: Final = Query.of(
    update(inbox)
    .where(inbox.c.inbox_id == bindparam("inbox_id"), inbox.c.state == "queued")
    .values(state=bindparam("decision"), answer=bindparam("said"), decided_at=func.clock_timestamp())
)
