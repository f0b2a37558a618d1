"""Where a pass through an ERP's pages goes on, as a text that may be kept: it has no address and no secret in it."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.erp.port import Found
from adapters.erp.transports.http import Query

_SHORT: Final = 12
"""Characters of a digest: what they tell apart are the rows of two pages, and mappings of one connection."""


class Place(BaseModel):
    """A page: by its number, or the rows before it; or by the link to it, without the address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    path: str | None = None
    query: Query = ()


class Passage(BaseModel):
    """The way from a page to the next: that page, where it began itself, and what was on it.

    `seen` tells documents apart, and how they were.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mapping: str
    to: Place
    by: Place
    seen: tuple[str, ...]

    @classmethod
    def after(cls, page: Iterable[Found], *, mapping: str, by: Place, to: Place) -> Self:
        """Return the way on from a page."""
        return cls(mapping=mapping[:_SHORT], to=to, by=by, seen=tuple(map(_seen, page)))

    @classmethod
    def read(cls, text: str, mapping: str) -> Self | None:
        """Read what was kept; None where that was by another mapping, or isn't ours."""
        try:
            passage = cls.model_validate_json(text)
        except ValidationError:
            return None
        return passage if passage.mapping == mapping[:_SHORT] else None

    def leads_back(self, page: Iterable[Found]) -> bool:
        """Say whether the page behind it is the one before it."""
        found = {_seen(each) for each in page}
        return bool(found) and found == set(self.seen)

    def unseen(self, page: Iterable[Found], behind: Iterable[Found]) -> tuple[Found, ...]:
        """Return what is on the page before now, and wasn't, and isn't on the page behind it either."""
        seen = {*self.seen, *map(_seen, behind)}
        return tuple(each for each in page if _seen(each) not in seen)


def _seen(found: Found) -> str:
    return sha256(f"{found.stamp.isoformat()} {found.their_id}".encode()).hexdigest()[:_SHORT]
