"""Reads from the ledger alone what orders held at every commit, and finds where an amendment let go of stock."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

POSTINGS = text(
    """
    select p.idempotency_key, p.reason, p.answer,
           coalesce((select json_agg(json_build_array(h.order_ref, h.sku, h.held)) from (
              select e.order_ref, s.sku, sum(e.reserved_delta) as held
              from ledger.entry e join ledger.stream s using (stream_id)
              where e.posting_id = p.posting_id and e.order_ref <> '' group by e.order_ref, s.sku
           ) h), '[]'::json)
    from ledger.posting p where p.tenant = :tenant order by p.recorded_at, p.posting_id
    """
)

Hold = tuple[str, str]


@dataclass(frozen=True)
class Violation:
    """An amended order that held less of a sku, at some commit, than before and after its amendment."""

    amendment: str
    sku: str
    before: int
    lowest: int
    after: int


@dataclass(frozen=True)
class Commit:
    """A posting: its key and reason, what its answer says the order wants and is to get, what was held after it."""

    key: str
    reason: str
    ordered: dict[str, int]
    wanted: dict[str, int]
    holds: dict[Hold, int]

    @property
    def amendment(self) -> str:
        """The amendment that the posting is, or is a part of (`<order>/r<revision>[/any-lot]#<part>`)."""
        return self.key.partition("#")[0]

    @property
    def order_ref(self) -> str:
        return self.key.partition("/")[0]


async def commits(engine: AsyncEngine, tenant: str) -> list[Commit]:
    """Read every posting in the order of their commits, with all holds after it."""
    holds: dict[Hold, int] = defaultdict(int)
    found = []
    async with engine.connect() as connection:
        for key, reason, answer, changes in await connection.execute(POSTINGS, {"tenant": tenant}):
            for order_ref, sku, delta in changes:
                holds[order_ref, sku] += delta
            ordered: dict[str, int] = defaultdict(int)
            wanted: dict[str, int] = defaultdict(int)
            for line in json.loads(answer).get("lines", ()):
                ordered[line["sku"]] += line["ordered"]
                wanted[line["sku"]] += line["reserved"] + line["backordered"]
            found.append(Commit(key, reason, dict(ordered), dict(wanted), dict(holds)))
    return found


def _ordered(history: list[Commit], order_ref: str, before: int, sku: str) -> int:
    """Return what the order's last posting before a number says is ordered of a sku."""
    own = (commit for commit in reversed(history[:before]) if commit.order_ref == order_ref)
    return next(own).ordered.get(sku, 0)


def violations(history: list[Commit]) -> list[Violation]:
    """Find amendments that, at any commit from their first posting to their last, held less than they had to."""
    found = []
    amended = sorted(
        ((commit.amendment, number) for number, commit in enumerate(history) if commit.reason == "amendment"),
    )
    for amendment, numbers in groupby(amended, key=lambda pair: pair[0]):
        parts = [number for _, number in numbers]
        first, last = parts[0], parts[-1]
        order_ref = history[first].order_ref
        for sku in {sku for commit in history for order, sku in commit.holds if order == order_ref}:
            hold = (order_ref, sku)
            before = history[first - 1].holds.get(hold, 0) if first else 0
            after = history[last].holds.get(hold, 0)
            lowest = min(history[number].holds.get(hold, 0) for number in range(first, last + 1))
            # Who names no lot loses no more than is wanted less, and nothing of what another line of the order waits
            # for; a lot that is named may not be there.
            kept = 0
            if amendment.endswith("/any-lot"):
                less = _ordered(history, order_ref, first, sku) - history[last].ordered.get(sku, 0)
                kept = max(before - max(0, less), min(before, history[last].wanted.get(sku, 0)))
            if lowest < max(kept, min(before, after)):
                found.append(Violation(amendment, sku, before, lowest, after))
    return found
