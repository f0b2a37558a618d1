"""What the OpenAPI document says of answers that are no 200."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

Responses = dict[int | str, dict[str, Any]]


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {"application/problem+json": {"schema": schema}}}


REFUSALS: Final[Responses] = {
    401: _problem("No API key, or a wrong one"),
    403: _problem("Not with this key: it is of another scope, or speaks for another source"),
    404: _problem("Not there for this tenant"),
    422: _problem("Refused, with the reasons"),
    429: _problem("Too many requests, or too many commands of an order that wait; try again after `Retry-After`"),
    500: _problem("Our own fault; the log has it under the request's id"),
    503: _problem("Something can't be reached; try again after `Retry-After`"),
}
"""What any call may be answered with."""

OF_AN_ORDER: Final[Responses] = {
    **REFUSALS,
    409: _problem("Orders of several sources have the number: name one as `source`"),
}
"""What a call about an order may be answered with."""

WRITES: Final[Responses] = {
    400: _problem("Malformed"),
    409: _problem("The same key came before with other content, or the state forbids it"),
    413: _problem("The body is too large"),
    415: _problem("The body is not JSON"),
}
"""What a call with a body may be answered with, too."""


def same_again(shape: type[BaseModel], *statuses: int) -> Responses:
    """Describe a write whose repetition is answered 200 with the same, and maybe 202 before it is decided."""
    described: Responses = {200: {"model": shape, "description": "The same came before"}}
    for status in statuses:
        described[status] = {"model": shape, "description": _SUCCESSES[status]}
    return {**described, **WRITES, **REFUSALS}


_SUCCESSES: Final = {
    201: "Done",
    202: "Kept; it is not decided yet. The same again tells what became of it",
}
