"""Which stock a demand gets. Pure: a policy orders the candidates, `take` takes from them in that order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Final, Protocol, TypeVar


class AllocationPolicy(StrEnum):
    """What goes first. A product has one; an order may name another."""

    FIRST_EXPIRY_FIRST = "first_expiry_first"
    FIRST_IN_FIRST_OUT = "first_in_first_out"
    FEWEST_LOCATIONS = "fewest_locations"
    PICK_ROUTE = "pick_route"


class ExpiredStock(StrEnum):
    """Whether an order takes what has expired."""

    ALLOW = "allow"
    REFUSE = "refuse"


class Candidate(Protocol):
    """A bucket of free stock."""

    @property
    def free(self) -> int:
        """Base units that may be taken."""
        ...

    @property
    def expires_on(self) -> date | None:
        """The lot's expiry, where it has one."""
        ...

    @property
    def received_at(self) -> datetime | None:
        """When the first of its lot came, where it has one."""
        ...

    @property
    def location_id(self) -> str:
        """Where it lies. Locations are named along the pick route."""
        ...

    @property
    def label(self) -> str:
        """A stable name, so that equal candidates are taken in a stable order."""
        ...


Bucket = TypeVar("Bucket", bound=Candidate)

_NOW: Final = datetime.max.replace(tzinfo=UTC)


def allocate(policy: str, candidates: Iterable[Bucket], quantity: int) -> list[tuple[Bucket, int]]:
    """Take up to `quantity` from the candidates, in the order of a policy."""
    if policy == AllocationPolicy.FEWEST_LOCATIONS:
        return take(fewest_locations(candidates, quantity), quantity)
    return take(_ORDERS[policy](candidates), quantity)


def first_expiry_first(candidates: Iterable[Bucket]) -> list[Bucket]:
    """Order candidates by expiry, what never expires last, then by name."""
    found = list(candidates)
    if len(found) > 1:
        found.sort(key=lambda c: (c.expires_on or date.max, c.label))
    return found


def first_in_first_out(candidates: Iterable[Bucket]) -> list[Bucket]:
    """Order candidates by when their lots first came, what has no lot last, then by expiry."""
    return sorted(candidates, key=lambda c: (c.received_at or _NOW, c.expires_on or date.max, c.label))


def along_the_pick_route(candidates: Iterable[Bucket]) -> list[Bucket]:
    """Order candidates by location, in one place by expiry."""
    return sorted(candidates, key=lambda c: (c.location_id, c.expires_on or date.max, c.label))


def fewest_locations(candidates: Iterable[Bucket], quantity: int) -> list[Bucket]:
    """Order candidates so that `quantity` comes from as few locations as can be, in one place by expiry.

    The fullest locations first, until one has enough for what is left: then the emptiest of those, which keeps the full
    ones for who needs more.
    """
    there: dict[str, list[Bucket]] = defaultdict(list)
    for candidate in first_expiry_first(candidates):
        there[candidate.location_id].append(candidate)
    free = {location_id: sum(bucket.free for bucket in buckets) for location_id, buckets in there.items()}
    ordered: list[Bucket] = []
    while free:
        chosen = _location_for(free, quantity)
        quantity -= free.pop(chosen)
        ordered += there[chosen]
    return ordered


def _location_for(free: Mapping[str, int], quantity: int) -> str:
    enough = [location_id for location_id in free if free[location_id] >= quantity]
    if enough:
        return min(enough, key=lambda location_id: (free[location_id], location_id))
    return min(free, key=lambda location_id: (-free[location_id], location_id))


_ORDERS: Final[Mapping[str, Callable[[Iterable[Bucket]], list[Bucket]]]] = {
    AllocationPolicy.FIRST_EXPIRY_FIRST: first_expiry_first,
    AllocationPolicy.FIRST_IN_FIRST_OUT: first_in_first_out,
    AllocationPolicy.PICK_ROUTE: along_the_pick_route,
}


def take(candidates: Iterable[Bucket], quantity: int) -> list[tuple[Bucket, int]]:
    """Take up to `quantity` from the candidates in their order."""
    taken: list[tuple[Bucket, int]] = []
    for candidate in candidates:
        if quantity <= 0:
            break
        part = min(candidate.free, quantity)
        if part > 0:
            taken.append((candidate, part))
            quantity -= part
    return taken
