"""What was said, with all that is wrong with it: of its shape, by the catalog, by the order.

Checks read the parts that are readable, and settle for the whole at the end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final, Generic, Self, TypeVar

from pydantic import BaseModel

from domain.characters import meant_by
from domain.errors import Fault
from domain.refusals import pointer, refusal

Body = TypeVar("Body", bound=BaseModel)

NAMES_OF_GOODS: Final = frozenset({"lot", "serial_number", "serial_numbers"})


@dataclass(frozen=True)
class Unreadable:
    """What of a body is out of shape: the places themselves, and these with all that they are in."""

    itself: frozenset[str] = frozenset()
    somewhere_in: frozenset[str] = frozenset()

    @classmethod
    def by(cls, faults: Iterable[Fault]) -> Self:
        """Sort out where the faults are."""
        places = frozenset(fault.pointer for fault in faults)
        return cls(places, with_all_above(places))


def with_all_above(places: Iterable[str]) -> frozenset[str]:
    """Return places, and all that they are in."""
    found: set[str] = set()
    for place in places:
        at = place
        while at not in found:
            found.add(at)
            at = at.rpartition("/")[0]
    return frozenset(found)


@dataclass(frozen=True)
class Part:
    """An object in a body, some of whose fields may not be readable."""

    fields: dict[str, Any]
    pointer: str
    unreadable: Unreadable

    def get(self, name: str) -> Any:
        """Return a field as it was sent, names of goods as they are meant; None where it can't be read."""
        told = self.fields.get(name) if self.readable(name) else None
        if told is None or name not in NAMES_OF_GOODS:
            return told
        return meant_by(told) if isinstance(told, str) else [meant_by(each) for each in told]

    def readable(self, name: str) -> bool:
        """Say whether a field, with all that is in it, is in shape."""
        return self.at(name) not in self.unreadable.somewhere_in

    def at(self, name: str) -> str:
        """Point at a field."""
        return f"{self.pointer}{pointer([name])}"

    def part(self, name: str) -> Part:
        """Return an object inside; an empty one where there is none."""
        inside = self.fields.get(name)
        return Part(inside if isinstance(inside, dict) else {}, self.at(name), self.unreadable)

    def parts(self, name: str) -> Iterator[Part]:
        """Yield the objects of a list inside, passing what are none; nothing of a list that is out of shape itself."""
        inside = None if self.at(name) in self.unreadable.itself else self.fields.get(name)
        for index, item in enumerate(inside if isinstance(inside, list) else ()):
            if isinstance(item, dict):
                yield Part(item, f"{self.at(name)}/{index}", self.unreadable)

    def fault(self, name: str, code: str, detail: str) -> Fault:
        """Say what is wrong with a field."""
        return Fault(self.at(name), code, detail)


class Said(Generic[Body]):
    """A body of a shape: whole, or with faults."""

    def __init__(
        self, body: Body | None, part: Part, faults: tuple[Fault, ...] = (), before: Body | None = None
    ) -> None:
        self.body = body
        self.part = part
        self.faults = faults
        self._before = before

    @property
    def wordings(self) -> list[Body]:
        """Return the body as it is read now, and as it was read before names had one form, where that is another."""
        return [body for body in (self.body, self._before) if body is not None]

    @property
    def is_odd(self) -> bool:
        """Say whether something in it is not in the one form that names have, or is refused since there is one."""
        return self._before is not None

    def repeats(self, told_by: Callable[[Body], object], stored: object) -> bool:
        """Say whether it says what was stored. If so, it is read as it was then, whatever is refused by now."""
        for body in self.wordings if stored is not None else ():
            if told_by(body) == stored:
                self.body, self.faults = body, ()
                return True
        return False

    def settle(self, faults: Iterable[Fault] = ()) -> Body:
        """Return the body if nothing is wrong with it. Raises `Rejected` with all that is, what was found here too."""
        every = [*self.faults, *faults]
        if every or self.body is None:
            raise refusal(every)
        return self.body


def canonical(content: Any) -> str:
    """Write content so that the same is the same text: `2`, `"2"` and `"2.0"` are one quantity."""
    return json.dumps(_plain(content), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


_NUMBERS = frozenset({"quantity", "amount", "counted", "delta"})


_CAME_LATER = frozenset({"produced_on"})
"""Fields that there were not always: where nothing is said in them, a body has the digest that it had before."""


def _plain(content: Any) -> Any:
    if isinstance(content, dict):
        return {
            name: _plain_number(value) if name in _NUMBERS and value is not None else _plain(value)
            for name, value in content.items()
            if value is not None or name not in _CAME_LATER
        }
    if isinstance(content, list):
        return [_plain(item) for item in content]
    return content


def _plain_number(value: int | str) -> str:
    number = Decimal(value)
    return format(number.normalize() if number else Decimal(0), "f")


_NOT_CONTENT = frozenset({"actor", "device"})


def asked(body: BaseModel) -> str:
    """Write what a body asks for, whoever says so with whatever device."""
    return canonical(body.model_dump(mode="json", by_alias=True, exclude=set(_NOT_CONTENT)))


def digest(text: str) -> bytes:
    """Return the SHA-256 of what was asked."""
    return sha256(text.encode()).digest()
