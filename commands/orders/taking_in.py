"""A push of an order, from what it says to the inbox: what is known already, what the catalog says, what is kept.

An ERP may bring it to the door, or it is fetched there: it is the same push.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.keeping import Command
from commands.orders.linking import Resolved, bring_along
from commands.resolving import named, resolve_push
from commands.times import faults_by
from domain.commands import Push
from domain.errors import Conflict, Fault, Kind, Rejected
from domain.messages import OrderId
from domain.order_commands import ORDER_COMMANDS
from domain.orders import OrderLine
from domain.payloads import Kept, KeptPush
from domain.refusals import refusal
from domain.said import Part, Said, canonical, digest
from domain.window import Window
from ledger.reads.balances import order_lines
from queries.orders.lines import frozen_factors
from records.access.api_keys import ApiKey
from records.orders import inbox, push_intake
from records.orders.inbox import InboxRow
from records.orders.push_intake import Standing
from records.people import Address, Words

_NOT_STORED = frozenset({"ship_to", "note"})
_NOT_CONTENT = frozenset({"ordered_at"})
_CAME_LATER = frozenset(
    {"allocation_policy", "min_shelf_life_days", "expired_stock", "ship_complete", "backorder_until", "replaces"}
)
"""What there was not always: where it goes without saying, a push has the digest that it had before."""


@dataclass(frozen=True)
class Pushed:
    """What came of taking a push in: its row, or None where the revision was accepted before."""

    order: OrderId
    row: InboxRow[Kept] | None


async def take_in(connection: AsyncConnection, caller: ApiKey, said: Said[Push], window: Window) -> Pushed:
    """Keep a push, unless its revision is known. Raises `Rejected` with all that is wrong; nothing is kept then."""
    if caller.source is None:
        raise Rejected("source_required", "The key speaks for no ERP, so it can't push orders.", kind=Kind.FORBIDDEN)
    pushed = None
    while pushed is None:  # where a twin of the push was faster, or a unit changed, the second look finds that
        standing = await _look(connection, caller, said)
        if said.is_odd:
            await _read_as_stored(connection, caller, said, standing, window)
        if said.body is None:
            faults, _ = resolve_push(said.part, standing.products, standing.sites, standing.time_zones, {})
            said.settle([*faults, *_faults_beside(said.part, standing, window)])
            raise AssertionError("a body that can't be read has faults")
        pushed = await _Taking(connection, caller, said.body, said.part, standing, window).take()
    return pushed


async def _look(connection: AsyncConnection, caller: ApiKey, said: Said[Push]) -> Standing:
    """Look up all that a push names; of a body that can't be read, what can."""
    part, push = said.part, next(iter(said.wordings), None)
    lines = list(part.parts("lines"))
    order_ref, revision = (caller.order_ref(push.order_no), push.revision) if push else ("", 0)
    return await push_intake.standing(
        connection,
        OrderId(tenant=caller.tenant, order_ref=order_ref),
        revision=revision,
        key=_key(order_ref, revision),
        carrier=push.carrier if push else part.get("carrier") or "",
        skus=named(lines, "sku"),
        sites=named([part, *lines], "site"),
    )


async def _read_as_stored(
    connection: AsyncConnection, caller: ApiKey, said: Said[Push], standing: Standing, window: Window
) -> None:
    """Read a push that came before as it was read then."""
    taking = [_Taking(connection, caller, body, said.part, standing, window) for body in said.wordings]
    digests = {id(each.push): (await each.command()).digest for each in taking}
    said.repeats(lambda push: digests[id(push)], standing.digest_before)


def _key(order_ref: str, revision: int) -> str:
    return ORDER_COMMANDS["submit"].key(order_ref, str(revision))


def _faults_beside(part: Part, standing: Standing, window: Window) -> Iterator[Fault]:
    """Say what is wrong with a push beside its lines: with its carrier, and with when it was ordered."""
    carrier = part.get("carrier")
    if carrier is not None and not standing.has_carrier:
        yield part.fault("carrier", "unknown_carrier", f"There is no connection to a carrier {carrier}")
    yield from faults_by(part, window, standing.now)


@dataclass(frozen=True)
class _Taking:
    """A push in shape, on its way into the inbox."""

    connection: AsyncConnection
    caller: ApiKey
    push: Push
    part: Part
    standing: Standing
    window: Window

    async def take(self) -> Pushed | None:
        """Keep the push, unless it is known. None where a twin of it was kept in between, or the catalog changed."""
        command, order = await self.command(), self.standing
        if self._is_known(command.digest):
            return Pushed(command.order, None)
        if order.last_state in {"queued", "accepted"} and order.last_inbox_id is not None:
            row = await command.repeated(self.connection, order.last_inbox_id, order.last_digest or b"")
            return Pushed(command.order, row)
        resolved = await self._resolve(command.order)
        command.check_queue(order.undecided)
        kept = await self._keep(command, resolved)
        return Pushed(command.order, kept) if kept else None

    async def command(self) -> Command:
        """Return the push as a command. What came before means what it meant then: by units of that day."""
        order_ref, order = self.caller.order_ref(self.push.order_no), self.standing
        base_uoms = {sku: product.units.base_uom for sku, product in order.products.items()}
        if order.last_state in {"queued", "accepted"} and order.last_inbox_id is not None:
            before = (await inbox.get(self.connection, order.last_inbox_id)).payload
            base_uoms |= _base_uoms_then(before) if isinstance(before, KeptPush) else {}
        return Command(
            order=OrderId(tenant=self.caller.tenant, order_ref=order_ref),
            kind="submit",
            key=_key(order_ref, self.push.revision),
            digest=digest(content_of(self.push, base_uoms)),
            actor=self.caller.source or "",
        )

    def _is_known(self, asked: bytes) -> bool:
        """Say whether the revision was accepted before. Raises where it comes too late, or with other content."""
        order, revision = self.standing, self.push.revision
        if order.known_digest is not None:
            if order.known_digest != asked:
                raise Conflict(f"Revision {revision} of {self.push.order_no} came before with other content.")
            return True
        if order.revision is not None and revision < order.revision:
            raise Conflict(f"Revision {order.revision} was accepted already.", code="stale_revision")
        if order.closed:
            raise Conflict("The order is closed; it takes no new revision.", code="order_closed")
        return False

    async def _resolve(self, order: OrderId) -> Resolved:
        """Return the push's lines in base units, with those that they bring along.

        Raises `Rejected` with all that is wrong with it by the catalog.
        """
        standing = self.standing
        known: list[OrderLine] = []
        if standing.revision is not None:
            known = (await order_lines(self.connection, order.tenant, [order.order_ref])).get(order.order_ref, [])
        with_kits = bool(known) and any(product.is_kit for product in standing.products.values())
        frozen = await frozen_factors(self.connection, order, known, with_kits=with_kits)
        faults, resolved = resolve_push(self.part, standing.products, standing.sites, standing.time_zones, frozen)
        faults += _faults_beside(self.part, standing, self.window)
        if faults:
            raise refusal(faults)
        return bring_along(self.push, self.part, resolved, standing, known)

    async def _keep(self, command: Command, resolved: Resolved) -> InboxRow[Kept] | None:
        """Put the push into the inbox. People's data is kept apart, under ids."""
        people: dict[str, dict[str, Any]] = {}
        payload = {
            **self.push.model_dump(mode="json", exclude=set(_NOT_STORED)),
            "source": self.caller.source,
            **resolved.as_payload(),
            "address_id": self._address_id(people),
            "note_id": self._note_id(people),
        }
        return await push_intake.keep(
            self.connection,
            command.order,
            key=command.key,
            attempt=self.standing.last_attempt + 1,
            digest=command.digest,
            payload=payload,
            people=people,
            products=self.standing.products,
            actor=command.actor,
        )

    def _address_id(self, people: dict[str, dict[str, Any]]) -> str:
        """Name the address. The one that the order has stays under its id: a new id means a new label."""
        order = self.standing
        address = Address(self.push.ship_to.model_dump(mode="json"))
        if order.address_id is not None and order.address == address:
            return str(order.address_id)
        return _named(people, address)

    def _note_id(self, people: dict[str, dict[str, Any]]) -> str | None:
        return None if self.push.note is None else _named(people, Words(note=self.push.note))


def _base_uoms_then(kept: KeptPush) -> dict[str, str]:
    """Return which base units lines meant that named no unit, when the push was kept."""
    uoms = {line.line_no: line.uom for line in (*kept.kits, *kept.resolved)}
    return {line.sku: uoms[line.line_no] for line in kept.lines if line.uom is None and line.line_no in uoms}


def _named(people: dict[str, dict[str, Any]], told: Address | Words) -> str:
    """Put what was told among what is to be kept of people. Returns its id."""
    address_id = str(uuid4())
    people[address_id] = told.as_row()
    return address_id


def content_of(push: Push, base_uoms: dict[str, str]) -> str:
    """Write what a push asks for: the same, whoever leaves out what goes without saying, and in whatever order."""
    unsaid = {name for name in _CAME_LATER if getattr(push, name) == Push.model_fields[name].default}
    content = push.model_dump(mode="json", exclude={*_NOT_CONTENT, *unsaid, "lines"})
    lines = [
        {
            **line.model_dump(mode="json"),
            "site": line.site or push.site,
            "uom": line.uom or base_uoms.get(line.sku),
        }
        for line in sorted(push.lines, key=lambda line: line.line_no)
    ]
    return canonical({**content, "lines": lines})
