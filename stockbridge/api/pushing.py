"""The ERP's push, from its body to the inbox: what is known already, what the catalog says, what is kept."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from stockbridge.api.deciding import Command
from stockbridge.api.resolving import named, resolve_push
from stockbridge.api.said import Part, Said, canonical, digest
from stockbridge.api.services import ApiServices
from stockbridge.domain.commands import Push
from stockbridge.domain.errors import Conflict, Fault, Rejected
from stockbridge.domain.orders import OrderLine
from stockbridge.ledger.balances import order_lines
from stockbridge.records import catalog, keys, order_reads, people
from stockbridge.records.inbox import InboxRow
from stockbridge.records.keys import ApiKey
from stockbridge.records.order_reads import Order

_NOT_STORED = frozenset({"ship_to", "note"})
_NOT_CONTENT = frozenset({"ordered_at"})


@dataclass(frozen=True)
class Pushed:
    """What came of taking a push in: its row, or None where the revision was accepted before."""

    order_ref: str
    row: InboxRow | None


async def take_in(services: ApiServices, caller: ApiKey, said: Said[Push]) -> Pushed:
    """Keep a push, unless its revision is known. Raises `Rejected` with all that is wrong; nothing is kept then."""
    if caller.source is None:
        raise Rejected("source_required", "The key speaks for no ERP, so it can't push orders.", status=403)
    async with services.engine.begin() as connection:
        push = said.body
        if push is None:
            faults, _ = await _resolve(connection, caller.tenant, said.part, ())
            said.settle(faults)
            raise AssertionError("a body that can't be read has faults")
        return await _Taking(connection, caller, push, said.part).take()


@dataclass(frozen=True)
class _Taking:
    """A push in shape, on its way into the inbox."""

    connection: AsyncConnection
    caller: ApiKey
    push: Push
    part: Part

    async def take(self) -> Pushed:
        ref = self.caller.order_ref(self.push.order_no)
        command = await self._command(ref)
        order = (await order_reads.find(self.connection, self.caller.tenant, [ref])).get(ref)
        if order is not None and await self._is_known(order, command):
            return Pushed(ref, None)
        if row := await command.came_before(self.connection):
            return Pushed(ref, row)
        lines = (await order_lines(self.connection, self.caller.tenant, [ref])).get(ref, []) if order else []
        faults, resolved = await _resolve(self.connection, self.caller.tenant, self.part, lines)
        Said(self.push, self.part).settle(faults)
        return Pushed(ref, await command.keep(self.connection, await self._payload(order, resolved)))

    async def _command(self, order_ref: str) -> Command:
        tenant = self.caller.tenant
        products = await catalog.products(self.connection, tenant, named(self.part.parts("lines"), "sku"))
        base_uoms = {sku: product.units.base_uom for sku, product in products.items()}
        return Command(
            tenant=tenant,
            order_ref=order_ref,
            kind="submit",
            key=f"push/{order_ref}/{self.push.revision}",
            digest=digest(content_of(self.push, base_uoms)),
            actor=self.caller.source or "",
        )

    async def _is_known(self, order: Order, command: Command) -> bool:
        """Say whether the revision was accepted before. Raises where it comes too late, or with other content."""
        revision, tenant = self.push.revision, self.caller.tenant
        known = await order_reads.digest_of_revision(self.connection, tenant, command.order_ref, revision)
        if known is not None and known != command.digest:
            raise Conflict(f"Revision {revision} of {self.push.order_no} came before with other content.")
        if known is not None:
            return True
        if revision < order["revision"]:
            raise Conflict(f"Revision {order['revision']} was accepted already.", code="stale_revision")
        if order["closed_at"] is not None:
            raise Conflict("The order is closed; it takes no new revision.", code="order_closed")
        return False

    async def _payload(self, order: Order | None, resolved: list[dict[str, Any]]) -> dict[str, Any]:
        """Return what the inbox keeps: people's data is kept apart, under ids."""
        payload = self.push.model_dump(mode="json", exclude=set(_NOT_STORED))
        return {
            **payload,
            "source": self.caller.source,
            "resolved": resolved,
            "address_id": str(await self._address_id(order)),
            "note_id": await self._note_id(),
        }

    async def _address_id(self, order: Order | None) -> UUID:
        """Keep the address. The one that the order has stays under its id: a new id means a new label."""
        data = {"ship_to": self.push.ship_to.model_dump(mode="json")}
        if order is not None:
            known = await people.read(self.connection, self.caller.tenant, [order["address_id"]])
            if known.get(order["address_id"]) == data:
                return UUID(str(order["address_id"]))
        return await self._keep(data)

    async def _note_id(self) -> str | None:
        return None if self.push.note is None else str(await self._keep({"note": self.push.note}))

    async def _keep(self, data: dict[str, Any]) -> UUID:
        address_id = uuid4()
        await people.keep(self.connection, address_id, self.caller.tenant, data)
        return address_id


def content_of(push: Push, base_uoms: dict[str, str]) -> str:
    """Write what a push asks for: the same, whoever leaves out what goes without saying, and in whatever order."""
    content = push.model_dump(mode="json", exclude=set(_NOT_CONTENT))
    lines = [
        {
            **line,
            "site": line["site"] or push.site,
            "uom": line["uom"] or base_uoms.get(line["sku"]),
        }
        for line in content["lines"]
    ]
    return canonical({**content, "lines": sorted(lines, key=lambda line: line["line_no"])})


async def _resolve(
    connection: AsyncConnection, tenant: str, part: Part, known: Collection[OrderLine]
) -> tuple[list[Fault], list[dict[str, Any]]]:
    """Return what is wrong with a push by the catalog and the carriers, and its lines in base units."""
    faults, resolved = await resolve_push(connection, tenant, part, known)
    carrier = part.get("carrier")
    if carrier is not None and not await keys.has_carrier(connection, tenant, carrier):
        faults.append(part.fault("carrier", "unknown_carrier", f"There is no connection to a carrier {carrier}"))
    return faults, resolved
