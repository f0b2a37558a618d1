"""An order line's quantities, and the status that they add up to. Line quantities are the state of an order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final

from domain.allocation import AllocationPolicy


class ShortagePolicy(StrEnum):
    """What happens to the part of a demand that can't be reserved now."""

    BACKORDER = "backorder"
    REJECT = "reject"
    PARTIAL = "partial"


class OrderStatus(StrEnum):
    """An order's status: that of its least advanced unit that is not cancelled."""

    RECEIVED = "received"
    BACKORDERED = "backordered"
    RESERVED = "reserved"
    PICKING = "picking"
    PICKED = "picked"
    LABELED = "labeled"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    RETURNED = "returned"
    REFUSED = "refused"


HAS_LEFT: Final = (
    "Have the carrier intercept what is underway (POST .../shipments/{shipment_no}/intercept), and it comes back as "
    "return_to_sender; or take it back as a return once it has arrived."
)
"""What can be done about goods that have left and are not wanted any more."""

Part = tuple[datetime | None, int]
"""Since when something waits (None for as long as it is not accepted), and how much."""


@dataclass(slots=True)
class OrderLine:
    """What a line of an order wants at a site, and where each unit of it is, in base units.

    Always `ordered = reserved + backordered + shipped + cancelled`. `picked` is the part of `reserved` in staging;
    `to_put_back` lies in staging too, still held, but is no longer wanted; `delivered` is a part of `shipped`, and
    `returned` of `delivered`. `queued_at` is the place in the backorder queue: when the demand was first accepted. What
    increases added and could not be reserved waits at the times of those: `queued_later`, in their order. A lot must
    not expire before `least_expiry`; one that has expired is taken only where the order says so (`allow_expired`).
    """

    tenant: str
    order_ref: str
    line_no: int
    sku: str
    site: str
    lot: str
    uom: str
    factor: int
    priority: int
    shortage_policy: str
    allocation_policy: str = AllocationPolicy.FIRST_EXPIRY_FIRST.value
    queued_at: datetime | None = None
    ordered: int = 0
    reserved: int = 0
    backordered: int = 0
    picked: int = 0
    to_put_back: int = 0
    shipped: int = 0
    delivered: int = 0
    returned: int = 0
    cancelled: int = 0
    least_expiry: date | None = None
    allow_expired: bool = False
    queued_later: tuple[Part, ...] = ()

    def waiting(self) -> list[Part]:
        """Return the parts of what waits, each with its place in the queue, the first one first."""
        first = self.backordered - sum(quantity for _, quantity in self.queued_later)
        return [(self.queued_at, first), *self.queued_later] if first else list(self.queued_later)

    def wait_later(self, quantity: int, since: datetime | None = None) -> None:
        """Let an increase wait behind all others."""
        self.backordered += quantity
        self.queued_later = (*self.queued_later, (since, quantity))

    def wait_less(self, quantity: int, *, since: datetime | None = None) -> None:
        """Take from what waits: of the part with this place, or of the last ones, so that the place is kept."""
        self.backordered -= quantity
        kept: list[Part] = []
        for place, part in reversed(self.queued_later):
            less = min(part, quantity) if since is None or since == place else 0
            quantity -= less
            if part > less:
                kept.append((place, part - less))
        self.queued_later = tuple(reversed(kept))

    @property
    def unpicked(self) -> int:
        """The part of `reserved` that still lies in its bin."""
        return self.reserved - self.picked

    @property
    def underway(self) -> int:
        """The part of `shipped` that has not arrived."""
        return self.shipped - self.delivered

    @property
    def unshipped(self) -> int:
        """What is still to be shipped, or waits to be."""
        return self.reserved + self.backordered

    def quantities(self) -> dict[str, int]:
        """Return the nine quantities by name, in the order that a view shows them."""
        return dict(zip(QUANTITIES, _quantities(self), strict=True))

    def as_row(self) -> tuple[Any, ...]:
        """Return all fields, in their order."""
        return _fields(self)


QUANTITIES: Final = (
    "ordered",
    "reserved",
    "backordered",
    "picked",
    "to_put_back",
    "shipped",
    "delivered",
    "returned",
    "cancelled",
)

_quantities: Final = attrgetter(*QUANTITIES)
_fields: Final = attrgetter(*(field.name for field in fields(OrderLine)))


def status_of(lines: Iterable[OrderLine], labeled: dict[int, int]) -> OrderStatus:
    """Compute an order's status from its lines and from what is labeled but not handed over, by line number."""
    stages = [stage for line in lines if line.ordered for stage in _stages(line, labeled.get(line.line_no, 0))]
    if not stages:
        return OrderStatus.CANCELLED
    return min(stages, key=_RANK.__getitem__)


def _stages(line: OrderLine, labeled: int) -> list[OrderStatus]:
    """Name the stages that at least one unit of the line is in."""
    present = {
        OrderStatus.BACKORDERED: line.backordered,
        OrderStatus.RESERVED: line.unpicked if not line.picked else 0,
        OrderStatus.PICKING: line.unpicked if line.picked else 0,
        OrderStatus.PICKED: max(0, line.picked - labeled),
        OrderStatus.LABELED: min(line.picked, labeled),
        OrderStatus.SHIPPED: line.underway,
        OrderStatus.DELIVERED: line.delivered - line.returned,
        OrderStatus.RETURNED: line.returned,
    }
    return [stage for stage, quantity in present.items() if quantity > 0]


_RANK: Final = {
    status: rank
    for rank, status in enumerate(
        (
            OrderStatus.RECEIVED,
            OrderStatus.BACKORDERED,
            OrderStatus.RESERVED,
            OrderStatus.PICKING,
            OrderStatus.PICKED,
            OrderStatus.LABELED,
            OrderStatus.SHIPPED,
            OrderStatus.DELIVERED,
            OrderStatus.RETURNED,
        )
    )
}


def order_no_of(order_ref: str | None) -> str | None:
    """Return the ERP's own number: what comes after the source, where a name has one."""
    return None if order_ref is None else order_ref.rpartition(":")[2]
