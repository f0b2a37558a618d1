"""A carrier's label as it is handed out: of a type that only shows something, whatever the carrier says that it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response


@dataclass(frozen=True)
class _Kind:
    """A kind of document: what its file is called, and whether a browser may show it in place."""

    name: str
    shown: bool = False


_UNKNOWN_TYPE: Final = "application/octet-stream"
_KINDS: Final = {
    "application/pdf": _Kind("label.pdf", shown=True),
    "image/png": _Kind("label.png", shown=True),
    "application/zpl": _Kind("label.zpl"),
    _UNKNOWN_TYPE: _Kind("label.bin"),
}
"""SVG and HTML are none of them: they would run as our own pages."""

LABEL: Final[dict[str, Any]] = {
    "description": "The carrier's own document; of a type that is not known, as bytes to be saved",
    "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in _KINDS},
    "headers": {
        "Content-Disposition": {"description": "With a file name of ours", "schema": {"type": "string"}},
    },
}
"""How a label is described."""


def handed_out(content: bytes, told: str) -> Response:
    """Return a label as a document of the type that the carrier told, if that is one that only shows something."""
    told = told.partition(";")[0].strip().lower()
    media_type = told if told in _KINDS else _UNKNOWN_TYPE
    kind = _KINDS[media_type]
    disposition = "inline" if kind.shown else "attachment"
    headers = {"Content-Disposition": f'{disposition}; filename="{kind.name}"'}
    return Response(content, media_type=media_type, headers=headers)
