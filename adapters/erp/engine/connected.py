"""A connection to an ERP: the mapping that it speaks by, and what is its own of settings and secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from adapters.egress import Egress
from adapters.erp.contracts.bundle import Bundle
from adapters.erp.language.budget import CannotSay
from adapters.erp.language.functions import Tables
from adapters.erp.language.values import Value
from adapters.erp.mapping.file import Loaded, SettingKind
from adapters.erp.transports.certificates import Certificate
from domain.errors import Fault, Rejected

SYSTEM: Final = "The ERP"
"""What errors call it: whose it is, the order says."""


@dataclass(frozen=True)
class ConnectedErp:
    """What a connection says of an ERP. `tables` has rows that stand before the mapping's own.

    `timeout_s`, `at_once` and `per_second` stand before what the mapping says of its doors.
    """

    mapping: Loaded
    bundle: Bundle
    settings: Mapping[str, str]
    secrets: Mapping[str, SecretStr] = field(repr=False)
    egress: Egress
    tables: Tables = field(default_factory=dict)
    timeout_s: float | None = None
    at_once: int | None = None
    per_second: float | None = None
    ca: str | None = None
    certificate: Certificate | None = field(default=None, repr=False)
    proxy: str | None = None

    def all_tables(self) -> Tables:
        """Return the mapping's tables, with the connection's rows."""
        own = self.mapping.file.tables
        return {name: {**rows, **self.tables.get(name, {})} for name, rows in own.items()}

    def public(self) -> Mapping[str, Value]:
        """Return the settings that are no secrets, as expressions have them. `Rejected` names each that is wrong.

        Another one, such as a secret, has no answer: nothing is said without what the mapping wants to say.
        """
        kinds = self.mapping.file.settings
        faults = [*self._missing(), *self._unknown()]
        values: dict[str, Value] = {}
        for name, text in self.settings.items():
            if kinds.get(name, "secret") == "secret":
                continue
            try:
                values[name] = _READ[kinds[name]](text)
            except (ValueError, KeyError) as error:
                faults.append(Fault(f"/settings/{name}", "malformed", str(error)))
        if faults:
            detail = f"The settings don't fit the mapping {self.mapping.file.erp}."
            raise Rejected("connection_settings", detail, sorted(faults, key=lambda fault: fault.pointer))
        return _Settings(values)

    def whole(self) -> Mapping[str, Value]:
        """Return all settings, secrets too: for a door's own parts, and nothing else."""
        secrets = {name: secret.get_secret_value() for name, secret in self.secrets.items()}
        return _Settings({**self.public(), **secrets})

    def _missing(self) -> list[Fault]:
        return [
            Fault(f"/{_part(kind)}/{name}", "missing", f"The mapping needs {name}, a {kind}.")
            for name, kind in self.mapping.file.settings.items()
            if name not in (self.secrets if kind == "secret" else self.settings)
        ]

    def _unknown(self) -> list[Fault]:
        kinds = self.mapping.file.settings
        odd = [f"/settings/{name}" for name in self.settings if kinds.get(name, "secret") == "secret"]
        odd += [f"/secrets/{name}" for name in self.secrets if kinds.get(name) != "secret"]
        why = f"The mapping {self.mapping.file.erp} has none of that name."
        return [Fault(pointer, "unknown", why) for pointer in odd]


class _Settings(Mapping[str, Value]):
    """Settings of which none is asked that isn't there."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Value:
        if name not in self._values:
            raise CannotSay(f"there is no setting `{name}` here: a secret is for its door alone")
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _part(kind: SettingKind) -> str:
    return "secrets" if kind == "secret" else "settings"


def _text(text: str) -> Value:
    if not text.strip():
        raise ValueError("it is empty")
    return text


def _url(text: str) -> Value:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("it is no address such as https://erp.example.org")
    return text.rstrip("/")


def _whole(text: str) -> Value:
    return Decimal(int(text))


def time_zone(text: str) -> str:
    """Return a time zone's name. Raises `ValueError` where there is none of that name."""
    try:
        return ZoneInfo(text).key
    except (KeyError, ValueError, OSError):
        raise ValueError("it is no time zone such as Europe/Berlin") from None


_READ: Final[Mapping[SettingKind, Callable[[str], Value]]] = {
    "text": _text,
    "url": _url,
    "whole": _whole,
    "time_zone": time_zone,
}
