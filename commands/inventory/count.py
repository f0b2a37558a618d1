"""What a picker did not find is counted: it is available again, or written off."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import CommandContext
from commands.posting import anew, counted_in
from commands.resolving import Faults
from domain.errors import Conflict, Fault, Rejected
from domain.refusals import not_found
from domain.said import Part, Said, canonical, digest
from domain.shapes import Count
from domain.stock import Place, StockStatus, StreamKey
from ledger.requests import CountMissing
from ledger.writing.writer import Outcome
from records import catalog, people
from records.access.api_keys import ApiKey, actor_of
from records.catalog import Product
from records.inventory import count_tasks, places

_TRIES: Final = 5
"""How often a count is resolved anew while the catalog changes what its sku is counted in."""


async def count_missing(context: CommandContext, caller: ApiKey, task_no: str, said: Said[Count]) -> None:
    """Post what was found of what was missing at a pick, once. Raises `Rejected` where there is no such count."""
    async with context.reading() as connection:
        task = await read_task(connection, caller.tenant, task_no)
    if not _counted_before(task, said):
        await _count_once(context, caller, task, said)


async def _count_once(context: CommandContext, caller: ApiKey, task: count_tasks.CountTask, said: Said[Count]) -> None:
    """Have a count posted, unless a twin of it was meanwhile: that may be what it is refused for."""
    try:
        await anew("product_changed", _TRIES, lambda: _count(context, caller, task, said))
    except Rejected:
        async with context.reading() as connection:
            now = await read_task(connection, caller.tenant, task.task_no)
        if not _counted_before(now, said):
            raise


def _counted_before(task: count_tasks.CountTask, said: Said[Count]) -> bool:
    """Say whether the same was counted before, in the same words, whatever these would mean now."""
    return task.done_at is not None and said.repeats(lambda body: digest(_words(body)), task.digest)


def _words(body: Count) -> str:
    """Write what was counted, whoever says so, with whatever note."""
    serial_numbers = sorted(body.serial_numbers)
    return canonical({"counted": body.counted, "uom": body.uom, "serial_numbers": serial_numbers})


async def _count(context: CommandContext, caller: ApiKey, task: count_tasks.CountTask, said: Said[Count]) -> Outcome:
    async with context.reading() as connection:
        place = await places.place_of(connection, caller.tenant, task.location_id)
        faults, product, found = await _resolve(connection, task, said.part)
    if faults and said.body is not None and task.done_at is not None:
        raise Conflict(f"Count {task.task_no} was made before with other content.")
    body = said.settle(faults)
    request = _request(task, place, found or 0, body, actor_of(caller, body.by))

    async def close(connection: AsyncConnection, _outcome: Outcome) -> None:
        words = digest(_words(body))
        await count_tasks.close(connection, request.tenant, task.task_no, request.found, request.actor, words)
        await people.keep_words(connection, request.tenant, request.key, note=body.note)

    return await context.ledger.post(request, counted_in(request.tenant, {product.sku: product}, close))


async def read_task(connection: AsyncConnection, tenant: str, task_no: str) -> count_tasks.CountTask:
    """Return what is to be counted, or was. Raises `Rejected` where there is no such count."""
    task = await count_tasks.get(connection, tenant, task_no)
    if task is None:
        raise not_found(f"count {task_no}")
    return task


async def _resolve(
    connection: AsyncConnection, task: count_tasks.CountTask, part: Part
) -> tuple[list[Fault], Product, int | None]:
    """Return what is wrong with a count by its task and the catalog, of what it is, and how many units were found."""
    faults = Faults()
    product = (await catalog.products(connection, task.tenant, [task.sku]))[task.sku]
    found = faults.base_units(part, product, name="counted", zero_allowed=True)
    if found is not None and found > task.missing:
        faults.add(part, "counted", "more_than_missing", f"Only {task.missing} of {task.sku} were missing")
        return faults.found, product, found
    faults.serials(part, product, found)
    _check_missed(faults, part, task.serial_numbers)
    return faults.found, product, found


def _check_missed(faults: Faults, part: Part, missed: Collection[str]) -> None:
    """Check that the serial numbers that were found are some that were missing."""
    others = sorted(set(part.get("serial_numbers") or ()) - set(missed)) if missed else []
    if others:
        faults.add(part, "serial_numbers", "serial_not_missing", f"{', '.join(others)} was not missing here")


def _request(task: count_tasks.CountTask, place: Place, found: int, body: Count, actor: str) -> CountMissing:
    """Ask for the posting. What was counted is its content, whoever says so again."""
    return CountMissing(
        tenant=task.tenant,
        key=count_key(task),
        actor=actor,
        stream=StreamKey(task.tenant, task.sku, place, task.lot, "", StockStatus.INSPECTION),
        missing=task.missing,
        found=found,
        serial_numbers=tuple(task.serial_numbers),
        found_serials=tuple(sorted(body.serial_numbers)),
    )


def count_key(task: count_tasks.CountTask) -> str:
    """Return the key of a count's posting."""
    return f"count/{task.task_no}"
