"""What stock there is, by the ledger, on the days that it is at its sites, by the catalog."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.days import day_at
from ledger.reads import balances
from ledger.reads.views import Balance, BalanceQuery, StockLevel, Totals
from records import catalog
from records.inventory import places

Today = Callable[[str | None], date]
"""Says which day it is in a time zone; in UTC where it has no name."""


@dataclass(frozen=True)
class BalanceShown:
    """What a stream holds, and the unit that its sku is counted in."""

    balance: Balance
    base_uom: str


@dataclass(frozen=True)
class StockPage:
    """Balances, and their sums over all pages. `next` is the cursor of the next page, or None."""

    items: list[BalanceShown]
    totals: Totals
    next: str | None


async def read_balances(connection: AsyncConnection, wanted: BalanceQuery, today: Today) -> StockPage:
    """Return balances, now or as of an instant: what has expired then is told by the days of the sites.

    Raises `Rejected` with code `as_of_in_future` or `bad_cursor`.
    """
    zones = await places.time_zones_of(connection, wanted.tenant)
    instant = wanted.as_of
    days = {site: today(zone) if instant is None else day_at(instant, zone) for site, zone in zones.items()}
    page = await balances.balances(connection, replace(wanted, days=days))
    products = await catalog.products(connection, wanted.tenant, {balance.key.sku for balance in page.items})
    items = [BalanceShown(balance, products[balance.key.sku].units.base_uom) for balance in page.items]
    return StockPage(items, page.totals, page.next)


async def read_levels(
    connection: AsyncConnection, tenant: str, site: str, today: Today, after_sku: str, limit: int
) -> list[StockLevel]:
    """Return what a site has of each sku today, from the one after `after_sku`."""
    zone = (await places.time_zones_of(connection, tenant)).get(site)
    return await balances.stock_levels(connection, tenant, site, today(zone), after_sku, limit)
