"""The adapters that a connection can name: what each must know, and how its port is made of that.

What an adapter speaks to are its doors: with another door, secrets are given again, so that nobody has them sent
elsewhere by changing an address alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import SecretStr

from adapters.carriers.port import CarrierPort
from adapters.carriers.sandbox.adapter import SandboxCarrier, SandboxCarrierSettings
from adapters.egress import Egress
from adapters.erp.engine.adapter import MappedErp
from adapters.erp.engine.connected import ConnectedErp
from adapters.erp.port import ErpPort
from commands.connections import mappings
from commands.connections.mappings import Address
from domain.commands import Shape
from domain.connections import ConnectionKind, ErpMapping


@dataclass(frozen=True)
class Opened:
    """All that a port is made of, secrets open. It shows none. `egress` says where it may go at all."""

    settings: Mapping[str, Any]
    secrets: Mapping[str, SecretStr]
    timeout_s: float
    at_once: int
    egress: Egress
    mapping: ErpMapping | None = None


@dataclass(frozen=True)
class Needs:
    """What a connection must know: the shape of its settings, the names of its secrets, and where it speaks to."""

    settings: type[Shape]
    secrets: frozenset[str]
    doors: Callable[[Mapping[str, Any]], frozenset[str]]


@dataclass(frozen=True)
class Adapter:
    """An adapter: what it needs, by its mapping where it takes one, and how its port is made and closed."""

    name: str
    kind: ConnectionKind
    takes_mapping: bool
    needs: Callable[[ErpMapping | None], Needs]
    make: Callable[[Opened], Any]


class SandboxSettings(Shape):
    """Where the carrier's API is."""

    base_url: Address


def _by_mapping(mapping: ErpMapping | None) -> Needs:
    assert mapping is not None
    return Needs(
        mappings.settings_of(mapping),
        mappings.secrets_of(mapping),
        lambda settings: mappings.doors_of(mapping, settings),
    )


def _of_sandbox_carrier(_: ErpMapping | None) -> Needs:
    return Needs(SandboxSettings, frozenset({"token", "secret"}), lambda settings: frozenset({settings["base_url"]}))


def mapped_erp(opened: Opened) -> ErpPort:
    """Make the port of an ERP by its mapping."""
    assert opened.mapping is not None
    return MappedErp(
        ConnectedErp(
            replace(mappings.loaded(opened.mapping), digest=opened.mapping.digest.hex()),
            mappings.bundle_of(opened.mapping),
            opened.settings,
            opened.secrets,
            opened.egress,
            timeout_s=opened.timeout_s,
            at_once=opened.at_once,
        )
    )


def sandbox_carrier(opened: Opened) -> CarrierPort:
    """Make the port of a sandbox carrier's account."""
    return SandboxCarrier(
        SandboxCarrierSettings(
            base_url=opened.settings["base_url"],
            token=opened.secrets["token"],
            secret=opened.secrets["secret"],
            timeout_s=opened.timeout_s,
            egress=opened.egress,
        )
    )


ADAPTERS: Final = {
    (adapter.kind, adapter.name): adapter
    for adapter in (
        Adapter("mapping", ConnectionKind.ERP, True, _by_mapping, mapped_erp),
        Adapter("sandbox", ConnectionKind.CARRIER, False, _of_sandbox_carrier, sandbox_carrier),
    )
}
"""What there is. An ERP's `make` returns an `ErpPort` with `close`, a carrier's a `CarrierPort` with `aclose`."""
