"""Refusing a request for all that is wrong with it, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from domain.errors import Fault, Kind, Rejected

MOST_FAULTS: Final = 100
"""As many faults are told of a request, however many there are."""


def not_found(what: str) -> Rejected:
    """Say that something is not there for this tenant."""
    return Rejected("not_found", f"There is no {what}.", kind=Kind.UNKNOWN)


def refusal(faults: Sequence[Fault], *, more: bool = False) -> Rejected:
    """Refuse a request for all that is wrong with it. Several kinds of faults together are `invalid_request`.

    With `more`, it was not looked at any further: so much was wrong.
    """
    codes = {fault.code for fault in faults}
    code = codes.pop() if len(codes) == 1 else "invalid_request"
    if len(faults) == 1:
        detail = _in_words(faults[0])
    else:
        detail = f"{_how_many(len(faults), more=more)}; the first: {_in_words(faults[0])}"
    return Rejected(code, detail, faults[:MOST_FAULTS])


def _how_many(faults: int, *, more: bool) -> str:
    """Say how many things are wrong, and how many of them are told if not all are."""
    if more:
        return f"At least {faults} things are wrong with the request"
    told = "" if faults <= MOST_FAULTS else f", of which {MOST_FAULTS} are told"
    return f"{faults} things are wrong with the request{told}"


def _in_words(fault: Fault) -> str:
    """Say a fault with the line that it is in, counted as people count."""
    _, *path = fault.pointer.split("/")
    match path:
        case ["lines", index, *_] if index.isdigit():
            place = f"Line {int(index) + 1}: "
        case [*_, name] if name:
            place = f"{name}: "
        case _:
            place = ""
    return f"{place}{fault.detail.rstrip('.')}."


def pointer(path: Iterable[object]) -> str:
    """Write a path as RFC 6901 does."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
