"""A push at the door: all that must be known before it is kept, and how it is kept. One statement each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import InvariantViolated
from domain.messages import OrderId
from domain.payloads import KeptPush
from postgres.statements import Query
from records.catalog import Product, product_of
from records.orders.inbox import InboxRow
from records.people import Address, address_of


@dataclass(frozen=True)
class Standing:
    """How an order, and the catalog, stand to a push.

    `revision` is None for an order that was never accepted; `known_digest` is that of the pushed revision, where it was
    accepted. `last_*` are of the last attempt under the push's key. `products` are those that are named, and what comes
    along with them. `sites` are those that exist, each with whether it has a staging location; `time_zones` are theirs.
    `now` is PostgreSQL's.
    """

    revision: int | None
    closed: bool
    address_id: UUID | None
    address: Address | None
    known_digest: bytes | None
    last_inbox_id: int | None
    last_state: str | None
    last_digest: bytes | None
    last_attempt: int
    undecided: int
    has_carrier: bool
    products: Mapping[str, Product]
    sites: Mapping[str, bool]
    time_zones: Mapping[str, str | None]
    now: datetime

    @property
    def digest_before(self) -> bytes | None:
        """The digest of the push that the revision was accepted by, or waits as."""
        return self.known_digest or (self.last_digest if self.last_state in {"queued", "accepted"} else None)


_STANDING: Final = Query(
    """
    select o.revision, o.closed_at is not null as closed, o.address_id, a.data as address, r.digest as known_digest,
      i.inbox_id as last_inbox_id, i.state as last_state, i.digest as last_digest,
      coalesce(i.attempt, 0) as last_attempt,
      (select count(*) from records.inbox w
       where w.tenant = %(tenant)s and w.order_ref = %(order_ref)s and w.state = 'queued'
      ) as undecided,
      exists (
        select from records.connection c
        where c.tenant = %(tenant)s and c.kind = 'carrier' and c.name = %(carrier)s
      ) as has_carrier,
      (select coalesce(jsonb_agg(jsonb_build_array(
         p.sku, p.tracking, p.base_uom, p.packagings, p.allocation_policy, p.adds, p.kit)), '[]')
       from records.product p where p.tenant = %(tenant)s and p.sku = any(cast(%(skus)s as text[]) || array(
         select added ->> 'sku' from records.product m, jsonb_array_elements(m.adds) added
         where m.tenant = %(tenant)s and m.sku = any(%(skus)s)))
      ) as products,
      (select coalesce(jsonb_object_agg(l.location_id, exists (
         select from records.location s where s.tenant = %(tenant)s and s.site = l.location_id and s.type = 'staging')
       ), '{}')
       from records.location l where l.tenant = %(tenant)s and l.type = 'site' and l.location_id = any(%(sites)s)
      ) as sites,
      (select coalesce(jsonb_object_agg(l.location_id, l.time_zone), '{}')
       from records.location l where l.tenant = %(tenant)s and l.type = 'site' and l.location_id = any(%(sites)s)
      ) as time_zones,
      clock_timestamp() as now
    from (select) as push
    left join records.orders o on o.tenant = %(tenant)s and o.order_ref = %(order_ref)s
    left join records.address a on a.address_id = o.address_id
    left join records.order_revision r
      on r.tenant = %(tenant)s and r.order_ref = %(order_ref)s and r.revision = %(revision)s
    left join lateral (
      select inbox_id, state, digest, attempt from records.inbox
      where tenant = %(tenant)s and order_ref = %(order_ref)s and key = %(key)s order by attempt desc limit 1
    ) i on true
    """,
    tuple(Standing.__dataclass_fields__),
)


async def standing(
    connection: AsyncConnection,
    order: OrderId,
    *,
    revision: int,
    key: str,
    carrier: str,
    skus: Collection[str],
    sites: Collection[str],
) -> Standing:
    """Return how an order and the catalog stand to a push."""
    asked = {
        "tenant": order.tenant,
        "order_ref": order.order_ref,
        "revision": revision,
        "key": key,
        "carrier": carrier,
        "skus": sorted(skus),
        "sites": sorted(sites),
    }
    row = await _STANDING.mapping(connection, **asked)
    if row is None:
        raise InvariantViolated("one row stands for the push")
    products = {product[0]: product_of(*product) for product in row["products"]}
    return Standing(**{**row, "address": address_of(row["address"]), "products": products})


# Nothing of it where the attempt is there already: a twin of the push was faster; or where what a sku is counted in was
# changed since it was looked up. Who changes that locks its row, and looks for pushes that wait under that lock.
_KEEP: Final = Query(
    """
    with unchanged as materialized (
      select from records.product p
      join jsonb_to_recordset(%(counted)s::jsonb) as k (sku text, base_uom text, tracking text, kit boolean)
        on p.sku = k.sku
      where p.tenant = %(tenant)s and (p.base_uom, p.tracking, p.kit) = (k.base_uom, k.tracking, k.kit)
      for share of p
    ), kept as (
      insert into records.inbox (tenant, order_ref, kind, key, attempt, digest, payload, actor)
      select %(tenant)s, %(order_ref)s, 'submit', %(key)s, %(attempt)s, %(digest)s, %(payload)s::jsonb, %(actor)s
      where (select count(*) from unchanged) = jsonb_array_length(%(counted)s::jsonb)
      on conflict do nothing
      returning inbox_id, received_at
    ), people as (
      insert into records.address (address_id, tenant, data)
      select p.key::uuid, %(tenant)s, p.value from kept, jsonb_each(%(people)s::jsonb) as p
    )
    select inbox_id, received_at from kept
    """,
    documents=frozenset({"payload", "people", "counted"}),
)


async def keep(
    connection: AsyncConnection,
    order: OrderId,
    *,
    key: str,
    attempt: int,
    digest: bytes,
    payload: dict[str, Any],
    people: Mapping[str, Mapping[str, Any]],
    products: Mapping[str, Product],
    actor: str,
) -> InboxRow[KeptPush] | None:
    """Keep a push in the inbox, and the people's data that came with it under its ids.

    None where the attempt is known, or a product is counted in something else by now: look again.
    """
    counted = [
        {"sku": p.sku, "base_uom": p.units.base_uom, "tracking": p.tracking, "kit": p.is_kit} for p in products.values()
    ]
    given: dict[str, Any] = {
        "tenant": order.tenant,
        "order_ref": order.order_ref,
        "key": key,
        "attempt": attempt,
        "digest": digest,
        "actor": actor,
    }
    row = await _KEEP.row(connection, **given, payload=payload, people=people, counted=counted)
    if row is None:
        return None
    inbox_id, received_at = row
    return InboxRow(
        **given,
        inbox_id=inbox_id,
        kind="submit",
        document=payload,
        state="queued",
        answer=None,
        received_at=received_at,
        decided_at=None,
        is_new=True,
    )
