from __future__ import annotations

import io

from rich.console import Console

from runtime.demo.checks import Checks, watch
from runtime.demo.display import Display


def told() -> tuple[Checks, io.StringIO]:
    page = io.StringIO()
    return Checks(Display(Console(file=page, width=60), 3)), page


def test_a_promise_that_holds_is_ticked() -> None:
    checks, page = told()

    checks.that(held=True, promise="stock is kept", found="all of it")

    assert (checks.kept, checks.broken) == (1, [])
    assert page.getvalue() == "  ✓ stock is kept\n"


def test_a_promise_that_does_not_hold_is_crossed_with_what_was_found() -> None:
    checks, page = told()

    checks.that(held=False, promise="stock is kept", found={"reserved": 0})

    assert (checks.kept, checks.broken) == (0, ["stock is kept"])
    assert page.getvalue() == "  ✗ stock is kept\n    found: {'reserved': 0}\n"


def test_a_chapter_that_breaks_off_tells_the_first_reason() -> None:
    checks, page = told()

    checks.failed("Parcels leave", ExceptionGroup("both", [KeyError("lines"), ValueError("x")]))

    assert checks.broken == ["Parcels leave: told to its end"]
    assert "KeyError: 'lines'" in page.getvalue()


async def test_what_happens_soon_is_waited_for() -> None:
    checks, _ = told()
    seen = iter([1, 2, 3])

    async def look() -> int:
        return next(seen)

    await checks.soon("it becomes three", look, lambda number: number == 3)

    assert checks.broken == []


async def test_what_never_happens_is_told_with_what_was_seen_last() -> None:
    async def look() -> str:
        return "nothing"

    held, seen, _ = await watch(look, lambda _: False, limit_s=0.2)

    assert (held, seen) == (False, "nothing")


def test_without_a_terminal_there_are_plain_lines_only() -> None:
    page = io.StringIO()
    display = Display(Console(file=page, width=40), 2)

    with display, display.chapter(1, "The [bold] warehouse opens"):
        display.tick("a promise that is far longer than forty characters stays on its line")
        display.doing("something")

    assert page.getvalue() == (
        "\n1. The [bold] warehouse opens\n  ✓ a promise that is far longer than forty characters stays on its line\n"
    )
