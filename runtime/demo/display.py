"""How the story is shown: a line for each promise, and below them, on a terminal, what is going on right now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table


class Display:
    """Prints ticked lines as they come. Where nobody watches (a pipe, a CI), there is nothing but them."""

    def __init__(self, console: Console, chapters: int) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("Starting", total=chapters)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """Print a remark."""
        self._print(f"[dim]{escape(text)}[/dim]")

    def report(self, text: str) -> None:
        """Print what is going on, and show it for as long as it takes."""
        self.say(text)
        self.doing(text)

    def doing(self, text: str) -> None:
        """Show what is going on, where somebody watches."""
        self._progress.update(self._task, description=escape(text))

    @contextmanager
    def chapter(self, number: int, title: str) -> Iterator[None]:
        """Print the title of a chapter, and count it when it is told."""
        self._print(f"\n[bold]{number}. {escape(title)}[/bold]")
        self.doing(title)
        yield
        self._progress.advance(self._task)

    def tick(self, text: str) -> None:
        """Print a promise that was kept."""
        self._print(f"  [green]✓[/green] {escape(text)}")

    def cross(self, text: str, found: str) -> None:
        """Print a promise that was not kept, and what was found instead."""
        self._print(f"  [bold red]✗ {escape(text)}[/bold red]")
        if found:
            self._print(f"    [red]found: {escape(found)}[/red]")

    def table(self, rows: list[tuple[str, str, str]]) -> None:
        """Print the sum of it all: of what, which, how many."""
        table = Table(title="What is left of it", title_justify="left")
        for heading, justify in (("", "left"), ("", "left"), ("count", "right")):
            table.add_column(heading, justify=justify)  # type: ignore[arg-type] # a literal, which a tuple forgets
        former = ""
        for of, which, count in rows:
            if former and of != former:
                table.add_section()
            table.add_row("" if of == former else f"[bold]{escape(of)}[/bold]", escape(which), count)
            former = of
        self._print("")
        self._console.print(table)

    def _print(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, highlight=False)
