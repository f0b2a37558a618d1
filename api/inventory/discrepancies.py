"""Discrepancies: what turned out otherwise than we knew, and what a person found out about it.

Settling one posts nothing: where the ledger is to be mended, an adjustment does that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import Body, Path, Query
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door import examples
from api.door.auth import Caller, behind_the_door
from api.door.openapi import REFUSALS, WRITES
from api.door.paging import Cursor, Limit, Page, Utc, bad_cursor, cut, position
from api.door.request_body import Said
from api.door.services import Services
from commands.times import in_utc
from domain.commands import Key, OrderNo
from domain.errors import Conflict, Fault
from domain.orders import order_no_of
from domain.reasons import code_of
from domain.refusals import not_found
from domain.said import Part, asked, digest
from domain.shapes import Settlement
from ledger.reads import adjustments
from records import people
from records.inventory import discrepancies
from records.inventory.discrepancies import DiscrepancyFilter, DiscrepancyRow, Kind, Settled
from records.people import Words

router = behind_the_door("/api/inventory/discrepancies", "stock")

State = Literal["open", "settled"]
Wanted = Literal["open", "settled", "all"]

_HELPS: Final[Mapping[str, str]] = {
    "expired_issue": "Ask the customer whether the goods stay or come back: the ledger has them as they left.",
    "guessed_units": (
        "Look at what is still in the house, or ask the customer. Where other units left than the ledger says, adjust "
        "what is not here (-1) and, of a lot, what is (+1); a serial number that is here after all comes as a return."
    ),
    "over_capacity": "Move what is too much elsewhere, or raise the location's capacity.max_units.",
    "unaccounted_issue": "Count the sku at the site, and adjust what differs.",
}
_OF_A_NEWER_BUILD: Final = "Look into it."
_LAST: Final = 2**63 - 1


class DiscrepancyView(BaseModel):
    """What turned out otherwise than we knew, in base units; `helps` is what a person does about it.

    All of `settlement_no` on is null until it is settled; of one that was settled by SQL, all but `settled_at`.
    """

    discrepancy_id: int
    state: State
    kind: str
    sku: str
    site: str
    quantity: int
    detail: str
    helps: str
    posting_id: UUID | None
    order_no: str | None
    created_at: Utc
    settlement_no: str | None
    settled_by: str | None
    reason: Annotated[str | None, Field(description="A code or free text")]
    reason_code: Annotated[str | None, Field(description="The reason where it is a code")]
    note: str | None
    adjustment_no: str | None
    settled_at: Utc | None


@router.get("", responses=REFUSALS)
async def list_discrepancies(
    services: Services,
    caller: Caller,
    kind: Annotated[Kind | None, Query()] = None,
    site: Annotated[Key | None, Query()] = None,
    sku: Annotated[Key | None, Query()] = None,
    order_no: Annotated[OrderNo | None, Query(description="The ERP's own number, of whatever source")] = None,
    state: Annotated[Wanted, Query()] = "open",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[DiscrepancyView]:
    """List what turned out otherwise than we knew, the oldest first: what waits for a person, if nothing else is said.

    That is goods that left though they had expired, or were never there; units that had to be guessed; and locations
    that hold more than they take.
    """
    wanted = DiscrepancyFilter(
        kind=kind,
        site=site,
        sku=sku,
        order_no=order_no,
        settled=None if state == "all" else state == "settled",
        after=_after(cursor),
        limit=limit + 1,
    )
    async with services.reading() as connection:
        rows = await discrepancies.page(connection, caller.tenant, wanted)
        kept, following = cut(rows, limit, lambda row: [row.discrepancy_id])
        return Page(items=await _views(connection, caller.tenant, kept), next=following)


def _after(cursor: str | None) -> int:
    after = position(cursor, 1)
    if after is None:
        return 0
    if not after[0].isdecimal() or int(after[0]) > _LAST:
        raise bad_cursor()
    return int(after[0])


@router.post("/{discrepancy_id}/settle", responses={**WRITES, **REFUSALS})
async def settle(
    services: Services,
    caller: Caller,
    discrepancy_id: Annotated[int, Path(ge=1, le=_LAST)],
    said: Annotated[Said[Settlement], Body(examples=[examples.SETTLEMENT])],
) -> DiscrepancyView:
    """Say what was found out about a discrepancy. It moves no stock: name the adjustment or count that did, if any."""
    async with services.engine.begin() as connection:
        found = await discrepancies.lock(connection, caller.tenant, discrepancy_id)
        if found is None:
            raise not_found(f"discrepancy {discrepancy_id}")
        if said.is_odd:
            said.repeats(lambda body: digest(asked(body)), found.digest)
        if said.body is None or not _settled_before(found, said.body):
            found = await _settle(connection, found, said)
        (view,) = await _views(connection, caller.tenant, [found])
    return view


def _settled_before(found: DiscrepancyRow, body: Settlement) -> bool:
    """Say whether it was settled by the same before. Raises `Conflict` where it was settled otherwise."""
    if found.resolved_at is None:
        return False
    if found.settlement_no != body.settlement_no:
        who = f" by {found.settled_by} ({found.settlement_no})" if found.settlement_no else ""
        detail = f"Discrepancy {found.discrepancy_id} was settled{who} at {in_utc(found.resolved_at)}."
        raise Conflict(detail, code="already_settled")
    if found.digest != digest(asked(body)):
        raise Conflict(f"Settlement {body.settlement_no} came before with other content.")
    return True


async def _settle(connection: AsyncConnection, found: DiscrepancyRow, said: Said[Settlement]) -> DiscrepancyRow:
    body = said.settle(await _resolve(connection, found, said.part))
    told = Settled(
        settlement_no=body.settlement_no,
        settled_by=body.by,
        reason_code=code_of(body.reason) or None,
        adjustment_no=body.adjustment_no,
        digest=digest(asked(body)),
    )
    settled = await discrepancies.settle(connection, found.discrepancy_id, told)
    await people.keep_words(connection, settled.tenant, _key(settled), reason=body.reason, note=body.note)
    return settled


async def _resolve(connection: AsyncConnection, found: DiscrepancyRow, part: Part) -> list[Fault]:
    """Return what is wrong with a settlement by what was posted."""
    number = part.get("adjustment_no")
    if number is None or await adjustments.is_of(connection, found.tenant, number, found.sku, found.site):
        return []
    detail = f"There is no adjustment or count {number} of {found.sku} at {found.site}"
    return [part.fault("adjustment_no", "unknown_adjustment", detail)]


def _key(found: DiscrepancyRow) -> str:
    """Name a settlement, which posts nothing, as a posting would be named: its words are kept under that."""
    return f"settlement/{found.discrepancy_id}/{found.settlement_no}"


async def _views(connection: AsyncConnection, tenant: str, rows: Sequence[DiscrepancyRow]) -> list[DiscrepancyView]:
    words = await people.words_about(connection, tenant, (_key(row) for row in rows if row.settlement_no))
    return [_view(row, words.get(_key(row), Words())) for row in rows]


def _view(found: DiscrepancyRow, words: Words) -> DiscrepancyView:
    same: dict[str, Any] = {name: getattr(found, name) for name in _OF_DISCREPANCY}
    return DiscrepancyView(
        **same,
        state="open" if found.resolved_at is None else "settled",
        helps=_HELPS.get(found.kind, _OF_A_NEWER_BUILD),
        order_no=order_no_of(found.order_ref),
        reason=words.reason or found.reason_code,
        note=words.note,
        settled_at=found.resolved_at,
    )


_OF_DISCREPANCY: Final = (
    "discrepancy_id",
    "kind",
    "sku",
    "site",
    "quantity",
    "detail",
    "posting_id",
    "created_at",
    "settlement_no",
    "settled_by",
    "reason_code",
    "adjustment_no",
)
