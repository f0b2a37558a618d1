"""Counts of what a picker did not find: it is available again, or written off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import Body, Path, Query
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door import examples
from api.door.auth import Caller, behind_the_door
from api.door.openapi import REFUSALS, WRITES
from api.door.paging import Cursor, Limit, Page, Utc, cut, instant_of, position
from api.door.request_body import Said
from api.door.services import Services
from commands.inventory.count import count_key, count_missing, read_task
from domain.commands import Key
from domain.orders import order_no_of
from domain.shapes import Count
from records import people
from records.inventory import count_tasks
from records.inventory.count_tasks import CountFilter
from records.people import Words

router = behind_the_door("/api/inventory/counts", "stock")


State = Literal["open", "done"]


class CountTaskView(BaseModel):
    """What was missing at a pick, in base units, and what came of counting it. All of `outcome` on is null until then.

    `found` is available again, but for units of a lot that a recall blocks, and where the location is for other stock;
    `written_off` is the rest of `missing`.
    """

    task_no: str
    state: State
    site: str
    location_id: str
    sku: str
    lot: str | None
    serial_numbers: list[str]
    missing: int
    order_no: str
    line_no: int
    pick_no: str
    created_at: Utc
    outcome: Literal["found", "found_in_part", "lost"] | None
    found: int | None
    written_off: int | None
    counted_by: str | None
    note: str | None
    done_at: Utc | None


@router.get("", responses=REFUSALS)
async def list_counts(
    services: Services,
    caller: Caller,
    site: Annotated[Key | None, Query()] = None,
    state: Annotated[State | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[CountTaskView]:
    """List what was missing at picks, the oldest first; `state=open` is what somebody is to count."""
    after = position(cursor, 2)
    wanted = CountFilter(
        site=site,
        done=None if state is None else state == "done",
        after=(instant_of(after[0]), after[1]) if after else None,
        limit=limit + 1,
    )
    async with services.reading() as connection:
        rows = await count_tasks.page(connection, caller.tenant, wanted)
        kept, following = cut(rows, limit, lambda row: [row.created_at.isoformat(), row.task_no])
        return Page(items=await _views(connection, caller.tenant, kept), next=following)


@router.post("/{task_no}", responses={**WRITES, **REFUSALS})
async def count(
    services: Services,
    caller: Caller,
    task_no: Annotated[Key, Path()],
    said: Annotated[Said[Count], Body(examples=[examples.COUNT])],
) -> CountTaskView:
    """Say how many of the missing units were found. They are available again; the rest is written off."""
    await count_missing(services, caller, task_no, said)
    async with services.reading() as connection:
        (view,) = await _views(connection, caller.tenant, [await read_task(connection, caller.tenant, task_no)])
    return view


async def _views(
    connection: AsyncConnection, tenant: str, tasks: Sequence[count_tasks.CountTask]
) -> list[CountTaskView]:
    words = await people.words_about(connection, tenant, map(count_key, tasks))
    return [_view(task, words.get(count_key(task), Words()).note) for task in tasks]


def _view(task: count_tasks.CountTask, note: str | None) -> CountTaskView:
    same: dict[str, Any] = {name: getattr(task, name) for name in _OF_TASK}
    found = task.found
    return CountTaskView(
        **same,
        state="open" if found is None else "done",
        lot=task.lot or None,
        note=note,
        order_no=str(order_no_of(task.order_ref)),
        outcome=None if found is None else _outcome(found, task.missing),
        written_off=None if found is None else task.missing - found,
    )


_OF_TASK = (
    "task_no",
    "site",
    "location_id",
    "sku",
    "serial_numbers",
    "missing",
    "line_no",
    "pick_no",
    "created_at",
    "found",
    "counted_by",
    "done_at",
)


def _outcome(found: int, missing: int) -> Literal["found", "found_in_part", "lost"]:
    if not found:
        return "lost"
    return "found" if found == missing else "found_in_part"
