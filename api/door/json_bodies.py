"""Bodies as JSON, read so that nothing in them is lost or guessed: no name twice in an object, no NaN."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final, NoReturn

from domain.errors import Fault, Kind, Rejected
from domain.refusals import MOST_FAULTS, pointer, refusal

_LONGEST_TOLD: Final = 10_000
"""Names that come twice are told while they are no longer than this together."""


class _Repeating(dict[str, Any]):
    """An object in which names come twice; of each, the last is in it."""

    twice: tuple[str, ...] = ()


def read_json(body: bytes) -> Any:
    """Read a body. Raises `Rejected`: `malformed` (400), or `duplicate_key` with where a name comes twice."""
    repeating: list[_Repeating] = []

    def made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        told = dict(pairs)
        if len(told) == len(pairs):
            return told
        found = _Repeating(told)
        found.twice = tuple(_twice(pairs))
        repeating.append(found)
        return found

    try:
        told = json.loads(body.decode("utf-8-sig"), object_pairs_hook=made, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise _malformed(error.msg) from error
    except UnicodeDecodeError as error:
        raise _malformed(f"byte {error.start} is not UTF-8") from error
    except RecursionError as error:
        raise _malformed("it is nested too deeply") from error
    except ValueError as error:  # Python's own, of a number with thousands of digits
        raise _malformed("it has a number that is none, or too long") from error
    if repeating:
        raise refusal(list(_bounded(_faults(told))))
    return told


def _twice(pairs: list[tuple[str, Any]]) -> Iterator[str]:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            yield name
        seen.add(name)


_Path = tuple["_Path", object] | None
"""Where something is: the path to what it is in, and its name there. Written out only where it is told."""


def _faults(told: Any) -> Iterator[Fault]:
    """Find the names that come twice, however deep; but for those in what another such name has pushed out."""
    waiting: list[tuple[_Path, Any]] = [(None, told)]
    while waiting:
        at, part = waiting.pop()
        if isinstance(part, _Repeating):
            for name in dict.fromkeys(part.twice):
                yield Fault(pointer(_steps((at, name))), "duplicate_key", "comes twice in its object")
        inside = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        waiting += reversed([((at, name), value) for name, value in inside if isinstance(value, dict | list)])


def _steps(path: _Path) -> list[object]:
    steps = []
    while path is not None:
        path, step = path
        steps.append(step)
    return steps[::-1]


def _bounded(faults: Iterator[Fault]) -> Iterator[Fault]:
    """Tell the first faults: names can be as long as the body, and each is told with all that it lies in."""
    length = 0
    for fault in islice(faults, MOST_FAULTS):
        yield fault
        length += len(fault.pointer)
        if length > _LONGEST_TOLD:
            return


def _no_number(told: str) -> NoReturn:
    raise _malformed(f"{told} is no number")


def _malformed(reason: str) -> Rejected:
    return Rejected("malformed", f"The body is not JSON: {reason}.", kind=Kind.MALFORMED)
