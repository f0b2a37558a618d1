"""How a body is read, so that no body costs more than its length: counted, parsed, checked in pieces, off the loop.

What can be known of a list by its length is known first; a list is checked a piece at a time, for as long as no more is
found wrong than is told. Between the pieces others have their turn, also where the reading is in a thread of its own.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from itertools import islice
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import (
    ErrorDetails,
    InitErrorDetails,
    PydanticCustomError,
    PydanticKnownError,
    SchemaValidator,
    core_schema,
)

from api.door.json_bodies import read_json
from domain.errors import Fault
from domain.refusals import MOST_FAULTS, refusal

Read = TypeVar("Read")

LONG: Final = 32 * 1024
"""A body of so many bytes is read off the loop."""

MOST_VALUES: Final = 128 * 1024
"""As many objects, lists, fields and items may be in a body: enough for a receipt of a hundred thousand units."""

_OBJECTS_A_PIECE: Final = 8
_VALUES_A_PIECE: Final = 256
_MOST_UNKNOWN: Final = MOST_FAULTS + 1

# One at a time: more threads would not read faster, only keep the loop waiting longer for its turn.
_beside = ThreadPoolExecutor(1, thread_name_prefix="bodies")


async def off_the_loop(read: Callable[[bytes], Read], body: bytes) -> Read:
    """Read a body; where it is long, in a thread."""
    if len(body) < LONG:
        return read(body)
    # Names are taken as the request's context says.
    return await asyncio.get_running_loop().run_in_executor(_beside, copy_context().run, read, body)


# -- JSON ------------------------------------------------------------------------------------------------------------


def parsed(body: bytes) -> Any:
    """Parse a body. Raises `Rejected`: as `read_json` does, or `too_many_values`.

    Parsing is one step for the interpreter, and nothing else has its turn meanwhile; so what it can meet is counted
    before, and the garbage collector, which would look at all there is again and again, has to wait.
    """
    if len(body) < LONG:
        return read_json(body)
    values = sum(body.count(mark) for mark in (b",", b":", b"[", b"{"))
    if values > MOST_VALUES:
        detail = f"The body has {values} values, and {MOST_VALUES} at most are taken"
        raise refusal([Fault("", "too_many_values", detail)])
    collects = gc.isenabled()
    gc.disable()
    try:
        return read_json(body)
    finally:
        if collects:
            gc.enable()


# -- shapes ----------------------------------------------------------------------------------------------------------


@cache
def validator_of(shape: type[BaseModel]) -> SchemaValidator:
    """Return what checks a shape: as pydantic does, but lengths first, and lists in pieces."""
    # What pydantic has built for the shapes inside is not bounded.
    return SchemaValidator(_bounded(shape.__pydantic_core_schema__), _use_prebuilt=False)


def _bounded(schema: Any) -> Any:
    """Return a schema with its lists and objects bounded, however deep inside they are."""
    if isinstance(schema, list):
        return [_bounded(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inside = {name: value if name in _NO_SCHEMAS else _bounded(value) for name, value in schema.items()}
    match schema.get("type"):
        case "tuple" if "variadic_item_index" in schema:
            check = _pieces(schema)
        case "model":
            check = _few_unknown(schema["cls"])
        case _:
            return inside
    ref = inside.pop("ref", None)
    return core_schema.no_info_wrap_validator_function(check, inside, ref=ref)


_NO_SCHEMAS: Final = frozenset(
    {"cls", "config", "default", "function", "metadata", "ref", "schema_ref", "serialization"}
)

_Check = Callable[[Any, ValidatorFunctionWrapHandler], Any]


def _pieces(schema: Mapping[str, Any]) -> _Check:
    """Return what checks a list: its length first, then piece by piece until too much is wrong."""
    most = schema.get("max_length")
    of_values = schema["items_schema"][0]["type"] not in {"model", "definition-ref"}
    length = _VALUES_A_PIECE if of_values else _OBJECTS_A_PIECE

    def check(items: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        if not isinstance(items, list):
            return validate(items)
        if most is not None and len(items) > most:
            told = {"field_type": "Tuple", "max_length": most, "actual_length": len(items)}
            raise PydanticKnownError("too_long", told)
        return validate(items) if len(items) <= length else _in_pieces(items, length, validate)

    return check


def _in_pieces(items: Sequence[Any], length: int, validate: ValidatorFunctionWrapHandler) -> tuple[Any, ...]:
    checked: list[Any] = []
    wrong: list[InitErrorDetails] = []
    for first in range(0, len(items), length):
        try:
            checked += validate(items[first : first + length])
        except ValidationError as error:
            wrong += _moved(error.errors(include_url=False, include_input=False), first)
        if len(wrong) > MOST_FAULTS:
            break
    if wrong:
        raise ValidationError.from_exception_data("items", wrong)
    return tuple(checked)


_PYDANTICS: Final = frozenset(get_args(core_schema.ErrorType))


def _moved(errors: Sequence[ErrorDetails], first: int) -> Iterator[InitErrorDetails]:
    """Say what is wrong with the items of a piece as it is wrong with the list's; how long a piece is matters not."""
    for details in errors:
        if details["loc"]:
            index, *inside = details["loc"]
            loc = (int(index) + first, *inside)
            yield InitErrorDetails(type=_kind(details), loc=loc, input=None, ctx=details.get("ctx", {}))


def _kind(details: ErrorDetails) -> str | PydanticCustomError:
    """Name a kind of error as pydantic takes it: its own, or one of ours with its words."""
    kind = details["type"]
    return kind if kind in _PYDANTICS else PydanticCustomError(kind, details["msg"])


def _few_unknown(shape: type[BaseModel]) -> _Check:
    """Return what checks an object: of fields that there are not, no more are looked at than are told."""
    names = {field.alias or name for name, field in shape.model_fields.items()}
    most = len(names) + _MOST_UNKNOWN

    def check(fields: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        if isinstance(fields, dict) and len(fields) > most:
            unknown = islice((name for name in fields if name not in names), _MOST_UNKNOWN)
            fields = {name: fields[name] for name in (*(n for n in names if n in fields), *unknown)}
        return validate(fields)

    return check
