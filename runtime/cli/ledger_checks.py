"""`stockbridge ledger verify | rebuild | show`: the ledger, checked and read in a terminal."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from ledger.reads.balances import stream_entries
from ledger.reads.views import EntryPage, EntryView
from ledger.verifying import verification
from runtime.cli import checkpoints
from runtime.settings import Settings, sqlalchemy_url

_PAGE = 500
_SHOWN_FINDINGS = 50
_TABLE_WIDTH = 150


def verify(settings: Settings, workers: int | None = None, resume: Path | None = None) -> None:
    """Check every rule and every hash; exit code 1 if one does not hold."""
    report = verify_with_progress(settings.need("database_url"), Console(stderr=True), workers, resume)
    signed = checkpoints.verified(settings)
    findings = [*report.findings, *signed.findings]
    console = Console(soft_wrap=True, highlight=False)
    for finding in findings[:_SHOWN_FINDINGS]:
        console.print(str(finding), style="red", markup=False)
    if len(findings) > _SHOWN_FINDINGS:
        console.print(f"... and {len(findings) - _SHOWN_FINDINGS} more")
    for checked in (report, signed):
        console.print(str(checked), style="bold red" if checked.findings else "bold green")
    if findings:
        raise typer.Exit(1)


def verify_with_progress(
    database_url: str, console: Console, workers: int | None = None, resume: Path | None = None
) -> verification.Report:
    """Check the ledger, showing how far it is and how fast."""
    with _bar(console) as bar:
        task = bar.add_task("ledger", total=1.0)

        def tell(part: str, done: float) -> None:
            bar.update(task, description=f"checking {part}", completed=done)

        return verification.verify(database_url, tell, workers=workers, resume=resume)


def rebuild(settings: Settings) -> None:
    """Recompute every balance from the deltas; put flags right; exit code 1 if a balance differs."""
    with _bar(Console(stderr=True)) as bar:
        task = bar.add_task("ledger", total=1.0)
        streams, differences = verification.rebuild(
            settings.need("database_url"),
            lambda part, done: bar.update(task, description=f"adding up {part}", completed=done),
        )
    console = Console(soft_wrap=True, highlight=False)
    wrong = [difference for difference in differences if difference.balance_differs]
    for difference in wrong:
        console.print(
            f"stream {difference.stream_id}: its latest entry says {difference.on_hand} on hand, "
            f"{difference.reserved} reserved; its deltas add up to {difference.summed_on_hand}, "
            f"{difference.summed_reserved}",
            style="red",
        )
    flags = len(differences) - len(wrong)
    console.print(f"ledger rebuilt: {streams} streams, {len(wrong)} balances differ, {flags} flags put right")
    if wrong:
        raise typer.Exit(1)


def show(settings: Settings, stream: str) -> None:
    """Print the entries of a stream; exit code 1 where there is none of that id."""
    try:
        stream_id = UUID(stream)
    except ValueError:
        raise typer.BadParameter(f"{stream} is not the id of a stream.", param_hint="STREAM") from None
    pages = asyncio.run(_pages(settings.need("database_url"), stream_id))
    if not pages:
        typer.echo(f"There is no stream {stream_id}.", err=True)
        raise typer.Exit(1)
    wide = max(Console().width, _TABLE_WIDTH)  # a line for each entry, also where the terminal is narrow
    Console(width=wide, highlight=False).print(_table(pages))


async def _pages(database_url: str, stream_id: UUID) -> list[EntryPage]:
    engine = create_async_engine(sqlalchemy_url(database_url))
    try:
        async with engine.connect() as connection:
            query = text("select tenant from ledger.stream where stream_id = :stream_id")
            tenant = await connection.scalar(query, {"stream_id": stream_id})
            pages: list[EntryPage] = []
            after: int | None = 0 if tenant is not None else None
            while after is not None:
                page = await stream_entries(connection, str(tenant), stream_id, after, _PAGE)
                if page is None:
                    break
                pages.append(page)
                after = page.next
            return pages
    finally:
        await engine.dispose()


def _table(pages: list[EntryPage]) -> Table:
    key = pages[0].key
    names = (key.tenant, key.sku, key.place.location_id, key.lot, key.serial_number, key.stock_status.value)
    table = Table(title="  ".join(name for name in names if name), title_style="bold")
    for name in ("seq", "recorded at", "reason", "order", "on hand", "reserved", "->", "evidence", "actor", "hash"):
        table.add_column(name, justify="right" if name in {"seq", "on hand", "reserved", "->"} else "left")
    for page in pages:
        for entry in page.items:
            table.add_row(*_row(entry))
    return table


def _row(entry: EntryView) -> tuple[str, ...]:
    order = "" if entry.order_ref is None else f"{entry.order_ref} line {entry.line_no}"
    return (
        str(entry.seq),
        entry.recorded_at.isoformat(sep=" ", timespec="milliseconds"),
        entry.reason,
        order,
        f"{entry.on_hand_delta:+d}" if entry.on_hand_delta else "",
        f"{entry.reserved_delta:+d}" if entry.reserved_delta else "",
        f"{entry.on_hand}, {entry.reserved} reserved",
        entry.evidence,
        entry.actor,
        entry.hash.hex()[:16],
    )


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)
