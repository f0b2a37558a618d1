"""What an order is, and what is still to be done for it, as the records have it: all in one look.

The statements here are put together with what the ledger says of the order (`queries/orders/order_work.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Self

from psycopg.sql import SQL
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.attention import Attention
from domain.messages import CarrierStep, ErpStep, OrderId
from postgres.statements import Query, listed
from records.orders.orders import attention_of
from records.restorations import EPOCH


@dataclass(frozen=True)
class WorkRow:
    """What `READ` tells: the order's own row, and what is open for it.

    `heard` says that a carrier's event was not applied yet, `undecided` that a command was not decided.
    """

    tenant: str
    order_ref: str
    site: str
    carrier: str
    status: str
    needs_attention: bool
    attention: Attention | None
    revision: int
    closed_at: datetime | None
    carrier_steps: tuple[CarrierStep, ...]
    erp_steps: tuple[ErpStep, ...]
    tracking_numbers: list[str]
    heard: bool
    undecided: bool
    epoch: int

    @classmethod
    def of_row(cls, values: Sequence[Any]) -> Self:
        """Read all of `COLUMNS`, in their order."""
        row = dict(zip(COLUMNS, values, strict=True))
        named = {name: row[name] for name in ("tenant", "order_ref", "epoch")}
        read = {
            "attention": attention_of(row["attention"]),
            "carrier_steps": tuple(CarrierStep(**named, **step) for step in row["carrier_steps"]),
            "erp_steps": tuple(ErpStep(**named, **step) for step in row["erp_steps"]),
        }
        return cls(**{**row, **read})


@dataclass(frozen=True)
class CommandBrief:
    """What `READ_WITH_COMMAND` tells first: what became of a command."""

    inbox_id: int
    kind: str
    key: str
    state: str
    answer: dict[str, Any] | None
    received_at: datetime


COLUMNS: Final = tuple(field.name for field in fields(WorkRow))
OF_COMMAND: Final = tuple(field.name for field in fields(CommandBrief))

_OF_ORDER: Final = COLUMNS[: COLUMNS.index("carrier_steps")]

# One statement, so that no part of it is older than another. A label that is to be voided is not asked for first.
READ: Final = SQL(
    """
    select {of_order},
      (select coalesce(jsonb_agg(jsonb_build_object('step_id', s.step_id, 'kind', s.kind, 'shipment_no', s.shipment_no,
                                                    'carrier', coalesce(s.carrier, o.carrier), 'connected', exists (
           select from records.connection c
           where c.tenant = s.tenant and c.kind = 'carrier' and c.name = coalesce(s.carrier, o.carrier)))
                                 order by s.created_at, s.shipment_no, s.version, s.kind), '[]')
       from records.carrier_step s
       where s.tenant = o.tenant and s.order_ref = o.order_ref and s.state in ('intended', 'sent', 'unknown')
         and not (s.kind = 'label' and exists (
           select from records.carrier_step v
           where v.tenant = s.tenant and v.order_ref = s.order_ref and v.shipment_no = s.shipment_no
             and v.version = s.version and v.kind = 'void' and v.state in ('intended', 'sent', 'unknown')))
      ) as carrier_steps,
      (select coalesce(jsonb_agg(jsonb_build_object('number', m.number, 'kind', m.kind, 'source', coalesce((
           select c.name from records.connection c
           where c.tenant = o.tenant and c.kind = 'erp' and c.name = o.source), ''), 'waits_for_label',
           m.kind = 'shipped' and exists (
             select from records.carrier_step s
             where s.tenant = m.tenant and s.order_ref = m.order_ref
               and s.shipment_no = m.payload ->> 'shipment_no'
               and s.kind = 'label' and s.state in ('intended', 'sent', 'unknown'))) order by m.number), '[]')
       from records.erp_message m
       where m.tenant = o.tenant and m.order_ref = o.order_ref and m.state not in ('done', 'skipped')
      ) as erp_steps,
      (select coalesce(jsonb_agg(p.tracking_number order by p.shipment_no, p.parcel_no), '[]')
       from records.parcel p
       where p.tenant = o.tenant and p.order_ref = o.order_ref and p.tracking_number is not null
      ) as tracking_numbers,
      exists (select from records.carrier_event e
              where e.tenant = o.tenant and e.order_ref = o.order_ref and e.applied_at is null) as heard,
      exists (select from records.inbox i
              where i.tenant = o.tenant and i.order_ref = o.order_ref and i.state = 'queued') as undecided,
      {epoch} as epoch
    from records.orders o
    where o.tenant = %(tenant)s and o.order_ref = %(order_ref)s
    """
).format(of_order=SQL(listed(_OF_ORDER, "o.")), epoch=EPOCH)

# The same, beside what became of a command of the order. Without an order, the command alone.
READ_WITH_COMMAND: Final = SQL(
    """
    select {of_command}, work.*
    from records.inbox i left join lateral ({read}) work on true
    where i.inbox_id = %(inbox_id)s
    """
).format(of_command=SQL(listed(OF_COMMAND, "i.")), read=READ)


# Orders with a step that nothing holds up, and that nobody has tried a minute after it was intended. Not of long ago:
# where no worker is up, being told again and again helps nobody.
_OVERLOOKED: Final = Query(
    """
    select tenant, order_ref from records.carrier_step s
    where state = 'intended' and attempts = 0
      and created_at between now() - interval '10 min' and now() - interval '1 min'
      and not exists (
        select from records.carrier_step b where b.tenant = s.tenant and b.order_ref = s.order_ref and b.attempts > 0
          and b.state in ('intended', 'sent', 'unknown'))
    union
    select tenant, order_ref from records.erp_message m
    where state = 'intended' and attempts = 0
      and created_at between now() - interval '10 min' and now() - interval '1 min'
      and not exists (
        select from records.erp_message b where b.tenant = m.tenant and b.order_ref = m.order_ref
          and b.number < m.number and b.state not in ('done', 'skipped'))
    limit %(limit)s
    """
)


async def overlooked(connection: AsyncConnection, limit: int) -> list[OrderId]:
    """Name orders whose workflow seems not to know of a step.

    It was not told where worker and Temporal died together, after the command was decided and before that was recorded.
    """
    return [
        OrderId(tenant=tenant, order_ref=order_ref)
        for tenant, order_ref in await _OVERLOOKED.rows(connection, limit=limit)
    ]
