"""The one statement that reads a page of balances with the totals over all pages, put together from what is asked."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CTE, BigInteger, ColumnElement, Select, Subquery, cast, func, literal, select, true, tuple_

from stockbridge.domain.stock import PHYSICAL, PlaceKind, StockStatus, StreamKey
from stockbridge.ledger.tables import entry, pool, posting, stream
from stockbridge.ledger.views import BalanceQuery, Basis

_LISTED = tuple(sorted(kind.value for kind in PHYSICAL))
_COUNTED = (*_LISTED, PlaceKind.TRANSIT.value)

_IDENTITY = (
    stream.c.stream_id,
    stream.c.tenant,
    stream.c.sku,
    stream.c.site,
    stream.c.location_id,
    stream.c.kind,
    stream.c.lot,
    stream.c.serial_number,
    stream.c.stock_status,
)


def page_of_balances(query: BalanceQuery, after: StreamKey | None) -> Select[Any]:
    """Select the totals, and beside them the streams of one page and the first of the next.

    Each row repeats the five totals; with nothing on the page there is one row with nulls beside them.
    """
    found = _found(query)
    listed = found.c.kind.in_(_LISTED) if query.locations is None else true()
    totals = _totals(found, listed)
    page = _page(found, listed, after, query.limit)
    both = totals.join(page, true(), isouter=True)
    return select(*totals.c, *page.c).select_from(both).order_by(*_order(page))


def _found(query: BalanceQuery) -> CTE:
    """Select every stream that is asked about and holds something then."""
    state = _state(query)
    holding = (
        select(*_IDENTITY, state.c.on_hand, state.c.reserved, state.c.seq)
        .select_from(stream.join(state, true()))
        .where(*_asked(query), state.c.on_hand != 0)
    )
    return holding.cte("found")


def _asked(query: BalanceQuery) -> list[ColumnElement[bool]]:
    """Say which streams are asked about. Virtual locations only where they are named; transit counts in the totals."""
    conditions = [
        stream.c.tenant == query.tenant,
        *(
            column == value
            for column, value in ((stream.c.sku, query.sku), (stream.c.site, query.site), (stream.c.lot, query.lot))
            if value is not None
        ),
    ]
    if query.stock_status is not None:
        conditions.append(stream.c.stock_status == query.stock_status.value)
    if query.as_of is None:
        conditions.append(stream.c.open)
    if query.locations is not None:
        return [*conditions, stream.c.location_id.in_(query.locations)]
    return [*conditions, stream.c.kind.in_(_COUNTED), stream.c.pool_id.in_(_pools(query))]


def _pools(query: BalanceQuery) -> Select[Any]:
    """Select the pools that are asked about: the way in that delivered orders' streams don't lie along."""
    pools = select(pool.c.pool_id).where(pool.c.tenant == query.tenant)
    if query.sku is not None:
        pools = pools.where(pool.c.sku == query.sku)
    return pools if query.site is None else pools.where(pool.c.site == query.site)


def _state(query: BalanceQuery) -> Any:
    """Select a stream's state, beside each stream: its latest entry, the latest then, or what had happened by then."""
    if query.as_of is not None and query.basis is Basis.OCCURRED:
        return _happened(query)
    latest = select(entry.c.on_hand, entry.c.reserved, entry.c.seq).where(entry.c.stream_id == stream.c.stream_id)
    if query.as_of is None:
        return latest.order_by(entry.c.seq.desc()).limit(1).lateral("state")
    then = latest.where(entry.c.recorded_at <= query.as_of)
    return then.order_by(entry.c.recorded_at.desc(), entry.c.seq.desc()).limit(1).lateral("state")


def _happened(query: BalanceQuery) -> Any:
    """Sum the deltas of what had happened by then, whenever it was recorded."""
    return (
        select(
            _whole(func.sum(entry.c.on_hand_delta)).label("on_hand"),
            _whole(func.sum(entry.c.reserved_delta)).label("reserved"),
            func.max(entry.c.seq).label("seq"),
        )
        .select_from(entry.join(posting, posting.c.posting_id == entry.c.posting_id))
        .where(entry.c.stream_id == stream.c.stream_id, posting.c.occurred_at <= query.as_of)
        .lateral("state")
    )


def _totals(found: CTE, listed: ColumnElement[bool]) -> Subquery:
    quantity, promisable = found.c.on_hand, found.c.on_hand - found.c.reserved
    is_available = found.c.stock_status == StockStatus.AVAILABLE.value
    is_quarantined = found.c.stock_status == StockStatus.QUARANTINED.value
    return select(
        _whole(func.sum(quantity).filter(listed)).label("total_on_hand"),
        _whole(func.sum(found.c.reserved).filter(listed)).label("total_reserved"),
        _whole(func.sum(promisable).filter(listed, is_available)).label("total_available"),
        _whole(func.sum(quantity).filter(found.c.kind == PlaceKind.TRANSIT.value)).label("total_in_transit"),
        _whole(func.sum(quantity).filter(listed, is_quarantined)).label("total_quarantined"),
    ).subquery("totals")


def _page(found: CTE, listed: ColumnElement[bool], after: StreamKey | None, limit: int) -> Subquery:
    page = select(found).where(listed).order_by(*_order(found)).limit(limit + 1)
    if after is not None:
        page = page.where(tuple_(*_order(found)) > tuple_(*(literal(value) for value in _position(after))))
    return page.subquery("page")


def _order(rows: CTE | Subquery) -> tuple[ColumnElement[Any], ...]:
    return rows.c.sku, rows.c.location_id, rows.c.lot, rows.c.serial_number, rows.c.stock_status


def _position(key: StreamKey) -> tuple[str, ...]:
    return key.sku, key.place.location_id, key.lot, key.serial_number, key.stock_status.value


def _whole(number: ColumnElement[Any]) -> ColumnElement[Any]:
    """Make a sum a whole number, 0 for nothing."""
    return cast(func.coalesce(number, 0), BigInteger)
