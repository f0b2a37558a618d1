"""JSON-RPC: a method and its parameters in a POST, and a result or an error in what comes back. It calls nobody."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Final, Literal

from adapters.erp.language.values import NotJson, Value, to_json
from adapters.erp.transports.http import Heard, Request
from adapters.erp.transports.spoken import JSON, Spoken, is_json, json_of, said
from adapters.erp.transports.value_codecs import Codec, encode

_UTF_8: Final = "utf-8"


def write(
    path: str,
    method: str,
    params: Value,
    *,
    id: int,
    headers: Mapping[str, str],
    changes: bool,
    codec: Codec = "plain",
) -> Request:
    """Write a call. Its `id` is to come back with the answer."""
    call: Value = {"jsonrpc": "2.0", "id": Decimal(id), "method": method, "params": encode(params, codec)}
    spoken = {"Accept": JSON, "Content-Type": JSON}
    return Request("POST", path, (), spoken | dict(headers), to_json(call), changes)


def read(heard: Heard, *, id: int, codec: Codec = "plain") -> Spoken:
    """Tell what came back: an answer is the call's result, a fault is its error, whatever the status of HTTP."""
    excerpt = said(heard, _UTF_8)
    try:
        body = json_of(heard, codec, _UTF_8)
    except NotJson:
        body = excerpt
    kind, what = _told(body if is_json(heard.media_type) else None, id)
    if kind == "other" or (kind == "answer" and heard.status >= HTTPStatus.MULTIPLE_CHOICES):
        kind, what = "fault" if heard.status >= HTTPStatus.BAD_REQUEST else "other", body
    return Spoken(kind, heard.status, what, excerpt, heard.media_type)


def _told(body: Value, id: int) -> tuple[Literal["answer", "fault", "other"], Value]:
    """Read the envelope. An error may have no id, where the call could not be read."""
    if not isinstance(body, Mapping):
        return "other", None
    theirs = body.get("id")
    is_ours = isinstance(theirs, Decimal) and theirs == id
    error = body.get("error")
    if error is not None:
        return ("fault" if is_ours or theirs is None else "other"), error
    return ("answer", body["result"]) if "result" in body and is_ours else ("other", None)
