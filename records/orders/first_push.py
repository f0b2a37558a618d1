"""What an order's first accepted push leaves in the records, in one statement: pushes come by the thousand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.erp import Said
from postgres.statements import composed
from records.erp.messages import in_base_units

# Write the order, its revision and the first messages to its ERP, and accept the command. Nothing of it where the
# order is there already, or the command was decided.
_WRITE: Final = text(
    composed(
        """
        with asked as (
          select inbox_id, tenant, order_ref from records.inbox where inbox_id = :inbox_id and state = 'queued'
        ), new_order as (
          insert into records.orders (tenant, order_ref, source, order_no, site, status, revision, priority,
            shortage_policy, customer_no, requested_delivery, carrier, service_level, address_id, ordered_at,
            ship_complete, backorder_until, replaces, replaces_return, next_erp_number)
          select asked.tenant, asked.order_ref, n.source, n.order_no, n.site, n.status, n.revision, n.priority,
            n.shortage_policy, n.customer_no, n.requested_delivery, n.carrier, n.service_level, n.address_id,
            n.ordered_at, n.ship_complete, n.backorder_until, n.replaces, n.replaces_return, n.next_erp_number
          from asked, jsonb_to_record(cast(:order as jsonb)) as n (source text, order_no text, site text, status text,
            revision integer, priority integer, shortage_policy text, customer_no text, requested_delivery date,
            carrier text, service_level text, address_id uuid, ordered_at timestamptz, ship_complete boolean,
            backorder_until timestamptz, replaces text, replaces_return text, next_erp_number integer)
          on conflict do nothing
          returning tenant, order_ref, revision, address_id
        ), new_revision as (
          insert into records.order_revision (tenant, order_ref, revision, digest, content, address_id)
          select tenant, order_ref, revision, cast(:digest as bytea), cast(:content as jsonb), address_id from new_order
        ), new_messages as (
          insert into records.erp_message (tenant, order_ref, number, kind, reference, payload, state)
          select o.tenant, o.order_ref, m.number, m.kind, o.tenant || '/' || o.order_ref || '/' || m.number,
            {payload}, 'intended'
          from new_order o, jsonb_to_recordset(cast(:said as jsonb)) as m (number integer, kind text, payload jsonb)
        )
        update records.inbox i
        set state = 'accepted', answer = cast(:answer as jsonb), decided_at = clock_timestamp()
        from new_order where i.inbox_id = :inbox_id
        returning i.inbox_id
        """,
        payload=in_base_units("m.payload", "o.tenant"),
    )
)


async def write(
    connection: AsyncConnection,
    inbox_id: int,
    order: Mapping[str, Any],
    content: Mapping[str, Any],
    digest: bytes,
    said: Sequence[Said],
    answer: Mapping[str, Any],
) -> bool:
    """Write it. Returns False, and writes nothing, where the order is there already or the command was decided."""
    revision = order["revision"]
    messages = [
        {"number": number, "kind": kind, "payload": {"revision": revision, **payload}}
        for number, (kind, payload) in enumerate(said, 1)
    ]
    given = {
        "inbox_id": inbox_id,
        "order": json.dumps({**order, "next_erp_number": len(said) + 1}),
        "digest": digest,
        "content": json.dumps(content),
        "said": json.dumps(messages),
        "answer": json.dumps(answer),
    }
    return (await connection.execute(_WRITE, given)).first() is not None
