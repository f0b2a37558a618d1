"""The hub's own shapes as the checker knows them, made of the classes that carry them: what they have is known here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache, partial
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import AwareDatetime, BaseModel

from adapters.erp.checking.known import ANY, Fields, Known, any_of, list_of, of_kinds, tree, words
from domain.commands import Push
from domain.erp import ErpDocument, ErpMessage, ErpReceipt
from domain.shapes import Product

_KINDS: Final[dict[Any, str]] = {
    str: "text",
    bool: "boolean",
    int: "number",
    Decimal: "number",
    datetime: "time",
    AwareDatetime: "time",
    date: "day",
    NoneType: "null",
}
_A_TIME: Final = "occurred_at"
_COUNTED_HERE: Final = "revision"
"""An ERP without revisions says none: the hub counts them itself."""


@cache
def message() -> Known:
    """Return what the hub says to an ERP. When it happened is a time, of which the message has the text."""
    said = _of(ErpMessage, read=False)
    assert said.fields is not None
    return dataclasses.replace(said, fields={**said.fields, _A_TIME: of_kinds("time")})


@cache
def order() -> Known:
    """Return what an order is to be here: a push."""
    push = _of(Push, read=True)
    return dataclasses.replace(push, required=push.required - {_COUNTED_HERE})


@cache
def product() -> Known:
    """Return what a product is to be here."""
    return _of(Product, read=True)


@cache
def cancel() -> Known:
    """Return what the cancelling of an order is to be here."""
    text = of_kinds("text")
    return tree({"order_no": text, "reason": text}, required=frozenset({"order_no", "reason"}))


@cache
def document() -> Known:
    """Return what a document of the ERP's is to be here: its receipt, and what is in it."""
    receipt, inside = _of(ErpReceipt, read=False), _of(ErpDocument, read=False)
    assert receipt.fields is not None
    assert inside.fields is not None
    own = {name: receipt.fields[name] for name in receipt.fields if name != "document"}
    return tree({**own, **inside.fields}, required=receipt.required | inside.required)


def _of(hint: Any, *, read: bool) -> Known:  # noqa: PLR0911 - one for each way to write a type
    """Return what a type holds. What is still to be `read` from JSON may have its times and days as text."""
    origin = get_origin(hint)
    if origin is Annotated:
        return _of(get_args(hint)[0], read=read)
    if origin in {Union, UnionType}:
        return any_of(*(_of(each, read=read) for each in get_args(hint)))
    if origin is Literal:
        return words(*map(str, get_args(hint)))
    if origin is tuple:
        return list_of(_of(get_args(hint)[0], read=read))
    if hint in _KINDS:
        kind = _KINDS[hint]
        return of_kinds(kind, "text") if read and kind in {"time", "day"} else of_kinds(kind)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return words(*(str(each.value) for each in hint))
    return _of_class(hint, read=read)


def _of_class(hint: Any, *, read: bool) -> Known:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        required = {name for name, field in hint.model_fields.items() if field.is_required()}
    elif dataclasses.is_dataclass(hint):
        fields = dataclasses.fields(hint)
        required = {each.name for each in fields if each.default is each.default_factory is dataclasses.MISSING}
    else:
        return ANY
    named = set(getattr(hint, "model_fields", None) or {each.name for each in dataclasses.fields(hint)})
    hints = get_type_hints(hint, include_extras=True)
    makers: dict[str, Callable[[], Known]] = {
        name: partial(_of, hints[name], read=read) for name in hints if name in named
    }
    return tree(Fields(makers), required=frozenset(required))
