"""The adapters that a connection can name: what each must know, and how its port is made of that.

A setting that is an address is one of the adapter's doors: with another door, secrets are given again, so that nobody
has them sent elsewhere by changing an address alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import Field, SecretStr

from adapters.carriers.port import CarrierPort
from adapters.carriers.sandbox.adapter import SandboxCarrier, SandboxCarrierSettings
from adapters.egress import Egress
from adapters.erp.contracts.bundle import Bundle
from adapters.erp.engine.adapter import MappedErp
from adapters.erp.engine.connected import ConnectedErp
from adapters.erp.files import FILE, folder
from adapters.erp.mapping.file import load
from adapters.erp.port import ErpPort
from domain.commands import Shape
from domain.connections import ConnectionKind

Address = Annotated[str, Field(pattern=r"^https?://[^\s/@]+[^\s@]*$", max_length=2000)]


_ANYWHERE: Final = Egress.parse(["0.0.0.0/0", "::/0"])


@dataclass(frozen=True)
class Opened:
    """All that a port is made of, secrets open. It shows none."""

    settings: Any
    secrets: Mapping[str, SecretStr]
    timeout_s: float
    mapping: str | None = None


@dataclass(frozen=True)
class Adapter:
    """An adapter: the shape of its settings, the names of its secrets, and how its port is made and closed.

    `doors` are the addresses that it speaks to, by its settings and mapping.
    """

    name: str
    kind: ConnectionKind
    settings: type[Shape]
    secrets: frozenset[str]
    doors: Callable[[Any, str | None], frozenset[str]]
    make: Callable[[Opened], Any]
    takes_mapping: bool = False


class LegacySoapSettings(Shape):
    """Where the legacy ERP's SOAP service is (its WSDL's own address isn't used), and whom it knows us as."""

    url: Address
    user: Annotated[str, Field(min_length=1, max_length=200)]


class SandboxSettings(Shape):
    """Where the carrier's API is."""

    base_url: Address


def legacy_soap(opened: Opened) -> ErpPort:
    """Make the port of a legacy ERP."""
    settings: LegacySoapSettings = opened.settings
    where = folder("sandbox")
    return MappedErp(
        ConnectedErp(
            load((where / FILE).read_text(encoding="utf-8")),
            Bundle.from_folder(where),
            {"address": settings.url, "user": settings.user},
            {"password": opened.secrets["password"]},
            _ANYWHERE,
            timeout_s=opened.timeout_s,
        )
    )


def sandbox_carrier(opened: Opened) -> CarrierPort:
    """Make the port of a sandbox carrier's account."""
    settings: SandboxSettings = opened.settings
    return SandboxCarrier(
        SandboxCarrierSettings(
            base_url=settings.base_url,
            token=opened.secrets["token"],
            secret=opened.secrets["secret"],
            timeout_s=opened.timeout_s,
        )
    )


ADAPTERS: Final = {
    (adapter.kind, adapter.name): adapter
    for adapter in (
        Adapter(
            "legacy_soap",
            ConnectionKind.ERP,
            LegacySoapSettings,
            frozenset({"password"}),
            lambda settings, _: frozenset({settings.url}),
            legacy_soap,
        ),
        Adapter(
            "sandbox",
            ConnectionKind.CARRIER,
            SandboxSettings,
            frozenset({"token", "secret"}),
            lambda settings, _: frozenset({settings.base_url}),
            sandbox_carrier,
        ),
    )
}
"""What there is. An ERP's `make` returns an `ErpPort` with `close`, a carrier's a `CarrierPort` with `aclose`."""
