"""The ERP feed as its sender sees it. Synchronous: it is used on a thread, beside calls that block.

Each step is one statement, and commits by itself: an order has several messages, and a message several steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Final

from psycopg.sql import SQL, Composable, Composed
from sqlalchemy import Connection

from domain.erp import ErpContent, ErpParcel, Telling
from domain.messages import OrderId
from domain.packing import Content
from postgres.statements import Query, composed, listed
from records.erp.messages import FeedMessage
from records.restorations import EPOCH, STOPPED, asks_first


@dataclass(frozen=True)
class ErpMessageRow(FeedMessage):
    """A message of an order's feed as it was claimed, with what of its order and its memory says how it is told.

    `parcels` are those with a number of a message about a shipment; `label_is_to_come` says that it waits for more. A
    restore that nobody told of has `stopped` it, after one that somebody did `asks_first`.
    """

    source: str
    order_no: str
    status: str
    parcels: tuple[ErpParcel, ...]
    label_is_to_come: bool
    epoch: int
    stopped: str | None
    asks_first: bool

    @cached_property
    def telling(self) -> Telling:
        """Return what the ERP is to hear."""
        return Telling.model_validate(self.payload)


_CLAIMED: Final = tuple(field.name for field in fields(ErpMessageRow))
_OF_MESSAGE: Final = tuple(field.name for field in fields(FeedMessage))
_OF_ORDER: Final = ("source", "order_no", "status")

_THIS: Final = SQL("tenant = %(tenant)s and order_ref = %(order_ref)s and number = %(number)s")
_OPEN: Final = SQL("state not in ('done', 'skipped')")

# The feed's next message that is not done, if it comes behind this one.
_BEHIND: Final = SQL(
    """
    tenant = %(tenant)s and order_ref = %(order_ref)s and number > %(number)s and %(go_on)s::boolean and number = (
      select min(number) from records.erp_message
      where tenant = %(tenant)s and order_ref = %(order_ref)s and number <> %(number)s and {open}
    )
    """
).format(open=_OPEN)


def _claiming(which: Composable) -> Composed:
    """Mark a message as sent, before it is; tell it as it was, with its order and the parcels that it is about."""
    return SQL(
        """
    message as (
      select * from records.erp_message where {which} and {open} for update
    ), claimed as (
      update records.erp_message m set state = 'sent', attempts = m.attempts + 1
      from message where (m.tenant, m.order_ref, m.number) = (message.tenant, message.order_ref, message.number)
    )
    select {of_message}, {of_order},
      (select coalesce(jsonb_agg(jsonb_build_object('parcel_no', p.parcel_no, 'tracking_number', p.tracking_number,
                                                    'lines', p.lines)
                                 order by p.parcel_no), '[]')
       from records.parcel p
       where p.tenant = message.tenant and p.order_ref = message.order_ref
         and p.shipment_no = message.payload ->> 'shipment_no' and p.tracking_number is not null
      ) as parcels,
      message.kind = 'shipped' and exists (
        select from records.carrier_step s
        where s.tenant = message.tenant and s.order_ref = message.order_ref
          and s.shipment_no = message.payload ->> 'shipment_no'
          and s.kind = 'label' and s.state in ('intended', 'sent', 'unknown')
      ) as label_is_to_come,
      {epoch} as epoch, {stopped} as stopped, {asks_first} as asks_first
    from message join records.orders o on o.tenant = message.tenant and o.order_ref = message.order_ref
    """
    ).format(
        which=which,
        open=_OPEN,
        of_message=SQL(listed(_OF_MESSAGE, "message.")),
        of_order=SQL(listed(_OF_ORDER, "o.")),
        epoch=EPOCH,
        stopped=STOPPED,
        asks_first=asks_first("message.created_at"),
    )


_CLAIM: Final = Query(composed("with {claimed}", claimed=_claiming(_THIS)), _CLAIMED)

_DONE: Final = Query(
    composed(
        """
        with told as (
          update records.erp_message
          set state = 'done', document_no = %(document_no)s::varchar, nothing_told = %(document_no)s::varchar is null,
            done_at = clock_timestamp(), last_error = null, waits_since = null
          where {this} and {open}
        ), {claimed}
        """,
        this=_THIS,
        open=_OPEN,
        claimed=_claiming(_BEHIND),
    ),
    _CLAIMED,
)

_FAILED: Final = Query(
    composed(
        """
        update records.erp_message set state = %(state)s, last_error = %(reason)s, waits_since = null
        where {this} and {open}
        """,
        this=_THIS,
        open=_OPEN,
    )
)

_WAITS: Final = Query(
    composed(
        """
        update records.erp_message
        set state = %(state)s, last_error = %(reason)s, waits_since = coalesce(waits_since, clock_timestamp())
        where {this} and {open}
        returning clock_timestamp() >= waits_since + make_interval(secs => %(wait_s)s)
        """,
        this=_THIS,
        open=_OPEN,
    )
)

_BY_MAPPING: Final = Query(
    composed(
        "update records.erp_message set mapping_digest = %(digest)s where {this} and {open}", this=_THIS, open=_OPEN
    )
)


def claim(connection: Connection, order: OrderId, number: int) -> ErpMessageRow | None:
    """Mark a message as sent, before it is. Returns it as it was, with its order; None if it is done with."""
    return _claimed(connection, _CLAIM, _of(order, number))


def by_mapping(connection: Connection, order: OrderId, number: int, digest: str) -> None:
    """Note by which mapping a message is about to be told."""
    _BY_MAPPING.at_once(connection, **_of(order, number), digest=digest)


def done(
    connection: Connection, order: OrderId, number: int, document_no: str | None, *, go_on: bool
) -> ErpMessageRow | None:
    """Note the document that the ERP made of a message, or that it is told nothing of it.

    To `go_on`, claim the one behind it, if there is one.
    """
    return _claimed(connection, _DONE, {**_of(order, number), "document_no": document_no, "go_on": go_on})


def failed(connection: Connection, order: OrderId, number: int, state: str, reason: str) -> None:
    """Note why a message is not done: `unknown` if the ERP may have it, `intended` if it surely has not."""
    _FAILED.at_once(connection, **_of(order, number), state=state, reason=reason)


def waits(connection: Connection, order: OrderId, number: int, state: str, reason: str, wait_s: int) -> bool:
    """Note what the ERP is to make before a message can be told. Returns whether it is waited for too long by now."""
    given = {"state": state, "reason": reason, "wait_s": wait_s}
    return any(over for (over,) in _WAITS.at_once(connection, **_of(order, number), **given))


def _of(order: OrderId, number: int) -> dict[str, Any]:
    return {"tenant": order.tenant, "order_ref": order.order_ref, "number": number}


def _claimed(connection: Connection, query: Query, given: dict[str, Any]) -> ErpMessageRow | None:
    rows = query.at_once(connection, **given)
    if not rows:
        return None
    row = dict(zip(_CLAIMED, rows[0], strict=True))
    return ErpMessageRow(**{**row, "parcels": tuple(map(_parcel, row["parcels"]))})


def _parcel(box: Mapping[str, Any]) -> ErpParcel:
    held = map(Content.of_document, box["lines"])
    lines = tuple(ErpContent(each.line_no, each.quantity, each.lot or None, each.serial_numbers) for each in held)
    return ErpParcel(box["parcel_no"], box["tracking_number"], lines)


# -- after a restore from a backup ---------------------------------------------------------------------------------

_EXISTS: Final = Query(
    composed("select {epoch}, exists (select from records.erp_message where {this})", epoch=EPOCH, this=_THIS)
)

KNOWN: Final = Query(
    """
    select min(number) filter (where state <> 'skipped' and (done_at is null or done_at >= r.restored_at)), max(number),
      coalesce(array_agg(document_no) filter (where document_no is not null), '{}')
    from records.erp_message, (select max(restored_at) as restored_at from records.restoration) r
    where tenant = %(tenant)s and order_ref = %(order_ref)s
    """
)

_REFER: Final = Query(
    composed("update records.erp_message set reference = %(reference)s where {this} and {open}", this=_THIS, open=_OPEN)
)


def gone(connection: Connection, order: OrderId, number: int) -> int | None:
    """Return the latest restore where there is no such message any more; None where there is."""
    ((epoch, exists),) = _EXISTS.at_once(connection, tenant=order.tenant, order_ref=order.order_ref, number=number)
    return None if exists else int(epoch)


@dataclass(frozen=True)
class KnownFeed:
    """What of an order's feed is certain: from which number on the ERP may have heard others, and its documents."""

    from_number: int
    last_number: int
    document_nos: frozenset[str]


def known(connection: Connection, order: OrderId) -> KnownFeed:
    """Return what of an order's feed is certain after a restore."""
    return known_of(KNOWN.at_once(connection, tenant=order.tenant, order_ref=order.order_ref))


def known_of(rows: Sequence[Sequence[Any]]) -> KnownFeed:
    """Read what `KNOWN` tells."""
    ((first, last, document_nos),) = rows
    return KnownFeed(first or 1, last or 0, frozenset(document_nos))


def refer(connection: Connection, order: OrderId, number: int, reference: str) -> None:
    """Tell a message under another reference: the ERP has something else under its own."""
    _REFER.at_once(connection, tenant=order.tenant, order_ref=order.order_ref, number=number, reference=reference)
