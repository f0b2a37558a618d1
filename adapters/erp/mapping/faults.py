"""Tables of faults: what an answer means, by the first row that fits."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from adapters.erp.mapping.parts import Code, Expr, Part, Text

Meaning = Literal["fine", "absent", "done_already", "look_again", "refused", "busy", "locked_out", "not_understood"]
"""What an answer may mean.

`fine`: it is what was asked for. `absent`: there is no such thing. `done_already`: somebody did it. `look_again`: the
state isn't what was looked at, so begin anew. `refused`: never, unless something changes. `busy`: nothing was done,
later it may be. `locked_out`: it doesn't know us (any more). `not_understood`: it proves nothing.
"""


class FaultRow(Part):
    """A row: when it fits, and what it means.

    For a refusal, under which `code`, and `why` in the file's own words, which everybody may read. `text` is what the
    ERP says to it, which may be about people, and is kept apart.
    """

    when: Expr
    means: Meaning
    code: Code | None = None
    why: str | None = None
    text: Text | None = None
    after_s: Annotated[int, Field(ge=1, le=3600)] | None = None

    @model_validator(mode="after")
    def _words_where_refused(self) -> Any:
        if (self.code is not None) != (self.means == "refused"):
            raise PydanticCustomError("code", "a row has a `code` if it means refused, and only then")
        if self.after_s is not None and self.means != "busy":
            raise PydanticCustomError("after_s", "only a row that means busy says `after_s`")
        return self
