"""Doors, opened: what a call says is written as its protocol has it, sent, and read."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Generic, TypeVar
from urllib.parse import quote, unquote

from adapters.erp.contracts.bundle import NotBundled, UnusableContract
from adapters.erp.contracts.wsdl import SoapContract, soap_contract
from adapters.erp.engine.connected import SYSTEM, ConnectedErp
from adapters.erp.engine.mapped import mapped
from adapters.erp.language.evaluating import Budget, Scope
from adapters.erp.language.expressions import paths
from adapters.erp.language.leaves import Leaf
from adapters.erp.language.trees import Tree
from adapters.erp.language.values import MISSING, Result, Value, present
from adapters.erp.mapping.calls import Saying
from adapters.erp.mapping.doors import Door, JsonRpcDoor, RestDoor, SoapDoor
from adapters.erp.transports import json_rpc, rest, soap
from adapters.erp.transports.http import Heard, Origin, Query, Request
from adapters.erp.transports.spoken import Spoken
from domain.characters import for_xml
from domain.errors import Rejected

D = TypeVar("D", bound=RestDoor | JsonRpcDoor | SoapDoor)
N = TypeVar("N", int, float)
Session = Mapping[str, Result]
_SESSION: Final = "session"
_UTF_8: Final = "utf-8"
_LONGEST_DECLARATION: Final = 200
_SAYS_ITS_ENCODING: Final = re.compile(rb"\s*<\?xml[^>]*?\sencoding\s*=")


class OpenDoor(ABC, Generic[D]):
    """A door of one connection. Threads may share it; `close` when done."""

    def __init__(self, erp: ConnectedErp, door: D) -> None:
        self.door = door
        self._settings = erp.whole()
        self._secrets = [secret.get_secret_value() for secret in erp.secrets.values()]
        self._tables = erp.all_tables()
        with mapped():
            address = door.address.text(Scope({"settings": erp.public()}, self._tables), lambda text: text)
        self._origin = Origin(
            address,
            erp.egress,
            timeout_s=erp.timeout_s or door.timeout_s,
            system=SYSTEM,
            ca=erp.ca,
            certificate=erp.certificate,
            proxy=erp.proxy,
            at_once=_least(erp.at_once, door.limits.at_once),
            per_second=_least(erp.per_second, door.limits.calls_per_second),
        )

    def say(self, saying: Saying, scope: Scope, session: Session | None, *, changes: bool) -> tuple[Spoken, Heard]:
        """Say something; what was heard is read, whatever it is.

        Raises `Rejected` where the mapping or its contract has no way to say it, and what `Origin.send` raises.
        """
        with mapped():
            request = self._written(saying, scope, self._own(session), changes=changes)
        heard = self._origin.send(request)
        return self._read(saying, heard), heard

    def own(self) -> Scope:
        """Return the scope of what only the door says: its log-in."""
        return self._own(None)

    def link(self, link: str, at: str, session: Session | None) -> tuple[str, Query]:
        """Return path and query of a link that the ERP named in its answer to what was sent to the path `at`.

        `Rejected` with code `egress_refused` where it leads away from the door's address, and with `erp_link` where one
        of our secrets stands in it: it would be kept for later.
        """
        path, query = self._origin.join(link, at)
        secrets = [*self._secrets, *(value for value in (session or {}).values() if isinstance(value, str))]
        texts = [unquote(path), *(text for pair in query for text in pair)]
        if any(secret.strip() and secret in text for secret in secrets for text in texts):
            raise Rejected("erp_link", f"{SYSTEM} names a link to its next page with our secret in it.")
        return path, query

    def close(self) -> None:
        """Close the connections."""
        self._origin.close()

    def _own(self, session: Session | None) -> Scope:
        """Return the scope of headers and `always`: where secrets may stand."""
        scope = Scope({"settings": self._settings}, self._tables, Budget())
        if session is not None:
            scope = scope.within(**{_SESSION: present(session)})
        for name, tree in self.door.let.items():
            scope = scope.within(**{name: tree.render(scope)})
        return scope

    def _headers(self, own: Scope) -> dict[str, str]:
        said = {
            name: text
            for name, text in self.door.headers.items()
            if not (_logs_in(self.door, own) and _of_session(text))
        }
        headers = {name: text.text(own, _as_it_is) for name, text in said.items()}
        if self.door.basic:
            user, password = (part.text(own, _as_it_is) for part in (self.door.basic.user, self.door.basic.password))
            headers["Authorization"] = f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
        return headers

    @abstractmethod
    def _written(self, saying: Saying, scope: Scope, own: Scope, *, changes: bool) -> Request: ...

    @abstractmethod
    def _read(self, saying: Saying, heard: Heard) -> Spoken: ...


class OpenRestDoor(OpenDoor[RestDoor]):
    """A door for JSON over HTTP."""

    def _written(self, saying: Saying, scope: Scope, own: Scope, *, changes: bool) -> Request:
        path = saying.path
        assert saying.verb is not None
        assert path is not None
        return rest.write(
            saying.verb.upper(),
            path.text(scope, _in_path),
            query={name: tree.render(scope) for name, tree in saying.query.items()},
            headers=self._headers(own),
            send=_rendered(saying.send, scope),
            changes=changes,
            codec=self.door.values,
            lists=self.door.lists,
            encoding=self.door.encoding,
        )

    def _read(self, _: Saying, heard: Heard) -> Spoken:
        return rest.read(heard, media=self.door.media, codec=self.door.values, encoding=self.door.encoding)


class OpenJsonRpcDoor(OpenDoor[JsonRpcDoor]):
    """A door for JSON-RPC. Parameters that are in every call come last."""

    def _written(self, saying: Saying, scope: Scope, own: Scope, *, changes: bool) -> Request:
        assert saying.method is not None
        path = self.door.path.text(own, _in_path) if self.door.path else ""
        return json_rpc.write(
            path,
            saying.method.text(scope, _as_it_is),
            self._parameters(saying, scope, own),
            id=1,
            headers=self._headers(own),
            changes=changes,
            codec=self.door.values,
        )

    def _parameters(self, saying: Saying, scope: Scope, own: Scope) -> Value:
        said = _rendered(saying.send, scope)
        always = [] if _logs_in(self.door, own) else [tree.render(own) for tree in self.door.always]
        always = [value for value in always if value is not MISSING]
        if not always:
            return [] if said is MISSING else said
        return [*(said if isinstance(said, list) else [] if said is MISSING else [said]), *always]

    def _read(self, _: Saying, heard: Heard) -> Spoken:
        return json_rpc.read(heard, id=1, codec=self.door.values)


class OpenSoapDoor(OpenDoor[SoapDoor]):
    """A door for SOAP, by its WSDL."""

    def __init__(self, erp: ConnectedErp, door: SoapDoor) -> None:
        super().__init__(erp, door)
        self._contract = _contract(erp, door)

    def _written(self, saying: Saying, scope: Scope, own: Scope, *, changes: bool) -> Request:
        assert saying.operation is not None
        always = None if _logs_in(self.door, own) else self.door.always
        said = _joined(_rendered(always, own), _in_xml(_rendered(saying.send, scope)))
        return soap.write(self._contract, saying.operation, said, self._headers(own), changes=changes)

    def _read(self, saying: Saying, heard: Heard) -> Spoken:
        assert saying.operation is not None
        return soap.read(self._contract, saying.operation, self._in_its_encoding(heard))

    def _in_its_encoding(self, heard: Heard) -> Heard:
        """Take an answer that doesn't say its encoding to be in the door's."""
        says_itself = heard.charset or _SAYS_ITS_ENCODING.match(heard.content[:_LONGEST_DECLARATION])
        return heard if says_itself or self.door.encoding == _UTF_8 else replace(heard, charset=self.door.encoding)


def open_door(erp: ConnectedErp, door: Door) -> OpenDoor[RestDoor] | OpenDoor[JsonRpcDoor] | OpenDoor[SoapDoor]:
    """Open a door. Raises `Rejected` where the connection lacks what it needs, or may not go there."""
    match door:
        case RestDoor():
            return OpenRestDoor(erp, door)
        case JsonRpcDoor():
            return OpenJsonRpcDoor(erp, door)
        case SoapDoor():
            return OpenSoapDoor(erp, door)


def _contract(erp: ConnectedErp, door: SoapDoor) -> SoapContract:
    try:
        return soap_contract(erp.bundle, door.wsdl, door.binding)
    except NotBundled as error:
        detail = f"The connection lacks a document of its ERP's contract: {error}. Add it."
        raise Rejected("connection_contract", detail) from None
    except UnusableContract as error:
        raise Rejected("connection_contract", f"The ERP's contract can't be used: {error}") from None


def _logs_in(door: Door, own: Scope) -> bool:
    """Say whether there is no session yet: then what the session is for isn't said."""
    return door.session is not None and _SESSION not in own.names


def _of_session(text: Leaf) -> bool:
    return any(path.names[0] == _SESSION for expression in text.expressions for path in paths(expression))


def _least(*limits: N | None) -> N | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _rendered(tree: Tree | None, scope: Scope) -> Result:
    return MISSING if tree is None else tree.render(scope)


def _joined(always: Result, said: Result) -> Value:
    """Put what is always said beside what a call says; where both say something, they are joined."""
    if said is MISSING:
        return {} if always is MISSING else always
    if not isinstance(always, Mapping) or not isinstance(said, Mapping):
        return said
    both = {name: _joined(value, said[name]) for name, value in always.items() if name in said}
    return {**always, **said, **both}


def _in_xml(said: Result) -> Result:
    """Mark what XML can't carry, so that no message stops those behind it."""
    return said if said is MISSING else _marked(said)


def _marked(value: Value) -> Value:
    if isinstance(value, str):
        return for_xml(value)
    if isinstance(value, Mapping):
        return {name: _marked(inner) for name, inner in value.items()}
    return [_marked(item) for item in value] if isinstance(value, list) else value


def _in_path(text: str) -> str:
    return quote(text, safe="")


def _as_it_is(text: str) -> str:
    return text
