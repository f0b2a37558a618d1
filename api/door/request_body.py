"""A body as it was sent, so that all its faults come in one answer: those of its shape, and what is found later."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, Final, cast, get_args, get_origin

from pydantic import BaseModel, GetCoreSchemaHandler, ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, ErrorDetails, core_schema
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from api.door.odd_names import odd_names
from api.door.problems import code_of, words_of
from api.door.reading import off_the_loop, parsed, validator_of
from domain import said
from domain.characters import Everything, keeping, watching
from domain.errors import Fault, Rejected
from domain.refusals import MOST_FAULTS, pointer, refusal
from domain.said import Body, Part, Unreadable, with_all_above

NEWLY_REFUSED: Final = frozenset({"blank", "forbidden_character"})
"""What was accepted before names had one form."""


class Said(said.Said[Body]):
    """A body of a shape, as the door reads it. FastAPI documents it as the shape itself.

    It is no dataclass: pydantic would take it for the shape.
    """

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
    around = with_all_above(at.rpartition("/")[0] for at in found)
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
