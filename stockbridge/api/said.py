"""A body as it was sent, so that all its faults come in one answer: of its shape, by the catalog, by the order.

Checks read the parts that are readable, and settle for the whole at the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any, Generic, TypeVar, get_args

from pydantic import BaseModel, GetCoreSchemaHandler, ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, ErrorDetails, core_schema

from stockbridge.api.problems import code_of, pointer, refusal, words_of
from stockbridge.domain.errors import Fault

Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True)
class Part:
    """An object in a body, some of whose fields may not be readable."""

    fields: dict[str, Any]
    pointer: str
    unreadable: frozenset[str]

    def get(self, name: str) -> Any:
        """Return a field as it was sent; None where it was left out, or can't be read."""
        return self.fields.get(name) if self.readable(name) else None

    def readable(self, name: str) -> bool:
        """Say whether a field, with all that is in it, is in shape."""
        at = self.at(name)
        return not any(fault == at or fault.startswith(f"{at}/") for fault in self.unreadable)

    def at(self, name: str) -> str:
        """Point at a field."""
        return f"{self.pointer}{pointer([name])}"

    def part(self, name: str) -> Part:
        """Return an object inside; an empty one where there is none."""
        inside = self.fields.get(name)
        return Part(inside if isinstance(inside, dict) else {}, self.at(name), self.unreadable)

    def parts(self, name: str) -> Iterator[Part]:
        """Yield the objects of a list inside, passing what are none."""
        inside = self.fields.get(name)
        for index, item in enumerate(inside if isinstance(inside, list) else ()):
            if isinstance(item, dict):
                yield Part(item, f"{self.at(name)}/{index}", self.unreadable)

    def fault(self, name: str, code: str, detail: str) -> Fault:
        """Say what is wrong with a field."""
        return Fault(self.at(name), code, detail)


class Said(Generic[Body]):
    """A body of a shape: whole, or with faults. FastAPI documents it as the shape itself.

    It is no dataclass: pydantic would take it for the shape.
    """

    def __init__(self, body: Body | None, part: Part, faults: tuple[Fault, ...] = ()) -> None:
        self.body = body
        self.part = part
        self.faults = faults

    def settle(self, faults: Iterable[Fault] = ()) -> Body:
        """Return the body if nothing is wrong with it. Raises `Rejected` with all that is, what was found here too."""
        every = [*self.faults, *faults]
        if every or self.body is None:
            raise refusal(every)
        return self.body

    @classmethod
    def read(cls, raw: Any, validate: ValidatorFunctionWrapHandler) -> Said[Body]:
        """Read what was sent, keeping what is wrong with it."""
        body = None
        faults: tuple[Fault, ...] = ()
        try:
            body = validate(raw)
        except ValidationError as error:
            faults = tuple(_faults(raw, error.errors(include_url=False, include_input=False)))
        unreadable = frozenset(fault.pointer for fault in faults)
        return cls(body, Part(raw if isinstance(raw, dict) else {}, "", unreadable), faults)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        (shape,) = get_args(source)
        return core_schema.no_info_wrap_validator_function(cls.read, handler.generate_schema(shape))


def _faults(raw: Any, errors: Sequence[ErrorDetails]) -> Iterator[Fault]:
    """Turn pydantic's errors into faults, one for each place: of several ways to be wrong, the first one is told.

    A list is told to be too short where its items are wrong; the items say it better.
    """
    found: dict[str, ErrorDetails] = {}
    for details in errors:
        found.setdefault(pointer(_path(raw, details["loc"])), details)
    for at, details in found.items():
        if not (details["type"] == "too_short" and any(other.startswith(f"{at}/") for other in found)):
            yield Fault(at, code_of(details["type"]), words_of(details))


def _path(raw: Any, loc: Sequence[int | str]) -> Iterator[int | str]:
    """Follow a location as far as the body goes, and one step beyond for what is missing.

    What pydantic adds behind that are its own names, of a union's members.
    """
    for step in loc:
        if isinstance(raw, dict):
            yield step
            raw = raw.get(step)
        elif isinstance(raw, list) and isinstance(step, int) and step < len(raw):
            yield step
            raw = raw[step]
        else:
            return


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
