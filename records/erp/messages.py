"""The feed of an order to its ERP: numbered messages, sent in their order, each exactly once in effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg.sql import SQL, Composed
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.erp import ErpMessageKind
from domain.errors import InvariantViolated
from domain.messages import OfOrder, OrderId
from postgres.statements import Query, composed
from records.tables import erp_message


@dataclass(frozen=True)
class FeedMessage(OfOrder):
    """A message of an order's feed to its ERP, and how far it has come.

    `attempts` counts the claims, also those that found that something is missing here. Only one that has a
    `mapping_digest` was ever on its way to the ERP.
    """

    tenant: str
    order_ref: str
    number: int
    kind: ErpMessageKind
    reference: str
    payload: dict[str, Any]
    state: str
    document_no: str | None
    attempts: int
    last_error: str | None
    created_at: datetime
    done_at: datetime | None
    nothing_told: bool
    waits_since: datetime | None
    mapping_digest: str | None


async def append(connection: AsyncConnection, order: OrderId, kind: ErpMessageKind, payload: Mapping[str, Any]) -> int:
    """Put a message at the end of an order's feed. The caller holds the order's lock, or this takes it.

    The revision that the message is about is the order's now, not when the ERP can be reached.
    """
    told = await _APPEND.row(
        connection, tenant=order.tenant, order_ref=order.order_ref, kind=kind, payload=dict(payload)
    )
    if told is None:
        raise InvariantViolated(f"there is no order {order.order_ref} to tell an ERP of")
    return int(told[0])


def in_base_units(payload: LiteralString, tenant: LiteralString) -> Composed:
    """Write what lets the lines of a payload name the base unit that their quantities are in.

    One whose sku is not in the catalog keeps the unit that it came with.
    """
    return SQL(
        """
    case when {payload} ? 'lines' then {payload} || jsonb_build_object('lines', (
      select coalesce(
        jsonb_agg(line || jsonb_build_object('uom', coalesce(base_uom, line ->> 'uom')) order by place), '[]'
      )
      from jsonb_array_elements({payload} -> 'lines') with ordinality as told (line, place)
      left join records.product on product.tenant = {tenant} and product.sku = line ->> 'sku'
    )) else {payload} end
    """
    ).format(payload=SQL(payload), tenant=SQL(tenant))


_APPEND: Final = Query(
    composed(
        """
        with numbered as (
          update records.orders set next_erp_number = next_erp_number + 1
          where tenant = %(tenant)s and order_ref = %(order_ref)s
          returning tenant, order_ref, next_erp_number - 1 as number, revision
        )
        insert into records.erp_message (tenant, order_ref, number, kind, reference, payload, state)
        select tenant, order_ref, number, %(kind)s, concat_ws('/', tenant, order_ref, number),
          jsonb_build_object('revision', revision) || {payload}, 'intended'
        from numbered
        returning number
        """,
        payload=in_base_units("%(payload)s::jsonb", "numbered.tenant"),
    ),
    documents=frozenset({"payload"}),
)


async def renew(connection: AsyncConnection, message: FeedMessage) -> None:
    """Let a message that is not done be told in its place as one that the ERP can't know yet: under a new reference."""
    await connection.execute(
        update(erp_message)
        .where(
            erp_message.c.tenant == message.tenant,
            erp_message.c.order_ref == message.order_ref,
            erp_message.c.number == message.number,
        )
        .values(
            reference=f"{message.reference}+",
            state="intended",
            attempts=0,
            last_error=None,
            waits_since=None,
            mapping_digest=None,
        )
    )


async def get(connection: AsyncConnection, order: OrderId, number: int) -> FeedMessage | None:
    """Return a message by its number."""
    query = select(erp_message).where(
        erp_message.c.tenant == order.tenant, erp_message.c.order_ref == order.order_ref, erp_message.c.number == number
    )
    found = (await connection.execute(query)).one_or_none()
    return FeedMessage(*found) if found else None


async def waiting(connection: AsyncConnection, order: OrderId) -> list[FeedMessage]:
    """Return what the ERP has not been told yet, in the order of the feed."""
    query = (
        select(erp_message)
        .where(
            erp_message.c.tenant == order.tenant,
            erp_message.c.order_ref == order.order_ref,
            erp_message.c.state.not_in(("done", "skipped")),
        )
        .order_by(erp_message.c.number)
    )
    return [FeedMessage(*row) for row in await connection.execute(query)]


async def skip(connection: AsyncConnection, order: OrderId, number: int) -> None:
    """Never tell a message. What is done stays done."""
    await connection.execute(
        update(erp_message)
        .where(
            erp_message.c.tenant == order.tenant,
            erp_message.c.order_ref == order.order_ref,
            erp_message.c.number == number,
            erp_message.c.state.not_in(("done", "skipped")),
        )
        .values(state="skipped")
    )
