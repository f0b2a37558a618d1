"""The one statement that reads a page of balances with the totals over all pages, put together from what is asked.

Each combination of filters has its own statement, made once: so every one gets a plan that fits it.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from psycopg.sql import SQL
from sqlalchemy import TextClause, text

from domain.stock import StreamKey
from ledger.reads.views import BalanceQuery, Basis
from postgres.statements import composed

# A stream's state: its latest entry, the latest then, or what had happened by then, whenever it was recorded.
_STATES: Final = {
    None: SQL("""
        select e.on_hand, e.reserved, e.seq from ledger.entry e
        where e.stream_id = s.stream_id order by e.seq desc limit 1"""),
    Basis.RECORDED: SQL("""
        select e.on_hand, e.reserved, e.seq from ledger.entry e
        where e.stream_id = s.stream_id and e.recorded_at <= :as_of order by e.recorded_at desc, e.seq desc limit 1"""),
    Basis.OCCURRED: SQL("""
        select sum(e.on_hand_delta)::bigint as on_hand, sum(e.reserved_delta)::bigint as reserved, max(e.seq) as seq
        from ledger.entry e join ledger.posting p on p.posting_id = e.posting_id
        where e.stream_id = s.stream_id and least(p.occurred_at, p.recorded_at) <= :as_of"""),
}

# Physical places, and what is underway for the totals; by pool, so that what was delivered does not lie in the way.
_IN_POOLS: Final = SQL("""
        and s.kind in ('storage', 'staging', 'transit')
        and s.pool_id in (select pool_id from ledger.pool where {pools})""")

_FILTERS: Final = {
    "sku": SQL(" and s.sku = :sku"),
    "site": SQL(" and s.site = :site"),
    "lot": SQL(" and s.lot = :lot"),
    "stock_status": SQL(" and s.stock_status = :stock_status"),
    "locations": SQL(" and s.location_id = any(:locations)"),
}

_OF_POOL: Final = {name: SQL(f"{name} = :{name}") for name in ("tenant", "sku", "site")}

_ORDER: Final = SQL("sku, location_id, lot, serial_number, stock_status")

_AFTER: Final = SQL("and ({order}) > (:a_sku, :a_location, :a_lot, :a_serial, :a_status)").format(order=_ORDER)

_NOTHING: Final = SQL("")

# What is found, the totals over all of it, and beside them a page of it.
_PAGE: Final = """
with found as materialized (
  select s.stream_id, s.tenant, s.sku, s.site, s.location_id, s.kind, s.lot, s.serial_number, s.stock_status,
         state.on_hand, state.reserved, state.seq, l.expires_on,
         coalesce(l.expires_on < d.day, false) as expired,
         {is_listed} as listed
  from ledger.stream s cross join lateral ({state}
  ) state
  left join ledger.lot l on l.tenant = s.tenant and l.sku = s.sku and l.lot = s.lot and s.lot <> ''
  left join unnest(cast(:days_of as text[]), cast(:days as date[])) as d (site, day) on d.site = s.site
  where s.tenant = :tenant{filters}{is_open}
    {in_pools}
    and state.on_hand <> 0
), totals as (
  select coalesce(sum(on_hand) filter (where listed), 0)::bigint,
         coalesce(sum(reserved) filter (where listed), 0)::bigint,
         coalesce(
           sum(on_hand - reserved) filter (where listed and stock_status = 'available' and not expired), 0
         )::bigint,
         coalesce(sum(on_hand) filter (where kind = 'transit'), 0)::bigint,
         coalesce(sum(on_hand) filter (where listed and stock_status = 'quarantined'), 0)::bigint,
         coalesce(sum(on_hand) filter (where listed and expired), 0)::bigint
  from found
), page as (
  select stream_id, tenant, sku, site, location_id, kind, lot, serial_number, stock_status,
         on_hand, reserved, seq, expires_on, expired
  from found where listed {after}
  order by {order} limit :limit
)
select totals.*, page.* from totals left join page on true order by {order}
"""


def page_of_balances(query: BalanceQuery, after: StreamKey | None) -> tuple[TextClause, dict[str, Any]]:
    """Return the statement and its parameters. Its rows: the totals, and beside them a stream of the page.

    The rows are those of one page and the first of the next; with nothing on the page there is one, with nulls.
    """
    given = {name: value for name in _FILTERS if (value := getattr(query, name)) is not None}
    basis = None if query.as_of is None else query.basis
    parameters: dict[str, Any] = {**given, "tenant": query.tenant, "limit": query.limit + 1}
    if query.locations is not None:
        parameters["locations"] = list(query.locations)  # psycopg knows lists as arrays
    parameters |= {"days_of": list(query.days), "days": list(query.days.values())}
    if query.as_of is not None:
        parameters["as_of"] = query.as_of
    if after is not None:
        parameters |= _position(after)
    return _statement(frozenset(given), basis, after is not None), parameters


def _position(after: StreamKey) -> dict[str, str]:
    return {
        "a_sku": after.sku,
        "a_location": after.place.location_id,
        "a_lot": after.lot,
        "a_serial": after.serial_number,
        "a_status": after.stock_status.value,
    }


@cache
def _statement(given: frozenset[str], basis: Basis | None, continued: bool) -> TextClause:
    everywhere = "locations" not in given
    pools = SQL(" and ").join(part for name, part in _OF_POOL.items() if name in {*given, "tenant"})
    return text(
        composed(
            _PAGE,
            is_listed=SQL("s.kind <> 'transit'") if everywhere else SQL("true"),
            state=_STATES[basis],
            filters=SQL("").join(_FILTERS[name] for name in sorted(given)),
            is_open=SQL(" and s.open") if basis is None else _NOTHING,
            in_pools=_IN_POOLS.format(pools=pools) if everywhere else _NOTHING,
            after=_AFTER if continued else _NOTHING,
            order=_ORDER,
        )
    )
