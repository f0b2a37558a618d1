"""Counts of what a picker did not find: it is available again, or written off."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Body, Path, Query
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api import examples
from api.auth import BEARER, Caller, Door, actor_of
from api.bodies import Count
from api.described import REFUSALS, WRITES
from api.ledger import order_no_of
from api.paging import Cursor, Limit, Page, Utc, cut, instant_of, position
from api.posting import anew, counted_in
from api.problems import not_found
from api.resolving import Faults
from api.said import Part, Said, canonical, digest
from api.services import ApiServices, Services
from domain.commands import Key
from domain.errors import Conflict, Fault, Rejected
from domain.stock import Place, StockStatus, StreamKey
from ledger.requests import CountMissing
from ledger.writer import Outcome
from records import catalog, count_tasks, people, places
from records.catalog import Product
from records.count_tasks import CountFilter
from records.keys import ApiKey

router = APIRouter(prefix="/api/inventory/counts", tags=["stock"], route_class=Door, dependencies=[BEARER])

State = Literal["open", "done"]

_TRIES: Final = 5
"""How often a count is resolved anew while the catalog changes what its sku is counted in."""


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
        kept, following = cut(rows, limit, lambda row: [row["created_at"].isoformat(), row["task_no"]])
        return Page(items=await _views(connection, caller.tenant, kept), next=following)


@router.post("/{task_no}", responses={**WRITES, **REFUSALS})
async def count(
    services: Services,
    caller: Caller,
    task_no: Annotated[Key, Path()],
    said: Annotated[Said[Count], Body(examples=[examples.COUNT])],
) -> CountTaskView:
    """Say how many of the missing units were found. They are available again; the rest is written off."""
    async with services.reading() as connection:
        task = await _task(connection, caller.tenant, task_no)
    if not _counted_before(task, said):
        await _count_once(services, caller, task, said)
    async with services.reading() as connection:
        (view,) = await _views(connection, caller.tenant, [await _task(connection, caller.tenant, task_no)])
    return view


async def _count_once(services: ApiServices, caller: ApiKey, task: count_tasks.Row, said: Said[Count]) -> None:
    """Have a count posted, unless a twin of it was meanwhile: that may be what it is refused for."""
    try:
        await anew("product_changed", _TRIES, lambda: _count(services, caller, task, said))
    except Rejected:
        async with services.reading() as connection:
            now = await _task(connection, caller.tenant, task["task_no"])
        if not _counted_before(now, said):
            raise


def _counted_before(task: count_tasks.Row, said: Said[Count]) -> bool:
    """Say whether the same was counted before, in the same words, whatever these would mean now."""
    return task["done_at"] is not None and said.repeats(lambda body: digest(_words(body)), task["digest"])


def _words(body: Count) -> str:
    """Write what was counted, whoever says so, with whatever note."""
    serial_numbers = sorted(body.serial_numbers)
    return canonical({"counted": body.counted, "uom": body.uom, "serial_numbers": serial_numbers})


async def _count(services: ApiServices, caller: ApiKey, task: count_tasks.Row, said: Said[Count]) -> Outcome:
    async with services.reading() as connection:
        place = await places.place_of(connection, caller.tenant, task["location_id"])
        faults, product, found = await _resolve(connection, task, said.part)
    if faults and said.body is not None and task["done_at"] is not None:
        raise Conflict(f"Count {task['task_no']} was made before with other content.")
    body = said.settle(faults)
    request = _request(task, place, found or 0, body, actor_of(caller, body.by))

    async def close(connection: AsyncConnection, _outcome: Outcome) -> None:
        words = digest(_words(body))
        await count_tasks.close(connection, request.tenant, task["task_no"], request.found, request.actor, words)
        await people.keep_words(connection, request.tenant, request.key, note=body.note)

    return await services.ledger.post(request, counted_in(request.tenant, {product.sku: product}, close))


async def _task(connection: AsyncConnection, tenant: str, task_no: str) -> count_tasks.Row:
    task = await count_tasks.get(connection, tenant, task_no)
    if task is None:
        raise not_found(f"count {task_no}")
    return task


async def _resolve(
    connection: AsyncConnection, task: count_tasks.Row, part: Part
) -> tuple[list[Fault], Product, int | None]:
    """Return what is wrong with a count by its task and the catalog, of what it is, and how many units were found."""
    faults = Faults()
    product = (await catalog.products(connection, task["tenant"], [task["sku"]]))[task["sku"]]
    found = faults.base_units(part, product, name="counted", zero_allowed=True)
    if found is not None and found > task["missing"]:
        faults.add(part, "counted", "more_than_missing", f"Only {task['missing']} of {task['sku']} were missing")
        return faults.found, product, found
    faults.serials(part, product, found)
    _check_missed(faults, part, task["serial_numbers"])
    return faults.found, product, found


def _check_missed(faults: Faults, part: Part, missed: Collection[str]) -> None:
    """Check that the serial numbers that were found are some that were missing."""
    others = sorted(set(part.get("serial_numbers") or ()) - set(missed)) if missed else []
    if others:
        faults.add(part, "serial_numbers", "serial_not_missing", f"{', '.join(others)} was not missing here")


def _request(task: count_tasks.Row, place: Place, found: int, body: Count, actor: str) -> CountMissing:
    """Ask for the posting. What was counted is its content, whoever says so again."""
    return CountMissing(
        tenant=task["tenant"],
        key=_key(task),
        actor=actor,
        stream=StreamKey(task["tenant"], task["sku"], place, task["lot"], "", StockStatus.INSPECTION),
        missing=task["missing"],
        found=found,
        serial_numbers=tuple(task["serial_numbers"]),
        found_serials=tuple(sorted(body.serial_numbers)),
    )


def _key(task: count_tasks.Row) -> str:
    return f"count/{task['task_no']}"


async def _views(connection: AsyncConnection, tenant: str, tasks: Sequence[count_tasks.Row]) -> list[CountTaskView]:
    words = await people.words_about(connection, tenant, map(_key, tasks))
    return [_view(task, words.get(_key(task), {}).get("note")) for task in tasks]


def _view(task: count_tasks.Row, note: str | None) -> CountTaskView:
    same: dict[str, Any] = {name: task[name] for name in _OF_TASK}
    done, found = task["done_at"] is not None, task["found"]
    return CountTaskView(
        **same,
        state="done" if done else "open",
        lot=task["lot"] or None,
        note=note,
        order_no=str(order_no_of(task["order_ref"])),
        outcome=_outcome(found, task["missing"]) if done else None,
        written_off=task["missing"] - found if done else None,
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
