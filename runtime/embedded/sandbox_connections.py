"""The connections of an embedded stack to its sandbox: made, and told where that listens this time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from commands.connections.add import add
from commands.connections.change import change
from commands.connections.context import By
from domain.connections import ConnectionChange, ConnectionKind, Flow, NewConnection
from ledger.writing.writer import translating
from records.access import connections
from records.access.connections import Named
from records.access.sealing import SealingKeys
from runtime.settings import sqlalchemy_url

ERP_PATH: Final = "/soap/orders"
ERP_MAPPING: Final = "sandbox"
CARRIER: Final = "sandbox"
"""The carrier's name, as orders name it, and its public id: both are known to all."""
ERP_PASSWORD: Final = SecretStr("sandbox-erp-password")
CARRIER_TOKEN: Final = SecretStr("sandbox-carrier-token")
CARRIER_SECRET: Final = SecretStr("sandbox-carrier-secret")
_BY: Final = By("the embedded stack")


@dataclass(frozen=True)
class SandboxAccounts:
    """Whom the sandbox knows us as: known to all, since it listens to this machine only."""

    erp_url: str
    carrier_url: str
    erp_user: str = "stockbridge"
    erp_password: SecretStr = ERP_PASSWORD
    carrier_token: SecretStr = CARRIER_TOKEN
    carrier_secret: SecretStr = CARRIER_SECRET

    @property
    def erp_service(self) -> str:
        """The address of the ERP's SOAP service."""
        return f"{self.erp_url}{ERP_PATH}"

    def connections(self, source: str) -> Iterator[NewConnection]:
        """Say how they are connected."""
        yield NewConnection(
            kind=ConnectionKind.ERP,
            name=source,
            adapter="mapping",
            mapping=ERP_MAPPING,
            settings={"address": self.erp_service, "user": self.erp_user},
            secrets={"password": self.erp_password},
            flow=Flow.BOTH,
            start_at=datetime.now(UTC),
        )
        yield NewConnection(
            kind=ConnectionKind.CARRIER,
            name=CARRIER,
            adapter="sandbox",
            settings={"base_url": self.carrier_url},
            secrets={"token": self.carrier_token, "secret": self.carrier_secret},
        )


async def connect_sandbox(
    database_url: str, keys: SealingKeys, tenant: str, source: str, accounts: SandboxAccounts
) -> str:
    """Make or change a tenant's connections to the sandbox. Returns the carrier's public id."""
    engine = create_async_engine(sqlalchemy_url(database_url))
    try:
        with translating():
            async with engine.begin() as connection:
                for wanted in accounts.connections(source):
                    await _connect(connection, keys, tenant, wanted)
                carrier = await connections.get(connection, Named(tenant, ConnectionKind.CARRIER, CARRIER))
    finally:
        await engine.dispose()
    return carrier.public_id


async def _connect(connection: AsyncConnection, keys: SealingKeys, tenant: str, wanted: NewConnection) -> None:
    named = Named(tenant, wanted.kind, wanted.name)
    known = await connections.find(connection, named)
    if known is None or known.adapter is None:
        public_id = await _public_id(connection) if wanted.kind is ConnectionKind.CARRIER else None
        await add(connection, keys, tenant, wanted, _BY, public_id=public_id)
        return
    as_it_is = ConnectionChange(
        adapter=wanted.adapter, settings=wanted.settings, secrets=wanted.secrets, mapping=wanted.mapping
    )
    await change(connection, keys, named, as_it_is, _BY)


async def _public_id(connection: AsyncConnection) -> str | None:
    """Return the well-known id, unless another tenant in this database has it."""
    taken = await connections.find_by_public_id(connection, CARRIER)
    return None if taken else CARRIER
