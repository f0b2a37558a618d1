"""Inbound: how documents are found in an ERP, read there, and what they are here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from adapters.erp.mapping.calls import Call
from adapters.erp.mapping.parts import Expr, Part, Shape, Text, Word
from adapters.erp.mapping.steps import Look


class Pages(Part):
    """How a long answer comes in parts: by a number of the page, by rows to skip, or by a link to the next."""

    rows: Annotated[int, Field(ge=1, le=1000)]
    size: str | None = None
    number: str | None = None
    first: Annotated[int, Field(ge=0, le=1)] = 0
    skip: str | None = None
    next: Expr | None = None

    @model_validator(mode="after")
    def _one_way_on(self) -> Any:
        if sum(way is not None for way in (self.number, self.skip, self.next)) != 1:
            raise PydanticCustomError("pages", "goes on by one of `number`, `skip` and `next`")
        return self


class Poll(Part):
    """How changes are asked for: those since `since`, a time, in an order that stays.

    `rows` of the answer are the documents; of each, as `row`, `id` is its own id there and `stamp` when it changed.
    `still` must hold of every row: a filter that the ERP ignored is noticed. As much as `overlap_s` is asked for again.
    """

    every_s: Annotated[int, Field(ge=5, le=86_400)]
    call: Call
    rows: Expr
    id: Text
    stamp: Text
    overlap_s: Annotated[int, Field(ge=0, le=86_400)]
    still: Expr
    pages: Pages | None = None
    sweep_s: Annotated[int, Field(ge=60, le=7 * 86_400)] | None = None


class Push(Part):
    """What the ERP's own call says, as `body`: a hint that the document with this `id` changed, which is fetched then.

    It is let in by a secret of the connection's settings, in the path or a header, by HTTP Basic, or by an HMAC.
    """

    secret: Word
    secret_in: Literal["path", "header", "basic", "hmac"]
    header: str | None = None
    when: Expr
    id: Text
    settle_s: Annotated[int, Field(ge=0, le=600)] = 2
    answer: Shape | None = None


class Gives(Part):
    """What a document is here, where it fits: an order, the cancelling of one, a product, or nothing."""

    when: Expr
    order: Shape | None = None
    cancel: Shape | None = None
    product: Shape | None = None
    nothing: Text | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Any:
        if sum(thing is not None for thing in (self.order, self.cancel, self.product, self.nothing)) != 1:
            raise PydanticCustomError("gives", "gives one of `order`, `cancel`, `product` and `nothing`")
        return self


class Inbound(Part):
    """One kind of document: how it is found, read whole, and what it gives by the first that fits."""

    poll: Poll | None = None
    push: Push | None = None
    fetch: tuple[Look, ...] = ()
    gives: Annotated[tuple[Gives, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _found_somehow(self) -> Any:
        if self.poll is None and self.push is None:
            raise PydanticCustomError("found", "is found by `poll`, by `push`, or by both")
        if self.push is not None and not self.fetch:
            raise PydanticCustomError("fetch", "a push is a hint: say in `fetch` how the document is read")
        return self


class AllInbound(Part):
    """The kinds of documents that come in."""

    orders: Inbound | None = None
    products: Inbound | None = None
