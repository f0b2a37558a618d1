"""Purchase orders: what suppliers are going to send, as it should be now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Final

from fastapi import Body, Path, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from api.door import examples
from api.door.auth import Caller, behind_the_door
from api.door.created import created
from api.door.openapi import REFUSALS, same_again
from api.door.paging import Cursor, Limit, Page, Utc, cut, position
from api.door.request_body import Said
from api.door.services import ApiServices, Services
from commands.inbound.expected import found_order
from commands.resolving import Faults, named, stocked_product
from domain.commands import Day, Key
from domain.errors import Conflict, Fault, Kind, Rejected
from domain.inbound import InboundLine, amend, cancel, status_of
from domain.refusals import not_found, refusal
from domain.said import Part, asked, canonical, digest
from domain.shapes import Inbound, InboundCancel
from records import catalog
from records.access.api_keys import actor_of
from records.catalog import Product
from records.inbound import purchase_orders
from records.inbound.purchase_orders import InboundOrder
from records.inventory import places

router = behind_the_door("/api/orders/inbound", "stock in")

_CAME_LATER: Final = frozenset({"order_type", "external_reference", "order_date", "expected_date"})
"""What there was not always: where it goes without saying, an order has the digest that it had before."""


class InboundLineView(BaseModel):
    """What is expected of a sku, what of it has arrived, and what of it was cancelled, in base units."""

    line_no: int
    sku: str
    uom: str
    factor: int
    expected: int
    received: int
    cancelled: int


class CancelledView(BaseModel):
    """What of a purchase order is not expected any more, by line, in base units."""

    cancel_no: str
    reason: str
    actor: str
    lines: dict[int, int]
    cancelled_at: Utc


class InboundView(BaseModel):
    """A purchase order: `expected`, `partly_received`, `received` or `cancelled`."""

    po_no: str
    revision: int
    site: str
    supplier: str
    order_type: str | None
    external_reference: str | None
    order_date: Day | None
    expected_date: Day | None
    status: str
    lines: list[InboundLineView]
    cancellations: Annotated[list[CancelledView], Field(description="As they were said, whatever was amended since")]
    created_at: Utc


@router.post("", status_code=201, responses=same_again(InboundView))
async def put_inbound(
    services: Services,
    caller: Caller,
    response: Response,
    said: Annotated[Said[Inbound], Body(examples=[examples.INBOUND])],
) -> InboundView:
    """Say what a supplier is going to send, as it should be now. 200 where that is amended, or known.

    A revision is the whole purchase order: a line that is left out is not expected any more. What has arrived stays, so
    less than that can't be expected.
    """
    is_new = None
    while is_new is None:  # where a twin was faster, it is found at the second look
        async with services.engine.begin() as connection:
            is_new = await _Taking(services, connection, caller.tenant, said).take()
    response.status_code = created(is_new=is_new)
    async with services.reading() as connection:
        return _view(await found_order(connection, caller.tenant, said.settle().po_no))


class _Taking:
    """A purchase order on its way in, in a transaction."""

    def __init__(self, services: ApiServices, connection: AsyncConnection, tenant: str, said: Said[Inbound]) -> None:
        self._services = services
        self._connection = connection
        self._tenant = tenant
        self._said = said

    async def take(self) -> bool | None:
        """Keep it, unless it is known. Returns whether it is new; None where a twin was kept in between."""
        if self._said.is_odd:
            await self._read_as_stored()
        body, known = self._said.body, None
        if body is not None:
            known = await purchase_orders.lock(self._connection, self._tenant, body.po_no)
            if known is not None and await self._is_known(body, known):
                return False
        faults, lines = await self._resolve(known)
        body = self._said.settle(faults)
        if known is None:
            return await self._add(body, lines) or None
        await self._amend(body, known, lines)
        return False

    async def _read_as_stored(self) -> None:
        """Read a revision that came before as it was read then."""
        body = self._said.wordings[0]
        before = await purchase_orders.digest_of(self._connection, self._tenant, body.po_no, body.revision)
        self._said.repeats(_digest, before)

    async def _is_known(self, body: Inbound, known: InboundOrder) -> bool:
        """Say whether the revision was accepted before. Raises where it comes too late, or with other content."""
        before = await purchase_orders.digest_of(self._connection, self._tenant, body.po_no, body.revision)
        if before is None and body.revision < known.revision:
            raise Conflict(f"Revision {known.revision} was accepted already.", code="stale_revision")
        if before not in {None, _digest(body)}:
            raise Conflict(f"Revision {body.revision} of {body.po_no} came before with other content.")
        return before is not None

    async def _add(self, body: Inbound, lines: list[InboundLine]) -> bool:
        return await purchase_orders.add(
            self._connection,
            tenant=self._tenant,
            po_no=body.po_no,
            revision=body.revision,
            digest=_digest(body),
            head=_head(body),
            lines=lines,
        )

    async def _amend(self, body: Inbound, known: InboundOrder, asked_for: list[InboundLine]) -> None:
        lines, faults = amend(known.lines, asked_for)
        if body.site != known.site and any(line.received for line in known.lines):
            faults.append(Fault("/site", "already_received", f"Goods have arrived in {known.site} already"))
        if faults:
            raise Rejected("already_received", refusal(faults).detail, faults, kind=Kind.CONFLICT)
        await purchase_orders.amend(
            self._connection,
            tenant=self._tenant,
            po_no=body.po_no,
            revision=body.revision,
            digest=_digest(body),
            head=_head(body),
            lines=lines,
        )

    async def _resolve(self, known: InboundOrder | None) -> tuple[list[Fault], list[InboundLine]]:
        """Return what is wrong by the catalog, and the lines in base units, with the factors that they keep."""
        faults, part = Faults(), self._said.part
        parts = list(part.parts("lines"))
        await catalog.hold_units(self._connection, self._tenant, named(parts, "sku"))
        products = await catalog.products(self._connection, self._tenant, named(parts, "sku"))
        site = part.get("site")
        if site is not None and site not in await catalog.sites_with_staging(self._connection, self._tenant, [site]):
            faults.add(part, "site", "unknown_site", f"There is no site {site}")
        await self._check_day(faults, part)
        faults.duplicate_lines(parts)
        frozen = {(x.line_no, x.sku, x.uom): x.factor for x in known.lines if x.expected} if known else {}
        resolved = [_expected(faults, line, products, frozen) for line in parts]
        return faults.found, [line for line in resolved if line is not None]

    async def _check_day(self, faults: Faults, part: Part) -> None:
        """Note an order that is dated ahead, by the day of its site. When it is expected is a plan."""
        told = part.get("order_date")
        if told is None:
            return
        now, zone = await places.clock_of(self._connection, self._tenant, part.get("site") or "")
        today = self._services.ledger.days.today(zone, now + self._services.window.ahead)
        if date.fromisoformat(told) > today:
            detail = f"{told} is later than today, which is {today} at the site"
            faults.add(part, "order_date", "time_in_future", detail)


def _expected(
    faults: Faults, part: Part, products: dict[str, Product], frozen: dict[tuple[Any, str, str], int]
) -> InboundLine | None:
    """Return a line in base units. It keeps the factor that it was accepted with, unless its unit changes."""
    product = stocked_product(faults, part, products)
    if product is None or not part.readable("uom"):
        return None
    uom = part.get("uom") or product.units.base_uom
    factor = frozen.get((part.get("line_no"), product.sku, uom)) or faults.factor(part, product)
    quantity = None if factor is None else faults.base_units(part, product, factor=factor)
    if factor is None or quantity is None:
        return None
    return InboundLine(part.get("line_no"), product.sku, uom, factor, quantity)


def _digest(body: Inbound) -> bytes:
    """Return the digest of what a revision says, whatever its number."""
    unsaid = {name for name in _CAME_LATER if getattr(body, name) is None}
    return digest(canonical(body.model_dump(mode="json", exclude={"revision", *unsaid})))


def _head(body: Inbound) -> dict[str, Any]:
    return {name: getattr(body, name) for name in purchase_orders.HEAD}


@router.get("", responses=REFUSALS)
async def list_inbound(
    services: Services, caller: Caller, limit: Limit = 100, cursor: Cursor = None
) -> Page[InboundView]:
    """List purchase orders by number."""
    after = position(cursor, 1) or [""]
    async with services.reading() as connection:
        rows = await purchase_orders.list_orders(connection, caller.tenant, after[0], limit + 1)
    items, following = cut(rows, limit, lambda order: [order.po_no])
    return Page(items=[_view(order) for order in items], next=following)


@router.get("/{po_no}", responses=REFUSALS)
async def get_inbound(services: Services, caller: Caller, po_no: Annotated[Key, Path()]) -> InboundView:
    """Return a purchase order."""
    async with services.reading() as connection:
        return _view(await found_order(connection, caller.tenant, po_no))


def _view(order: InboundOrder) -> InboundView:
    plain = {name: getattr(order, name) for name in ("po_no", "revision", "created_at", *purchase_orders.HEAD)}
    return InboundView(
        **plain,
        status=status_of(order.lines),
        lines=[InboundLineView(**vars(line)) for line in order.lines],
        cancellations=[CancelledView.model_validate(said, from_attributes=True) for said in order.cancellations],
    )


# -- cancelling ------------------------------------------------------------------------------------------------------


@router.post("/{po_no}/cancel", responses=same_again(InboundView))
async def cancel_inbound(
    services: Services,
    caller: Caller,
    po_no: Annotated[Key, Path()],
    said: Annotated[Said[InboundCancel], Body(examples=[examples.INBOUND_CANCEL])],
) -> InboundView:
    """Say that a purchase order, or lines of it, will not arrive. What has arrived stays."""
    async with services.engine.begin() as connection:
        order = await purchase_orders.lock(connection, caller.tenant, po_no)
        if order is None:
            raise not_found(f"inbound order {po_no}")
        if not await _was_cancelled(connection, caller.tenant, po_no, said):
            faults, quantities = await _not_expected(connection, caller.tenant, order, said.part)
            body = said.settle(faults)
            await purchase_orders.cancel(
                connection,
                tenant=caller.tenant,
                po_no=po_no,
                digest=digest(asked(body)),
                said={
                    "cancel_no": body.cancel_no,
                    "reason": body.reason,
                    "actor": actor_of(caller, body.actor),
                    "lines": {str(line_no): quantity for line_no, quantity in quantities.items()},
                },
                lines=cancel(order.lines, quantities),
            )
        return _view(await found_order(connection, caller.tenant, po_no))


async def _was_cancelled(connection: AsyncConnection, tenant: str, po_no: str, said: Said[InboundCancel]) -> bool:
    """Say whether a cancellation came before. Raises where it came with other content."""
    if not said.wordings:
        return False
    cancel_no = said.wordings[0].cancel_no
    before = await purchase_orders.digest_of_cancel(connection, tenant, po_no, cancel_no)
    if before is None or said.repeats(lambda body: digest(asked(body)), before):
        return before is not None
    raise Conflict(f"Cancellation {cancel_no} of {po_no} came before with other content.")


async def _not_expected(
    connection: AsyncConnection, tenant: str, order: InboundOrder, part: Part
) -> tuple[list[Fault], dict[int, int]]:
    """Return what is wrong with a cancellation, and how much of each line it is about, in base units."""
    if part.readable("lines") and part.get("lines") is None:
        return list(_all_arrived(order)), {line.line_no: line.missing for line in order.lines if line.missing}
    faults = Faults()
    parts = list(part.parts("lines"))
    faults.duplicate_lines(parts)
    products = await catalog.products(connection, tenant, {line.sku for line in order.lines})
    quantities = {line.get("line_no"): _cancelled(faults, line, order, products) for line in parts}
    return faults.found, {line_no: quantity for line_no, quantity in quantities.items() if quantity}


def _all_arrived(order: InboundOrder) -> Iterator[Fault]:
    if status_of(order.lines) == "received":
        yield Fault("/lines", "not_cancellable", f"All that was expected by {order.po_no} has arrived")


def _cancelled(faults: Faults, part: Part, order: InboundOrder, products: dict[str, Product]) -> int | None:
    line_no = part.get("line_no")
    line = order.line(line_no) if line_no else None
    if line is None:
        if line_no is not None:
            faults.add(part, "line_no", "unknown_line", f"The inbound order has no line {line_no}")
        return None
    if part.get("quantity") is None:
        quantity = line.missing if part.readable("quantity") else None
        if quantity == 0:
            faults.add(part, "line_no", "not_cancellable", f"No more of {line.sku} is expected")
        return quantity
    factor = line.factor if part.readable("uom") and part.get("uom") == line.uom else None
    quantity = faults.base_units(part, products[line.sku], factor=factor)
    if quantity is not None and quantity > line.missing:
        detail = f"{line.missing} of {line.sku} are still expected, not {quantity}: {line.received} have arrived"
        faults.add(part, "quantity", "not_cancellable", detail)
    return quantity
