"""Calls: what is said at a door."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from adapters.erp.mapping.parts import Expr, Part, Shape, Text, Word

Verb = Literal["get", "post", "put", "patch", "delete"]
VERBS: Final[tuple[Verb, ...]] = ("get", "post", "put", "patch", "delete")


class Saying(Part):
    """What is said: through REST a verb with its path, through JSON-RPC a method, through SOAP an operation.

    `query` is REST's, `send` the body, the parameters or the parts of the message.
    """

    get: Text | None = None
    post: Text | None = None
    put: Text | None = None
    patch: Text | None = None
    delete: Text | None = None
    method: Text | None = None
    operation: str | None = None
    query: dict[str, Shape] = Field(default_factory=dict)
    send: Shape | None = None

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> Any:
        said = [name for name in (*VERBS, "method", "operation") if getattr(self, name) is not None]
        if len(said) != 1:
            ways = "a verb with its path, a method, or an operation"
            raise PydanticCustomError("one_way", "says {n} of these, where one is needed: " + ways, {"n": len(said)})
        if self.query and self.verb is None:
            raise PydanticCustomError("query", "only a call with a verb has a query")
        return self

    @property
    def verb(self) -> Verb | None:
        """Return the verb of a call through a REST door."""
        return next((verb for verb in VERBS if getattr(self, verb) is not None), None)

    @property
    def path(self) -> Text | None:
        """Return the path of a call through a REST door."""
        verb = self.verb
        return getattr(self, verb) if verb else None


class Call(Saying):
    """Something said at a door. What its answer brings is `answer`; `take` is what of it counts.

    `expect` must hold of an answer to this call: one about another document, or with less than it announces, is none.
    """

    door: Word
    expect: Expr | None = None
    take: Expr | None = None
