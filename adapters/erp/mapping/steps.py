"""Steps: how an ERP is told one message. `look` reads, `do` changes, and every attempt goes from the top.

So each `do` says how an earlier attempt shows: `unless` what was read shows that it is done, or it is `repeatable`.
What is neither is done once, and where that may have happened a person looks: `attention`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from adapters.erp.mapping.calls import Call
from adapters.erp.mapping.parts import Code, Expr, Part, Shape, Text, Word


class Absent(Part):
    """What it means that something isn't there.

    Either it will be: it is looked for again for `wait_s`, then a person is asked. Or it won't: the message is refused.
    """

    wait_s: Annotated[int, Field(ge=1, le=7 * 86_400)] | None = None
    refuse: Code | None = None
    why: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Any:
        if (self.wait_s is None) == (self.refuse is None):
            raise PydanticCustomError("absent", "says `wait_s` or `refuse`")
        return self


AnyCall = Annotated[
    Annotated[Word, Tag("named")] | Annotated[Call, Tag("call")],
    Discriminator(lambda given: "named" if isinstance(given, str) else "call"),
]
"""A call, or the name of one in `calls`."""


class _Calling(Part):
    """A step that calls. What a named call is given is `given.<name>` there."""

    call: AnyCall
    given: Annotated[dict[Word, Text], Field(alias="with", default_factory=dict)]
    unless: Expr | None = None
    confirm: Expr | None = None


class Look(_Calling):
    """Read something and give it a name.

    `one`: there are several only by mistake, which is a person's to mend. `absent` says what it means that there is
    none; without it the name is not there, and steps behind may ask so. `confirm` must hold of what was read.
    """

    look: Word
    absent: Absent | None = None
    one: Literal["true"] | None = None


class Do(_Calling):
    """Change something, unless it is done already."""

    do: Word
    each: Expr | None = None
    as_: Annotated[Word | None, Field(alias="as")] = None
    repeatable: Literal["true"] | None = None
    attention: Literal["true"] | None = None
    keep: dict[Word, Expr] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _shows_what_is_done(self) -> Any:
        ways = [name for name in ("unless", "repeatable", "attention") if getattr(self, name) is not None]
        if len(ways) != 1:
            raise PydanticCustomError(
                "unless",
                "says {n} of `unless`, `repeatable` and `attention`, where one is needed: how does it show that an "
                "earlier attempt did it",
                {"n": len(ways)},
            )
        if (self.each is None) != (self.as_ is None):
            raise PydanticCustomError("each", "`each` and `as` go together")
        return self


class Let(Part):
    """Give names to trees, such as what is to be in a document, so that it is told and read back by the same words."""

    let: Annotated[dict[Word, Shape], Field(min_length=1)]


class Document(Part):
    """The ERP's own number of what it made of the message."""

    document_no: Text


class Refusal(Part):
    """Where it fits the ERP can't take this message: it is refused, in these words."""

    refuse: Code
    when: Expr
    text: Text


class Attention(Part):
    """A person tells the ERP, or mends what is in the way: where it fits, or always."""

    attention: Text
    when: Expr | None = None


class Done(Part):
    """Where it fits there is nothing (more) to tell."""

    nothing: Expr


_PARTS: Final[dict[str, type[Part]]] = {
    "look": Look,
    "do": Do,
    "let": Let,
    "document_no": Document,
    "refuse": Refusal,
    "attention": Attention,
    "nothing": Done,
}


def _kind_of_step(given: Any) -> str:
    if isinstance(given, dict):
        # `do` may say `attention`, too, so the order counts.
        return next((word for word in _PARTS if word in given), "")
    return next((word for word, part in _PARTS.items() if type(given) is part), "")


Step = Annotated[
    Annotated[Look, Tag("look")]
    | Annotated[Do, Tag("do")]
    | Annotated[Let, Tag("let")]
    | Annotated[Document, Tag("document_no")]
    | Annotated[Refusal, Tag("refuse")]
    | Annotated[Attention, Tag("attention")]
    | Annotated[Done, Tag("nothing")],
    Discriminator(
        _kind_of_step,
        custom_error_type="step",
        custom_error_message="must be a step: look, do, let, document_no, refuse, attention or nothing",
    ),
]

Nothing = Literal["nothing"]


def _kind_of_plan(given: Any) -> str:
    if isinstance(given, list | tuple):
        return "steps"
    return "attention" if isinstance(given, dict | Attention) else "nothing"


Plan = Annotated[
    Annotated[Nothing, Tag("nothing")]
    | Annotated[Attention, Tag("attention")]
    | Annotated[tuple[Step, ...], Tag("steps")],
    Discriminator(_kind_of_plan),
]
"""How a kind of message is told: by steps, not at all, or by a person."""


class Recall(Part):
    """How the ERP is asked for what it has under our reference, `reference`, after a restore from a backup.

    `rows` of the answer are its documents; `into` says of each, as `row`, what the hub compares with what it would
    tell: `reference, document_no, kind, made_at`, and where the ERP tells them `revision, shipment_no, lines`.
    """

    call: Call
    rows: Expr
    into: Shape


AnyRecall = Annotated[
    Annotated[Recall, Tag("one")] | Annotated[tuple[Recall, ...], Tag("several")],
    Discriminator(lambda given: "several" if isinstance(given, list | tuple) else "one"),
]
"""How it is asked, or several ways, where it keeps what it was told in several places."""
