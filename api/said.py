"""A body as it was sent, so that all its faults come in one answer: of its shape, by the catalog, by the order.

Checks read the parts that are readable, and settle for the whole at the end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final, Generic, Self, TypeVar, cast, get_args, get_origin

from pydantic import BaseModel, GetCoreSchemaHandler, ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, ErrorDetails, core_schema
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from api.odd_names import odd_names
from api.problems import MOST_FAULTS, code_of, pointer, refusal, words_of
from api.reading import off_the_loop, parsed, validator_of
from domain.characters import Everything, keeping, meant_by, watching
from domain.errors import Fault, Rejected

Body = TypeVar("Body", bound=BaseModel)

NAMES_OF_GOODS: Final = frozenset({"lot", "serial_number", "serial_numbers"})
NEWLY_REFUSED: Final = frozenset({"blank", "forbidden_character"})
"""What was accepted before names had one form."""


@dataclass(frozen=True)
class Unreadable:
    """What of a body is out of shape: the places themselves, and these with all that they are in."""

    itself: frozenset[str] = frozenset()
    somewhere_in: frozenset[str] = frozenset()

    @classmethod
    def by(cls, faults: Iterable[Fault]) -> Self:
        """Sort out where the faults are."""
        places = frozenset(fault.pointer for fault in faults)
        return cls(places, _with_all_above(places))


def _with_all_above(places: Iterable[str]) -> frozenset[str]:
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
    def read(cls, shape: type[Body], raw: Any) -> Said[Body]:
        """Read what was sent, keeping what is wrong with it. Raises `Rejected` where that is more than is told."""
        body = None
        faults: tuple[Fault, ...] = ()
        too_many = False
        with watching() as naming:
            try:
                body = validator_of(shape).validate_python(raw)
            except ValidationError as error:
                faults = tuple(_faults(raw, error.errors(include_url=False, include_input=False)))
                too_many = error.error_count() > MOST_FAULTS
        differs = naming.changed or any(fault.code in NEWLY_REFUSED for fault in faults)
        before = _as_before(shape, raw) if differs else None
        if too_many and before is None:
            raise refusal(faults, more=True)
        return cls(body, Part(raw if isinstance(raw, dict) else {}, "", Unreadable.by(faults)), faults, before)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        (shape,) = get_args(source)
        # The shape's own schema is what is documented; what is read is checked by a bounded one.
        return core_schema.no_info_wrap_validator_function(partial(_as_read, shape), handler.generate_schema(shape))


def _as_read(shape: type[Body], raw: Any, _validate: ValidatorFunctionWrapHandler) -> Said[Body]:
    """Return a body, or raise its refusal, as it was read off the loop; read it now if it was not."""
    if isinstance(raw, Rejected):
        raise raw
    return cast("Said[Body]", raw) if isinstance(raw, Said) else Said.read(shape, raw)


class SaidRequest(Request):
    """A request whose body is read once, in front of all that looks at it, and where that holds up nobody else.

    `told` is what it says; `odd_names` are the names of goods in it and in the address that are not in their one form.
    """

    def __init__(self, request: Request, shape: type[BaseModel] | None) -> None:
        super().__init__(request.scope, request.receive)
        self._shape = shape
        self.told: Any = None
        self.odd_names = odd_names(self.query_params, None)

    async def read(self) -> None:
        """Read the body as JSON. Raises `Rejected`: `malformed`, `duplicate_key`, `too_many_values`."""
        try:
            body = await self.body()
        except ClientDisconnect as error:
            raise HTTPException(HTTPStatus.BAD_REQUEST) from error
        if body:
            self.told, self.odd_names = await off_the_loop(self._parse, body)

    def _parse(self, body: bytes) -> tuple[Any, Collection[str]]:
        told = parsed(body)
        return told, odd_names(self.query_params, told)

    async def json(self) -> Any:
        """Return the body as it was said, in the route's shape if it has one."""
        return self.told if self._shape is None else await off_the_loop(self._in_shape, await self.body())

    def _in_shape(self, _body: bytes) -> Any:
        """Return the body in its shape. FastAPI takes no refusal here, so it is returned."""
        assert self._shape is not None
        try:
            return Said.read(self._shape, self.told)
        except Rejected as refused:
            return refused


def shape_of(annotation: Any) -> type[BaseModel] | None:
    """Return the shape of a body that is said to a route."""
    return get_args(annotation)[0] if get_origin(annotation) is Said else None


def _as_before(shape: type[Body], raw: Any) -> Body | None:
    """Read what was sent as it was read before names had one form; None where it was refused then, too."""
    with keeping(Everything()):
        try:
            return cast("Body", validator_of(shape).validate_python(raw))
        except ValidationError:
            return None


def _faults(raw: Any, errors: Sequence[ErrorDetails]) -> Iterator[Fault]:
    """Turn pydantic's errors into faults, one for each place: of several ways to be wrong, the first one is told.

    A list is told to be too short where its items are wrong; the items say it better.
    """
    found: dict[str, ErrorDetails] = {}
    for details in errors:
        found.setdefault(pointer(_path(raw, details["loc"])), details)
    around = _with_all_above(at.rpartition("/")[0] for at in found)
    for at, details in found.items():
        if not (details["type"] == "too_short" and at in around):
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
