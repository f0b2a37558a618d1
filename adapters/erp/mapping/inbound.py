"""Inbound: how documents are found in an ERP, read there, and what they are here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from adapters.erp.mapping.calls import Call
from adapters.erp.mapping.parts import Expr, Part, Shape, Text, Word
from adapters.erp.mapping.steps import Look
from adapters.erp.port import InboundKind


class Pages(Part):
    """How a long answer comes in parts: by a number of the page, by rows to skip, or by a link to the next.

    `size`, `number` and `skip` name parameters of the query. A call without a query says `page` itself, which is the
    number of the page, or of the rows to skip; then their names say nothing. With either, a page without rows is the
    last one: one that is short may be as long as the ERP makes them.

    Rows move from page to page when documents change meanwhile. So each page is read again when the next one was,
    unless the ERP keeps them as they are while it is asked: `stay`.
    """

    rows: Annotated[int, Field(ge=1, le=1000)]
    size: str | None = None
    number: str | None = None
    first: Annotated[int, Field(ge=0, le=1)] = 0
    skip: str | None = None
    next: Expr | None = None
    stay: Literal["true"] | None = None

    @model_validator(mode="after")
    def _one_way_on(self) -> Any:
        if sum(way is not None for way in (self.number, self.skip, self.next)) != 1:
            raise PydanticCustomError("pages", "goes on by one of `number`, `skip` and `next`")
        return self


class Poll(Part):
    """How changes are asked for: those since `since`, a time, in an order that stays.

    `rows` of the answer are the documents; of each, as `row`, `id` is its own id there and `stamp` when it changed: a
    time, or a text with its offset. `still` must hold of every row: a filter that the ERP ignored is noticed. As much
    as `overlap_s` is asked for again.

    A row has no times and days, but texts such as `2026-01-05T12:00:00Z`, whichever way the ERP writes them: it is the
    same now and when it is read from where it was kept.
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

    @model_validator(mode="after")
    def _link_of_a_path(self) -> Any:
        if self.pages is not None and self.pages.next is not None and self.call.verb is None:
            raise PydanticCustomError("next", "only a call with a verb goes on by a link, which is `next`")
        return self


class Signed(Part):
    """How a push is signed: the HMAC of its raw body, in the push's `header` behind `prefix`.

    `timestamp` is a header with a time in seconds since 1970, which is signed, too: before the body, with `between`
    between them. It lies within `window_s` of now. Without it a call can be sent again by whoever hears it; that makes
    the hub look once more, and no harm.
    """

    algorithm: Literal["sha256", "sha512"] = "sha256"
    written: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    timestamp: str | None = None
    between: str = "."
    window_s: Annotated[int, Field(ge=1, le=3600)] = 300


class Push(Part):
    """What the ERP's own call says, as `body`: a hint that the document with this `id` changed, which is fetched then.

    It is let in by a secret of the connection's settings, in the path or a header, by HTTP Basic, or by an HMAC. With
    HTTP Basic it is the password, and the user is `user`, or anybody. `answer` is what the ERP wants to hear when its
    call was taken, by the settings alone: nothing is known of the call then. It is JSON, or a text of type `media`.
    """

    secret: Word
    secret_in: Literal["path", "header", "basic", "hmac"]
    header: str | None = None
    user: Text | None = None
    signed: Signed | None = None
    when: Expr
    id: Text
    settle_s: Annotated[int, Field(ge=0, le=600)] = 2
    answer: Shape | None = None
    media: str = "application/json"

    @model_validator(mode="after")
    def _all_of_one_way(self) -> Any:
        way = self.secret_in
        if (self.header is not None) != (way in {"header", "hmac"}):
            raise PydanticCustomError("header", "names its `header` where the secret is in a header or an HMAC, only")
        if self.user is not None and way != "basic":
            raise PydanticCustomError("user", "has a `user` only with HTTP Basic")
        if self.signed is not None and way != "hmac":
            raise PydanticCustomError("signed", "says how it is `signed` only where the secret is in an HMAC")
        return self


class Fetch(Look):
    """Read what a row or a push says too little of.

    `itself`: it is the document, so that finding nothing means that there is no such document any more. Where there is
    a push it is the first one, unless another says so. `confirm` must hold of what is found, else it is read again
    later. What is found has no times and days, as a row has none.
    """

    itself: Literal["true"] | None = None

    @model_validator(mode="after")
    def _gone_or_absent(self) -> Any:
        if self.itself is not None and self.absent is not None:
            raise PydanticCustomError("itself", "the document `itself` is gone where it is absent: it says no `absent`")
        return self


class Gives(Part):
    """What a document is here, where it fits: an order, the cancelling of one, a product, nothing, or a person's task.

    `known` says whether the hub has the document already.
    """

    when: Expr
    order: Shape | None = None
    cancel: Shape | None = None
    product: Shape | None = None
    nothing: Text | None = None
    attention: Text | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Any:
        things = (self.order, self.cancel, self.product, self.nothing, self.attention)
        if sum(thing is not None for thing in things) != 1:
            raise PydanticCustomError("gives", "gives one of `order`, `cancel`, `product`, `nothing` and `attention`")
        return self


class Inbound(Part):
    """One kind of document: how it is found, read whole, and what it gives by the first that fits."""

    poll: Poll | None = None
    push: Push | None = None
    fetch: tuple[Fetch, ...] = ()
    gives: Annotated[tuple[Gives, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _found_somehow(self) -> Any:
        if self.poll is None and self.push is None:
            raise PydanticCustomError("found", "is found by `poll`, by `push`, or by both")
        if self.push is not None and not self.fetch:
            raise PydanticCustomError("fetch", "a push is a hint: say in `fetch` how the document is read")
        if sum(look.itself is not None for look in self.fetch) > 1:
            raise PydanticCustomError("itself", "only one look of `fetch` reads the document `itself`")
        return self

    @property
    def has_row(self) -> bool:
        """Say whether `row` is in scope where documents are read and given: nothing but a poll leads there."""
        return self.push is None

    @property
    def itself(self) -> str | None:
        """Return the name of the look that reads the document; None where a poll's row is the document."""
        said = next((look.look for look in self.fetch if look.itself is not None), None)
        return said if said is not None or self.has_row else self.fetch[0].look


class AllInbound(Part):
    """The kinds of documents that come in."""

    orders: Inbound | None = None
    products: Inbound | None = None

    def kinds(self) -> Iterator[tuple[InboundKind, Inbound]]:
        """Yield the kinds that there are."""
        if self.orders is not None:
            yield "orders", self.orders
        if self.products is not None:
            yield "products", self.products
