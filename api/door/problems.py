"""The one place where errors become HTTP: problem documents of RFC 9457. docs/problems.md lists the codes.

A code `unknown_sku` is the type `/problems/unknown-sku` with the title "Unknown SKU".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final, cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from domain.characters import named
from domain.errors import Fault, Kind, OutcomeUnknown, Rejected, StockbridgeError, Unavailable
from domain.refusals import MOST_FAULTS, pointer, refusal
from postgres.statements import outage_of

RETRY_AFTER_S: Final = 1


_SPELLED: Final = {"sku": "SKU", "uom": "UOM", "erp": "ERP", "gtin": "GTIN"}


STATUS_OF: Final = {
    Kind.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Kind.CONFLICT: HTTPStatus.CONFLICT,
    Kind.UNKNOWN: HTTPStatus.NOT_FOUND,
    Kind.MALFORMED: HTTPStatus.BAD_REQUEST,
    Kind.UNPROVEN: HTTPStatus.UNAUTHORIZED,
    Kind.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Kind.TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS,
    Kind.BUG: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""With which status a refusal is answered."""


_OF_STATUS: Final = {
    HTTPStatus.BAD_REQUEST: ("malformed", "The request can't be read."),
    HTTPStatus.NOT_FOUND: ("not_found", "There is nothing at this address."),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method_not_allowed", "This address does not take that method."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("too_large", "The body is too large."),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("unsupported_media_type", "The body must be application/json."),
}


_ADDRESS: Final = frozenset({"query", "path"})


_OF_SHAPE: Final = {"missing": "missing", "extra_forbidden": "unknown_field"}
"""Our words for pydantic's; those that begin a custom error are ours already."""


_OF_CHARACTERS: Final = frozenset({"string_pattern_mismatch", "string_unicode"})
"""Kinds of faults of a text as a whole: which of its characters it is about, pydantic does not say."""


_OUR_SHAPE_CODES: Final = frozenset(
    {
        "blank",
        "control_character",
        "counted_or_delta",
        "duplicate_uom",
        "ends_too_early",
        "forbidden_character",
        "malformed_date",
        "malformed_quantity",
        "malformed_time",
        "no_condition",
        "nothing_arrived",
        "repeated_parameter",
        "reserved_word",
        "scope_or_source",
        "start_at",
        "added_off",
        "unknown_parameter",
        "wrong_check_digit",
    }
)


log = structlog.get_logger(__name__)


class ProblemFault(BaseModel):
    """One thing that is wrong, and where: an RFC 6901 pointer into the body, empty where it is about all of it.

    Of the address, the pointer begins with `/query` or `/path`, and `parameter` has the name alone.
    """

    pointer: str
    code: str
    detail: str
    parameter: Annotated[str | None, Field(description="The name alone, where it is about the address")] = None


class Problem(BaseModel):
    """A refusal or a failure, as RFC 9457 has it."""

    type: str = Field(examples=["/problems/unknown-sku"])
    title: str = Field(examples=["Unknown SKU"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["Line 2: MUG-XL is not in the catalog."])
    instance: str = Field(examples=["/api/orders/outbound"])
    errors: list[ProblemFault] = []
    request_id: str


class TooManyRequestsError(Rejected):
    """Whoever asks has asked too often; he may again after so many seconds."""

    def __init__(self, retry_after_s: int) -> None:
        detail = f"Too many requests. Try again after {retry_after_s} s."
        super().__init__("too_many_requests", detail, kind=Kind.TOO_MANY)
        self.retry_after_s = retry_after_s


def title_of(code: str) -> str:
    """Write a code as a title."""
    first, *rest = (_SPELLED.get(word, word) for word in code.split("_"))
    return " ".join([first[:1].upper() + first[1:], *rest])


# -- rendering -------------------------------------------------------------------------------------------------------


def document(code: str, status: int, detail: str, faults: Iterable[Mapping[str, str]] = ()) -> dict[str, Any]:
    """Write a problem down, without the request that it is about. What is refused with 422 has a fault, always."""
    told = list(faults)[:MOST_FAULTS]
    if status == HTTPStatus.UNPROCESSABLE_ENTITY and not told:
        told = [Fault("", code, detail).as_json()]
    return {
        "type": f"/problems/{code.replace('_', '-')}",
        "title": title_of(code),
        "status": int(status),
        "detail": detail,
        "errors": [{**fault, **_parameter(fault["pointer"])} for fault in told],
    }


def _parameter(at: str) -> dict[str, str]:
    """Name the parameter that a pointer is about, if it is about the address: no body has these fields."""
    _, where, *name = at.split("/", 2) if at else ("", "")
    return {"parameter": unescaped(name[0])} if where in _ADDRESS and name else {}


def document_of(refused: Rejected) -> dict[str, Any]:
    """Write down the refusal of a command."""
    faults = [fault.as_json() for fault in refused.faults]
    return document(refused.code, STATUS_OF[refused.kind], refused.detail, faults)


def problem(
    request: Request,
    code: str,
    status: int,
    detail: str,
    faults: Iterable[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer with a problem."""
    body = document(code, status, detail, [fault.as_json() for fault in faults])
    body |= {"instance": request.url.path, "request_id": request_id_of(request)}
    # ASCII only: what is quoted from a bad request may hold half a character.
    content = json.dumps(body, ensure_ascii=True).encode()
    return Response(content, status, {**_headers_of(status), **(headers or {})}, "application/problem+json")


def _headers_of(status: int) -> dict[str, str]:
    if status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": "Bearer"}
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        return {"Retry-After": str(RETRY_AFTER_S)}
    return {}


def request_id_of(request: Request) -> str:
    """Return the id that the request goes by in logs and answers."""
    return cast("str", request.scope.get("state", {}).get("request_id", ""))


def of_error(request: Request, error: Exception) -> Response:
    """Answer with what an error is to the caller. Only our own bugs and surprises are logged with their traceback."""
    if isinstance(error, Rejected):
        again = {"Retry-After": str(error.retry_after_s)} if isinstance(error, TooManyRequestsError) else {}
        return problem(request, error.code, STATUS_OF[error.kind], error.detail, error.faults, again)
    if isinstance(error, ClientDisconnect):
        return problem(request, "malformed", HTTPStatus.BAD_REQUEST, "The body ended too early.")
    if isinstance(error, Unavailable | OutcomeUnknown) or outage_of(error):
        log.warning("http.unavailable", error=str(error))
        return _unavailable(request, error)
    log.error("http.failed", exc_info=error)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return problem(request, "internal_error", status, "Something went wrong here; the log has it under the request id.")


def _unavailable(request: Request, error: Exception) -> Response:
    """Say why it can't be done now, where the words are ours, and when to ask again."""
    words, retry_after_s = "Something that this needs can't be reached.", RETRY_AFTER_S
    if isinstance(error, Unavailable):
        words, retry_after_s = str(error) if error.ours else words, error.retry_after_s
    elif outage := outage_of(error):
        words, retry_after_s = outage.words, outage.retry_after_s
    headers = {"Retry-After": str(retry_after_s)}
    detail = f"{words} Try again."
    return problem(request, "unavailable", HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=headers)


# -- handlers --------------------------------------------------------------------------------------------------------


def install(app: FastAPI) -> None:
    """Let the application answer with problems only."""
    app.add_exception_handler(StockbridgeError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)


async def _on_error(request: Request, error: Exception) -> Response:
    return of_error(request, error)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code, detail = _OF_STATUS.get(HTTPStatus(error.status_code), ("refused", str(error.detail)))
    return problem(request, code, error.status_code, detail, headers=error.headers)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [_fault_of(details) for details in error.errors()]
    if any(fault.pointer == "" for fault in faults):
        return problem(request, "malformed", HTTPStatus.BAD_REQUEST, "The body must be a JSON document.")
    refused = refusal(faults)
    return problem(request, refused.code, STATUS_OF[refused.kind], refused.detail, faults)


def _fault_of(details: Mapping[str, Any]) -> Fault:
    where, *path = details["loc"]
    at = pointer(path if where == "body" else (where, *path))
    return Fault(at, code_of(details["type"]), words_of(details, details.get("input")))


def code_of(kind: str) -> str:
    """Return our code for a kind of fault that pydantic found."""
    return kind if kind in _OUR_SHAPE_CODES else _OF_SHAPE.get(kind, "invalid")


def words_of(details: Mapping[str, Any], told: object) -> str:
    """Return pydantic's words for a fault of what was told, as the end of a sentence."""
    words = str(details["msg"]).removeprefix("Value error, ")
    if details["type"] in _OF_CHARACTERS and (odd := _first_odd(told)):
        return f"must not hold {named(odd)}"
    return {"missing": "is missing", "extra_forbidden": "is not a field of this request"}.get(details["type"], words)


def unescaped(part: str) -> str:
    """Read a part of a pointer."""
    return part.replace("~1", "/").replace("~0", "~")


def _first_odd(told: object) -> str | None:
    """Return the first character of a text that no key has, if there is one."""
    return next((each for each in told if not "!" <= each <= "~"), None) if isinstance(told, str) else None
