"""Where all of a lot or serial number is: in the house, on the road, with which orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.stock import PlaceKind
from ledger.reads import lots
from ledger.reads.lots import Lot, Traced, Whereabouts


@dataclass(frozen=True)
class LotTrace:
    """Where all of a lot or serial number is, in base units; `received` and `found` are what came in.

    `lot` is what is known of the lot, where one is named.
    """

    traced: Traced
    lot: Lot | None
    received: int
    found: int
    in_house: list[Whereabouts]
    in_transit: list[Whereabouts]
    with_customers: list[Whereabouts]


async def read_trace(connection: AsyncConnection, traced: Traced) -> LotTrace | None:
    """Return where all of a lot or serial number is; None where there never was any."""
    found = await lots.whereabouts(connection, traced)
    lot = await lots.find_lot(connection, traced.tenant, traced.sku, traced.lot) if traced.lot else None
    if not found and lot is None:
        return None
    at = {kind: [item for item in found if item.key.place.kind is kind] for kind in PlaceKind}
    return LotTrace(
        traced=traced,
        lot=lot,
        received=-on_hand_of(at[PlaceKind.SUPPLIER]),
        found=-on_hand_of(at[PlaceKind.ADJUSTMENT]),
        in_house=[*at[PlaceKind.STORAGE], *at[PlaceKind.STAGING]],
        in_transit=at[PlaceKind.TRANSIT],
        with_customers=at[PlaceKind.CUSTOMER],
    )


def on_hand_of(items: Sequence[Whereabouts]) -> int:
    """Sum up what is at places."""
    return sum(item.on_hand for item in items)
