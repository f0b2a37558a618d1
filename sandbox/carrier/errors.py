"""What the carrier says when it does not do what it was asked: one shape, `{"error": {code, message, field}}`."""

from __future__ import annotations

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse, Response


class CarrierError(Exception):
    """A request that the carrier does not serve. `field` names what is wrong in a body, by its path."""

    def __init__(
        self, status: int, code: str, message: str, *, field: str | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.retry_after_s = retry_after_s

    def response(self) -> Response:
        """Write the error as the carrier's clients know it."""
        content = {"error": {"code": self.code, "message": self.message, "field": self.field}}
        headers = None if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
        return JSONResponse(content, self.status, headers)


async def render_carrier_error(_: Request, error: Exception) -> Response:
    """Answer a `CarrierError`."""
    assert isinstance(error, CarrierError)
    return error.response()


async def render_malformed(_: Request, error: Exception) -> Response:
    """Answer a body that is not even a request: 400, where a business refusal is 422."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if part != "body")
    return CarrierError(400, "malformed", first["msg"], field=field or None).response()
