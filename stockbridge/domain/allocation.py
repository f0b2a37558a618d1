"""Which stock a demand gets. Pure: a policy orders the candidates, `take` takes from them in that order."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Protocol, TypeVar


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
    def label(self) -> str:
        """A stable name, so that equal candidates are taken in a stable order."""
        ...


Bucket = TypeVar("Bucket", bound=Candidate)


def first_expiry_first(candidates: Iterable[Bucket]) -> list[Bucket]:
    """Order candidates by expiry, what never expires last, then by name."""
    found = list(candidates)
    if len(found) > 1:
        found.sort(key=lambda c: (c.expires_on or date.max, c.label))
    return found


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
