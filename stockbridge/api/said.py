"""A body as it was sent, so that all its faults come in one answer: of its shape, by the catalog, by the order.

Checks read the parts that are readable, and settle for the whole at the end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final, Generic, TypeVar, get_args

from pydantic import BaseModel, GetCoreSchemaHandler, ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, ErrorDetails, core_schema

from stockbridge.api.problems import code_of, pointer, refusal, words_of
from stockbridge.domain.characters import Everything, keeping, meant_by, watching
from stockbridge.domain.errors import Fault

Body = TypeVar("Body", bound=BaseModel)

NAMES_OF_GOODS: Final = frozenset({"lot", "serial_number", "serial_numbers"})
NEWLY_REFUSED: Final = frozenset({"blank", "forbidden_character"})
"""What was accepted before names had one form."""


@dataclass(frozen=True)
class Part:
    """An object in a body, some of whose fields may not be readable."""

    fields: dict[str, Any]
    pointer: str
    unreadable: frozenset[str]

    def get(self, name: str) -> Any:
        """Return a field as it was sent, names of goods as they are meant; None where it can't be read."""
        told = self.fields.get(name) if self.readable(name) else None
        if told is None or name not in NAMES_OF_GOODS:
            return told
        return meant_by(told) if isinstance(told, str) else [meant_by(each) for each in told]

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

    @classmethod
    def read(cls, raw: Any, validate: ValidatorFunctionWrapHandler) -> Said[Body]:
        """Read what was sent, keeping what is wrong with it."""
        body = None
        faults: tuple[Fault, ...] = ()
        with watching() as naming:
            try:
                body = validate(raw)
            except ValidationError as error:
                faults = tuple(_faults(raw, error.errors(include_url=False, include_input=False)))
        differs = naming.changed or any(fault.code in NEWLY_REFUSED for fault in faults)
        unreadable = frozenset(fault.pointer for fault in faults)
        part = Part(raw if isinstance(raw, dict) else {}, "", unreadable)
        return cls(body, part, faults, _as_before(raw, validate) if differs else None)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        (shape,) = get_args(source)
        return core_schema.no_info_wrap_validator_function(cls.read, handler.generate_schema(shape))


def _as_before(raw: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Read what was sent as it was read before names had one form; None where it was refused then, too."""
    with keeping(Everything()):
        try:
            return validate(raw)
        except ValidationError:
            return None


def _faults(raw: Any, errors: Sequence[ErrorDetails]) -> Iterator[Fault]:
    """Turn pydantic's errors into faults, one for each place: of several ways to be wrong, the first one is told.

    A list is told to be too short where its items are wrong; the items say it better.
    """
    found: dict[str, ErrorDetails] = {}
    for details in errors:
        found.setdefault(pointer(_path(raw, details["loc"])), details)
    for at, details in found.items():
        if not (details["type"] == "too_short" and any(other.startswith(f"{at}/") for other in found)):
            yield Fault(at, code_of(details["type"]), words_of(details, _told(raw, details["loc"])))


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


def _told(raw: Any, loc: Sequence[int | str]) -> Any:
    """Return what a body has at a location."""
    for step in _path(raw, loc):
        raw = raw.get(step) if isinstance(raw, dict) else raw[step]
    return raw


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
