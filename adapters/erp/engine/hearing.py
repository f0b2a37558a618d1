"""What an ERP's own calls say: who they are from is proved first, and then what they are about."""

from __future__ import annotations

import hmac
import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from adapters.erp.engine.connected import ConnectedErp
from adapters.erp.engine.mapped import mapped
from adapters.erp.language.budget import CannotSay
from adapters.erp.language.evaluating import Scope
from adapters.erp.language.leaves import says_yes
from adapters.erp.language.values import MISSING, NotJson, Value, from_json, is_there, to_json
from adapters.erp.mapping.inbound import Push, Signed
from adapters.erp.port import Hint, InboundKind
from adapters.wire import Unreadable, check_parts, storable_json
from domain.errors import Kind, Rejected

_JSON: Final = "application/json"
_MARKS: Final = (b"{", b"[", b",")
_MOST_PARTS: Final = 100_000
_LONGEST_ID: Final = 200
_SECONDS: Final = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True)
class Heard:
    """An ERP's call as it came in. The names of headers are in lower case."""

    headers: Mapping[str, str]
    body: bytes
    secret_in_path: str | None


class Ears:
    """Takes an ERP's calls as its mapping says."""

    def __init__(self, erp: ConnectedErp) -> None:
        """Make ready. `Rejected` where what the ERP wants to hear can't be said."""
        kinds = erp.mapping.file.inbound.kinds()
        self._pushes: Mapping[InboundKind, Push] = {kind: how.push for kind, how in kinds if how.push is not None}
        self._names = Scope({"settings": erp.public()}, erp.all_tables())
        self._keys = {
            kind: _Key(push, erp.secrets[push.secret].get_secret_value(), _user(push, self._names))
            for kind, push in self._pushes.items()
            if push.secret in erp.secrets
        }
        self._answer = next((_answer(push, self._names) for push in self._pushes.values() if push.answer), None)

    def heard(
        self, headers: Mapping[str, str], body: bytes, secret_in_path: str | None, *, now: datetime
    ) -> Hint | None:
        """Return what a call hints at, as `ErpSource.heard` does."""
        return self.hint(self.admit(headers, body, secret_in_path, now=now), body)

    def admit(
        self, headers: Mapping[str, str], body: bytes, secret_in_path: str | None, *, now: datetime
    ) -> tuple[InboundKind, ...]:
        """Return the kinds of documents that a call may be about, going by what it proves: nothing in it is read.

        `Rejected` as unproven where that is none.
        """
        call = Heard({name.lower(): value for name, value in headers.items()}, body, secret_in_path)
        proven = [(kind, key.fits(call, now)) for kind, key in self._keys.items()]  # each, however the others end
        kinds = tuple(kind for kind, fits in proven if fits)
        if not kinds:
            raise Rejected("unauthorized", "The call doesn't prove that it is the ERP's.", kind=Kind.UNPROVEN)
        return kinds

    def hint(self, kinds: Collection[InboundKind], body: bytes) -> Hint | None:
        """Return what a call that was let in for these kinds is about, None where that is nothing that comes in."""
        scope = Scope({**self._names.names, "body": _read(body)}, self._names.tables)
        for kind in kinds:
            push = self._pushes[kind]
            with mapped():
                if says_yes(push.when, scope):
                    return Hint(kind, _their_id(push, scope), push.settle_s)
        return None

    def answer(self) -> tuple[str, bytes] | None:
        """Return what the ERP wants to hear when its call was taken, as `ErpSource.answer` does."""
        return self._answer


@dataclass(frozen=True)
class _Key:
    """What lets a call in. Comparing takes as long for a near miss as for a far one; a blank secret fits nothing."""

    push: Push
    secret: str
    user: str | None

    def fits(self, call: Heard, now: datetime) -> bool:
        named = call.headers.get((self.push.header or "").lower(), "")
        match self.push.secret_in:
            case "path":
                fits = _same(call.secret_in_path or "", self.secret)
            case "header":
                fits = _same(named, self.secret)
            case "basic":
                fits = self._fits_basic(call.headers.get("authorization", ""))
            case "hmac":
                fits = self._is_signed(call, named, self.push.signed or Signed(), now)
        return fits and is_there(self.secret)

    def _fits_basic(self, header: str) -> bool:
        scheme, _, coded = header.partition(" ")
        try:
            user, _, password = b64decode(coded.strip(), validate=True).decode().partition(":")
        except (NotBase64, ValueError):
            return False
        is_user = self.user is None or _same(user, self.user)
        is_secret = _same(password, self.secret)
        return scheme.lower() == "basic" and is_user and is_secret

    def _is_signed(self, call: Heard, header: str, how: Signed, now: datetime) -> bool:
        timestamp = "" if how.timestamp is None else call.headers.get(how.timestamp.lower(), "").strip()
        before = "" if how.timestamp is None else timestamp + how.between
        made = hmac.new(self.secret.encode(), before.encode(errors="replace") + call.body, how.algorithm).digest()
        written = made.hex() if how.written == "hex" else b64encode(made).decode()
        said = header.strip().removeprefix(how.prefix)
        is_over = _same(said.lower() if how.written == "hex" else said, written)
        return is_over and (how.timestamp is None or _is_fresh(timestamp, now, how.window_s))


def _is_fresh(timestamp: str, now: datetime, window_s: int) -> bool:
    return bool(_SECONDS.fullmatch(timestamp)) and abs(now.timestamp() - int(timestamp)) <= window_s


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), secret.encode(errors="replace"))


def _user(push: Push, names: Scope) -> str | None:
    with mapped():
        return None if push.user is None else push.user.text(names, str)


def _answer(push: Push, names: Scope) -> tuple[str, bytes]:
    assert push.answer is not None
    with mapped():
        said = push.answer.render(names)
        if push.media != _JSON and not isinstance(said, str):
            raise CannotSay(f"an answer of type {push.media} is a text", None, push.answer.pointer)
    if push.media != _JSON:
        assert isinstance(said, str)
        return push.media, said.encode()
    return push.media, b"" if said is MISSING else to_json(said)


def _their_id(push: Push, scope: Scope) -> str:
    their_id = push.id.text(scope, str)
    if not is_there(their_id) or len(their_id) > _LONGEST_ID:
        raise CannotSay(f"an id is 1 to {_LONGEST_ID} characters", None, push.id.pointer)
    return their_id


def _read(body: bytes) -> Value:
    try:
        check_parts(body, _MARKS, _MOST_PARTS)
        return from_json(bytes(storable_json(body)))
    except (NotJson, Unreadable) as error:
        raise Rejected("erp_call_unreadable", f"The ERP's call can't be read: {error}.", kind=Kind.MALFORMED) from None
