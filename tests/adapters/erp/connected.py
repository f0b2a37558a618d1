"""ERPs as a connection makes them, for tests: with a mapping that comes with the hub, or one of the test's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from adapters.egress import Egress
from adapters.erp.contracts.bundle import Bundle
from adapters.erp.engine.adapter import MappedErp
from adapters.erp.engine.connected import ConnectedErp
from adapters.erp.files import FILE, folder
from adapters.erp.mapping.file import load
from sandbox.settings import SandboxSettings

LOOPBACK = Egress.parse(["127.0.0.0/8"])


def connected(
    text: str, bundle: Path | Mapping[str, bytes], settings: Mapping[str, str], secrets: Mapping[str, str]
) -> ConnectedErp:
    """Connect an ERP on this machine by a mapping's text."""
    return ConnectedErp(
        load(text),
        Bundle.from_folder(bundle) if isinstance(bundle, Path) else Bundle(bundle),
        settings,
        {name: SecretStr(secret) for name, secret in secrets.items()},
        LOOPBACK,
        timeout_s=5,
    )


def shipped_erp(name: str, settings: Mapping[str, str], secrets: Mapping[str, str]) -> MappedErp:
    """Connect an ERP by a mapping that comes with the hub."""
    return MappedErp(connected((folder(name) / FILE).read_text(), folder(name), settings, secrets))


def sandbox_erp(base: str, settings: SandboxSettings, password: str | None = None) -> MappedErp:
    """Connect the sandbox's ERP."""
    secret = settings.erp_password if password is None else password
    address = f"{base.rstrip('/')}/soap/orders"
    return shipped_erp("sandbox", {"address": address, "user": settings.erp_user}, {"password": secret})


def sandbox_rest_connection(base: str, settings: SandboxSettings, password: str | None = None) -> ConnectedErp:
    """Connect the sandbox's second ERP, without opening it."""
    told = {
        "address": f"{base.rstrip('/')}/rest",
        "user": settings.erp_rest_user,
        "zone": settings.erp_rest_zone.key,
        "site": "HAM",
    }
    secret = settings.erp_rest_password if password is None else password
    here = folder("sandbox_rest")
    return connected((here / FILE).read_text(), here, told, {"password": secret})


def sandbox_rest_erp(base: str, settings: SandboxSettings, password: str | None = None) -> MappedErp:
    """Connect the sandbox's second ERP."""
    return MappedErp(sandbox_rest_connection(base, settings, password))
