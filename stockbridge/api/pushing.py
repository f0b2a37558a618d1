"""The ERP's push, from its body to the inbox: what is known already, what the catalog says, what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from stockbridge.api.deciding import Command
from stockbridge.api.problems import refusal
from stockbridge.api.resolving import named, resolve_push
from stockbridge.api.said import Part, Said, canonical, digest
from stockbridge.api.services import ApiServices
from stockbridge.domain.commands import Push
from stockbridge.domain.errors import Conflict, Fault, Rejected
from stockbridge.ledger.balances import order_lines
from stockbridge.records import catalog, keys, order_reads, people
from stockbridge.records.catalog import Product
from stockbridge.records.inbox import InboxRow
from stockbridge.records.keys import ApiKey
from stockbridge.records.order_reads import Standing

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
        products = await catalog.products(connection, caller.tenant, named(said.part.parts("lines"), "sku"))
        push = said.body
        if push is None:
            faults, _ = await resolve_push(connection, caller.tenant, said.part, products, ())
            await _check_carrier(connection, caller.tenant, said.part, faults)
            said.settle(faults)
            raise AssertionError("a body that can't be read has faults")
        return await _Taking(connection, caller, push, said.part, products).take()


async def _check_carrier(connection: AsyncConnection, tenant: str, part: Part, faults: list[Fault]) -> None:
    carrier = part.get("carrier")
    if carrier is not None and not await keys.has_carrier(connection, tenant, carrier):
        faults.append(_unknown_carrier(part))


def _unknown_carrier(part: Part) -> Fault:
    detail = f"There is no connection to a carrier {part.get('carrier')}"
    return part.fault("carrier", "unknown_carrier", detail)


@dataclass(frozen=True)
class _Taking:
    """A push in shape, on its way into the inbox."""

    connection: AsyncConnection
    caller: ApiKey
    push: Push
    part: Part
    products: Mapping[str, Product]

    async def take(self) -> Pushed:
        command = self._command()
        order = await order_reads.standing(
            self.connection,
            tenant=command.tenant,
            order_ref=command.order_ref,
            revision=self.push.revision,
            key=command.key,
            carrier=self.push.carrier,
        )
        if self._is_known(order, command.digest):
            return Pushed(command.order_ref, None)
        if order.last_state in {"queued", "accepted"} and order.last_inbox_id is not None:
            row = await command.repeated(self.connection, order.last_inbox_id, order.last_digest or b"")
            return Pushed(command.order_ref, row)
        resolved = await self._resolve(order, command.order_ref)
        command.check_queue(order.undecided)
        return Pushed(command.order_ref, await command.put(self.connection, await self._payload(order, resolved)))

    def _command(self) -> Command:
        order_ref = self.caller.order_ref(self.push.order_no)
        base_uoms = {sku: product.units.base_uom for sku, product in self.products.items()}
        return Command(
            tenant=self.caller.tenant,
            order_ref=order_ref,
            kind="submit",
            key=f"push/{order_ref}/{self.push.revision}",
            digest=digest(content_of(self.push, base_uoms)),
            actor=self.caller.source or "",
        )

    def _is_known(self, order: Standing, asked: bytes) -> bool:
        """Say whether the revision was accepted before. Raises where it comes too late, or with other content."""
        revision = self.push.revision
        if order.known_digest is not None:
            if order.known_digest != asked:
                raise Conflict(f"Revision {revision} of {self.push.order_no} came before with other content.")
            return True
        if order.revision is not None and revision < order.revision:
            raise Conflict(f"Revision {order.revision} was accepted already.", code="stale_revision")
        if order.closed:
            raise Conflict("The order is closed; it takes no new revision.", code="order_closed")
        return False

    async def _resolve(self, order: Standing, order_ref: str) -> list[dict[str, Any]]:
        """Return the push's lines in base units. Raises `Rejected` with all that is wrong with it by the catalog."""
        tenant = self.caller.tenant
        accepted = order.revision is not None
        known = (await order_lines(self.connection, tenant, [order_ref])).get(order_ref, []) if accepted else []
        faults, resolved = await resolve_push(self.connection, tenant, self.part, self.products, known)
        if not order.has_carrier:
            faults.append(_unknown_carrier(self.part))
        if faults:
            raise refusal(faults)
        return resolved

    async def _payload(self, order: Standing, resolved: list[dict[str, Any]]) -> dict[str, Any]:
        """Return what the inbox keeps: people's data is kept apart, under ids."""
        payload = self.push.model_dump(mode="json", exclude=set(_NOT_STORED))
        return {
            **payload,
            "source": self.caller.source,
            "resolved": resolved,
            "address_id": str(await self._address_id(order)),
            "note_id": await self._note_id(),
        }

    async def _address_id(self, order: Standing) -> UUID:
        """Keep the address. The one that the order has stays under its id: a new id means a new label."""
        data = {"ship_to": self.push.ship_to.model_dump(mode="json")}
        if order.address_id is not None and order.address == data:
            return order.address_id
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
