"""An order's shipments as they are shown: with their parcels, and all numbers that those ever had."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.messages import OrderId
from domain.shipping.parcels import Parcel, Shipment
from records.shipping import labels, shipments


@dataclass(frozen=True)
class ParcelShown:
    """A parcel, with the numbers of labels that it does not go by, the oldest first."""

    parcel: Parcel
    other_numbers: list[str]


@dataclass(frozen=True)
class ShipmentShown:
    """A shipment with its parcels."""

    shipment: Shipment
    parcels: list[ParcelShown]

    @property
    def is_labeled(self) -> bool:
        """Say whether all of its parcels have their labels."""
        return all(shown.parcel.tracking_number is not None for shown in self.parcels)


async def read_shipments(connection: AsyncConnection, order: OrderId) -> list[ShipmentShown]:
    """Return an order's shipments, as they were made."""
    rows = await shipments.of_order(connection, order)
    if not rows:
        return []
    boxes = defaultdict(list)
    for box in await shipments.parcels_of(connection, order.tenant, [order.order_ref]):
        boxes[box.shipment_no].append(box)
    others = await labels.other_numbers(connection, order)
    return [
        ShipmentShown(
            row,
            [ParcelShown(box, others.get((box.shipment_no, box.parcel_no), [])) for box in boxes[row.shipment_no]],
        )
        for row in rows
    ]


async def read_shipment(connection: AsyncConnection, order: OrderId, shipment_no: str) -> ShipmentShown | None:
    """Return one shipment of an order."""
    every = await read_shipments(connection, order)
    return next((shown for shown in every if shown.shipment.shipment_no == shipment_no), None)
