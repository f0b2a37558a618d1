"""HTTP to one address of an ERP: what is said there, and nowhere else. It knows no documents."""

from __future__ import annotations

import math
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode

import httpx

from adapters.egress import Egress, Forbidden, check_url
from adapters.ending import Endings
from adapters.erp.transports.certificates import Certificate, trust
from adapters.erp.transports.pacing import AtOnce, Clock, Pace, Patience
from adapters.guarded import guarded_transport
from adapters.wire import Answer, options, read_blocking, unheard_answers
from domain.errors import Rejected, Unavailable

Query = tuple[tuple[str, str], ...]

UNSENDABLE: Final = "erp_contract"

MAX_BYTES: Final = 32 * 1024 * 1024
_LONGEST_PAUSE_S: Final = 3600
_LONGEST_LINK: Final = 8000
_MOST_PARAMETERS: Final = 200

_METHOD: Final = re.compile(r"GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|MERGE")
_PATH: Final = re.compile(r"(/([A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?")
_PATH_SAFE: Final = "/%!$&'()*+,;=:@"
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,200}")
_TEXT: Final = re.compile(r"[\t\x20-\x7e]*")
_NOT_IN_ADDRESSES: Final = re.compile(r"[\x00-\x20\x7f\\]")
_OURS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""The headers that say where a request goes, where it ends, and how its answer comes."""

_TLS_ALERTS: Final = re.compile(
    r"ALERT_(BAD|NO|UNSUPPORTED)_CERTIFICATE|ALERT_CERTIFICATE|ALERT_UNKNOWN_CA|ALERT_ACCESS"
)


@dataclass(frozen=True)
class Request:
    """What is said to an ERP, and whether it `changes` anything there.

    `path` goes after the door's address, and is percent-encoded already; the query isn't.
    """

    method: str
    path: str
    query: Query
    headers: Mapping[str, str]
    content: bytes
    changes: bool


@dataclass(frozen=True)
class Heard:
    """What an ERP answered, whole. The media type and the names of headers are in lower case.

    `retry_after_s` is how long it wants to hear nothing, an hour at most, where it is busy and says so.
    """

    status: int
    media_type: str
    charset: str | None
    headers: Mapping[str, str]
    content: bytes
    retry_after_s: int | None = None


class Origin:
    """One address of one connection, and the pool of its own. Threads may share one; `close` when done.

    An address that isn't to be called is `Rejected` with code `egress_refused`, at once where it says so itself, else
    when it is looked up. `ca` is an authority's certificate (PEM), which then is the only one trusted. `at_once` and
    `per_second` limit the calls. `system` is what errors call the ERP, as in "The ERP".
    """

    def __init__(
        self,
        address: str,
        egress: Egress,
        *,
        timeout_s: float,
        system: str,
        ca: str | None = None,
        certificate: Certificate | None = None,
        proxy: str | None = None,
        at_once: int | None = None,
        per_second: float | None = None,
        max_bytes: int = MAX_BYTES,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base = _address(address)
        self._path = self._base.raw_path.partition(b"?")[0].decode("ascii").rstrip("/")
        self._query = self._base.query.decode("ascii")
        self._system = system
        self._max_s = 2 * timeout_s
        self._max_bytes = max_bytes
        self._at_once = AtOnce(at_once, timeout_s, system) if at_once else None
        self._pace = Pace(per_second, timeout_s, system, clock, sleep) if per_second else None
        self._patience = Patience(system, clock)
        self._endings = Endings()
        made_with = options(timeout_s)
        made_with["verify"] = trust(ca, certificate)
        transport = guarded_transport(
            egress, verify=made_with["verify"], limits=made_with["limits"], proxy=proxy, over=self._endings.over
        )
        self._http = httpx.Client(transport=transport, trust_env=False, **made_with)

    def send(self, request: Request) -> Heard:
        """Say something; whatever the status, and a redirect too, is an answer.

        Raises `Rejected` with code `erp_contract` where it can't be said as it is, and `egress_refused` where the ERP
        isn't to be called; `Unavailable` where nothing was sent or changed; `OutcomeUnknown` where it may have been.
        """
        written = self._written(request)
        with ExitStack() as turn:
            self._await_turn(turn)
            with unheard_answers(self._system, changes=request.changes), _plain_tls(self._system):
                heard = _heard(self._exchange(written))
        if heard.retry_after_s:
            self._patience.leave_alone(heard.retry_after_s)
        return heard

    def join(self, link: str, at: str = "") -> tuple[str, Query]:
        """Return path and query of a link that the ERP named in its answer to what was sent to the path `at`.

        `Rejected` with code `egress_refused` where it leads away from the address: to another scheme, host or port, or
        out of its path.
        """
        if len(link) > _LONGEST_LINK or _NOT_IN_ADDRESSES.search(link):
            raise Forbidden(f"{self._system} named a link that is none")
        url = _parsed(link, self._base.copy_with(raw_path=(self._path + (at or "/")).encode("ascii")))
        check_url(url)
        path, _, query = url.raw_path.decode("ascii").partition("?")
        inside = path == self._path or path.startswith(self._path + "/")
        if _origin(url) != _origin(self._base) or not inside:
            away = f"{url.scheme}://{url.netloc.decode('ascii')}"
            raise Forbidden(f"{self._system} named a link to {away}, which is away from its address")
        ours = _pairs(self._query)
        rest = quote(path.removeprefix(self._path), safe=_PATH_SAFE)
        return rest, tuple(pair for pair in _pairs(query) if pair not in ours)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _await_turn(self, turn: ExitStack) -> None:
        """Wait as long as is fair, and not at all for an ERP that doesn't answer."""
        self._patience.check()
        if self._at_once:
            turn.enter_context(self._at_once.one())
        if self._pace:
            self._pace.keep()

    def _exchange(self, written: httpx.Request) -> Answer:
        with self._patience.call(), self._endings.within(self._max_s):
            response = self._http.send(written, stream=True)
            try:
                return read_blocking(response, self._max_bytes)
            finally:
                response.close()

    def _written(self, request: Request) -> httpx.Request:
        _check(request)
        query = "&".join(filter(None, (self._query, urlencode(request.query, quote_via=quote, safe=""))))
        target = (self._path + request.path or "/") + (f"?{query}" if query else "")
        url = self._base.copy_with(raw_path=target.encode("ascii"))
        return self._http.build_request(request.method, url, headers=request.headers, content=request.content)


def _address(text: str) -> httpx.URL:
    """Read a door's address. Its query, if it has one, goes with every request."""
    if _NOT_IN_ADDRESSES.search(text) or "#" in text:
        raise Forbidden("An address is http://host/path or https://host/path, without a user and without a fragment")
    url = _parsed(text)
    check_url(url)
    return url


def _parsed(text: str, base: httpx.URL | None = None) -> httpx.URL:
    try:
        return base.join(text) if base else httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise Forbidden("An address can't be read") from None


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise Forbidden("A link's query can't be read") from None


def _origin(url: httpx.URL) -> tuple[str, bytes, int]:
    return url.scheme, url.raw_host.lower(), url.port or {"http": 80, "https": 443}[url.scheme]


def _check(request: Request) -> None:
    """Refuse what would be understood otherwise than it is meant, for it would end early, or go elsewhere."""
    if not _METHOD.fullmatch(request.method):
        raise Rejected(UNSENDABLE, "A request's method is none of those that an ERP is called with")
    steps = re.split(r"[/\\]", unquote(request.path))
    if not _PATH.fullmatch(request.path) or "." in steps or ".." in steps:
        raise Rejected(UNSENDABLE, "A request's path isn't encoded, or has steps up in it")
    for name, value in request.headers.items():
        if not _NAME.fullmatch(name) or name.lower() in _OURS:
            raise Rejected(UNSENDABLE, "A request has a header that it can't have")
        if not _TEXT.fullmatch(value):
            raise Rejected(UNSENDABLE, f"The header {name} has an end of a line, or a letter that headers don't have")
    if any("\ud800" <= letter <= "\udfff" for pair in request.query for text in pair for letter in text):
        raise Rejected(UNSENDABLE, "A request's query has half a character in it")


def _heard(answer: Answer) -> Heard:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    media_type, charset = _content_type(headers.get("content-type", ""))
    return Heard(
        answer.status, media_type, charset, headers, bytes(answer.body), _retry_after_s(answer.status, headers)
    )


def _content_type(text: str) -> tuple[str, str | None]:
    media_type, *parameters = (part.strip() for part in text.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return media_type.lower(), value.strip().strip("\"'").lower() or None
    return media_type.lower(), None


def _retry_after_s(status: int, headers: Mapping[str, str]) -> int | None:
    """Return how long an ERP that is busy wants to be left alone."""
    if status not in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        return None
    text = headers.get("retry-after", "").strip()[:40]
    seconds = float(text) if text.isascii() and text.isdigit() else _until(text)
    return min(math.ceil(seconds), _LONGEST_PAUSE_S) if seconds > 0 else None


def _until(date: str) -> float:
    try:
        then = parsedate_to_datetime(date)
    except ValueError:
        return 0
    return ((then if then.tzinfo else then.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()


@contextmanager
def _plain_tls(system: str) -> Iterator[None]:
    """Say in plain words what keeps us from TLS: whoever connects an ERP reads them, and nothing was done there."""
    try:
        yield
    except httpx.NetworkError as error:
        words = _tls_words(error)
        if words:
            raise Unavailable(f"{system} can't be reached: {words}") from None
        raise


def _tls_words(error: httpx.NetworkError) -> str | None:
    cause = error.__cause__.__context__ if error.__cause__ else None
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {cause.verify_message}"
    if not isinstance(cause, ssl.SSLError):
        return None
    if _TLS_ALERTS.search(cause.reason or ""):  # with TLS 1.3 it comes when the request is on its way
        return "it doesn't accept our certificate, or asks for one"
    return f"no TLS can be agreed on: {cause.reason}" if isinstance(error, httpx.ConnectError) else None
