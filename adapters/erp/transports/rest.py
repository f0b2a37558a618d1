"""REST: what is said to an ERP in a request, mostly in JSON, and what its answer says. It calls nobody."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Final, Literal

from adapters.erp.language.values import MISSING, NotJson, Result, Value, plain, to_json
from adapters.erp.transports.http import UNSENDABLE, Heard, Request
from adapters.erp.transports.spoken import JSON, Spoken, ascii_json, is_json, json_of, said, text_of
from adapters.erp.transports.value_codecs import Codec, encode
from domain.errors import Rejected

Lists = Literal["repeat", "comma"]

_UTF_8: Final = "utf-8"


def write(
    method: str,
    path: str,
    *,
    query: Mapping[str, Result],
    headers: Mapping[str, str],
    send: Result,
    changes: bool,
    codec: Codec = "plain",
    lists: Lists = "repeat",
    encoding: str = _UTF_8,
) -> Request:
    """Write a request. `path` is percent-encoded already; what is to be sent is JSON, unless it is missing.

    What is missing or null in the query is left out; a list there is a parameter repeated, or one with commas.
    """
    pairs = tuple(_query(query, lists))
    accept = {"Accept": JSON}
    if send is MISSING:
        return Request(method, path, pairs, accept | dict(headers), b"", changes)
    content_type = JSON if encoding == _UTF_8 else f"{JSON}; charset={encoding}"
    content = ascii_json(to_json(encode(send, codec))) if encoding != _UTF_8 else to_json(encode(send, codec))
    return Request(method, path, pairs, accept | {"Content-Type": content_type} | dict(headers), content, changes)


def read(
    heard: Heard,
    *,
    media: Collection[str] = (JSON,),
    codec: Codec = "plain",
    encoding: str = _UTF_8,
) -> Spoken:
    """Tell what an answer is. It is one if its status says so, and it is what it says it is, or empty.

    `media` are the types that the door expects, in lower case. What isn't JSON is taken as text.
    """
    excerpt = said(heard, encoding)
    if HTTPStatus.OK <= heard.status < HTTPStatus.MULTIPLE_CHOICES:
        return _answer(heard, media, codec, encoding, excerpt)
    kind: Literal["fault", "other"] = "fault" if heard.status >= HTTPStatus.BAD_REQUEST else "other"
    return Spoken(kind, heard.status, _whatever(heard, codec, encoding, excerpt), excerpt, heard.media_type)


def _answer(heard: Heard, media: Collection[str], codec: Codec, encoding: str, excerpt: str) -> Spoken:
    other = Spoken("other", heard.status, excerpt, excerpt, heard.media_type)
    try:
        if not heard.content.strip():
            body: Value = None
        elif not _is_expected(heard.media_type, media):
            return other
        else:
            body = json_of(heard, codec, encoding) if is_json(heard.media_type) else text_of(heard, encoding)
    except NotJson:
        return other
    return Spoken("answer", heard.status, body, excerpt, heard.media_type)


def _whatever(heard: Heard, codec: Codec, encoding: str, excerpt: str) -> Value:
    """Read a fault as JSON if it is that: some ERPs don't say so when they fail."""
    try:
        return json_of(heard, codec, encoding)
    except NotJson:
        return excerpt


def _is_expected(media_type: str, media: Collection[str]) -> bool:
    return media_type in media or (JSON in media and is_json(media_type))


def _query(query: Mapping[str, Result], lists: Lists) -> Iterator[tuple[str, str]]:
    for name, value in query.items():
        texts = [_text(name, item) for item in (value if isinstance(value, list) else [value]) if _is_said(item)]
        if lists == "comma" and texts:
            texts = [",".join(texts)]
        yield from ((name, text) for text in texts)


def _is_said(value: Result) -> bool:
    return value is not MISSING and value is not None


def _text(name: str, value: Result) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise Rejected(UNSENDABLE, f"The parameter {name} of a query is neither text nor a list of texts")
