"""What a picker did not find, and what came of counting it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.commands import KEY_PATTERN
from records.tables import count_task


@dataclass(frozen=True)
class NewCountTask:
    """What a picker did not find: so many base units of a bucket, by serial number where it has some."""

    tenant: str
    task_no: str
    site: str
    location_id: str
    sku: str
    lot: str
    serial_numbers: list[str]
    missing: int
    order_ref: str
    line_no: int
    pick_no: str


@dataclass(frozen=True)
class CountTask(NewCountTask):
    """What somebody is to count, or has. `digest` is of what was counted, in the counter's own words."""

    created_at: datetime
    done_at: datetime | None
    found: int | None
    counted_by: str | None
    digest: bytes | None


def task_no_of(order_ref: str, pick_no: str, number: int) -> str:
    """Name the n-th count that a pick asks for, so that no other pick's has the same name."""
    parts = (*order_ref.split(":"), pick_no, str(number))
    readable = "~".join(parts)
    if re.fullmatch(KEY_PATTERN, readable) and readable.count("~") == len(parts) - 1:
        return readable
    return sha256("\n".join(parts).encode()).hexdigest()[:32]


async def add(connection: AsyncConnection, tasks: Sequence[NewCountTask]) -> None:
    """Ask for counts."""
    if tasks:
        await connection.execute(insert(count_task), [asdict(task) for task in tasks])


async def get(connection: AsyncConnection, tenant: str, task_no: str) -> CountTask | None:
    """Return a task."""
    query = select(count_task).where(count_task.c.tenant == tenant, count_task.c.task_no == task_no)
    found = (await connection.execute(query)).one_or_none()
    return CountTask(*found) if found else None


@dataclass(frozen=True)
class CountFilter:
    """Which tasks are wanted; None is any. `after` is the position of the last one on the page before."""

    site: str | None = None
    done: bool | None = None
    after: tuple[datetime, str] | None = None
    limit: int = 100


async def page(connection: AsyncConnection, tenant: str, wanted: CountFilter) -> list[CountTask]:
    """Return tasks, the oldest first."""
    position = tuple_(count_task.c.created_at, count_task.c.task_no)
    conditions = [count_task.c.tenant == tenant]
    if wanted.site is not None:
        conditions.append(count_task.c.site == wanted.site)
    if wanted.done is not None:
        conditions.append(count_task.c.done_at.is_not(None) if wanted.done else count_task.c.done_at.is_(None))
    if wanted.after is not None:
        conditions.append(position > wanted.after)
    query = select(count_task).where(*conditions).order_by(*position).limit(wanted.limit)
    return [CountTask(*row) for row in await connection.execute(query)]


async def close(
    connection: AsyncConnection, tenant: str, task_no: str, found: int, counted_by: str, digest: bytes
) -> None:
    """Write down what a count found. `digest` is of what was counted, in the counter's own words."""
    statement = (
        update(count_task)
        .where(count_task.c.tenant == tenant, count_task.c.task_no == task_no, count_task.c.done_at.is_(None))
        .values(done_at=func.clock_timestamp(), found=found, counted_by=counted_by, digest=digest)
    )
    await connection.execute(statement)
