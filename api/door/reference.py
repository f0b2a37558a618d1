"""The reference at `/docs`: Swagger UI, all of it from here. Keys are typed into it: no other server has a part in it.

The assets come with the package `fastapi-offline`; the page and what starts it are ours, since the package's have a
script inside, which the page's policy forbids.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Annotated, Final

from fastapi import APIRouter, Path
from starlette.responses import HTMLResponse, Response

from domain.refusals import not_found

router = APIRouter(prefix="/docs", include_in_schema=False)

_ASSETS: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
_POLICY: Final = {"Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"}

_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>Stockbridge</title>
  <link rel="icon" href="/docs/favicon.png">
  <link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
  <div id="reference"></div>
  <script src="/docs/swagger-ui-bundle.js"></script>
  <script src="/docs/start.js"></script>
</body>
</html>
"""

# A validator that is named would be sent the document; without one, Swagger UI asks one of its own.
_START: Final = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  validatorUrl: null,
});
"""


@router.get("")
async def page() -> HTMLResponse:
    """Return the page."""
    return HTMLResponse(_PAGE, headers=_POLICY)


@router.get("/start.js")
async def start() -> Response:
    """Return what starts the page."""
    return Response(_START, media_type="text/javascript")


@router.get("/{asset}")
async def asset(asset: Annotated[str, Path()]) -> Response:
    """Return a part of Swagger UI."""
    if asset not in _ASSETS:
        raise not_found(f"part of the reference {asset}")
    return Response(_read(asset), media_type=_ASSETS[asset])


@cache
def _read(name: str) -> bytes:
    return (files("fastapi_offline") / "static" / name).read_bytes()
