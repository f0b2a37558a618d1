"""From what a body says in its own units to what the ledger counts: catalog, factors, places. Every fault is told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.times import told_time
from domain.allocation import ExpiredStock
from domain.days import day_at, expiry_of
from domain.errors import Fault, Rejected
from domain.linked_lines import main_line_of
from domain.orders import OrderLine
from domain.refusals import MOST_FAULTS, refusal
from domain.said import Part
from domain.stock import PlaceKind, StockStatus
from domain.units import to_base
from domain.wanted_lines import WantedLine
from records import catalog
from records.catalog import Location, Product


@dataclass
class Faults:
    """What is wrong with a request, as it is found."""

    found: list[Fault] = field(default_factory=list)

    def add(self, part: Part, name: str, code: str, detail: str) -> None:
        """Note what is wrong with a field. Raises `Rejected` once more is wrong than is told: no more is looked at."""
        self.found.append(part.fault(name, code, detail))
        if len(self.found) > MOST_FAULTS:
            raise refusal(self.found, more=True)

    def base_units(
        self,
        part: Part,
        product: Product,
        *,
        factor: int | None = None,
        name: str = "quantity",
        zero_allowed: bool = False,
    ) -> int | None:
        """Return a quantity in base units by a factor, or by the product's own. None where that can't be told."""
        factor = self.factor(part, product) if factor is None else factor
        said = part.get(name)
        if factor is None or said is None:
            return None
        try:
            return to_base(said, factor, zero_allowed=zero_allowed)
        except Rejected as refusal:
            self.add(part, name, refusal.code, refusal.detail)
            return None

    def factor(self, part: Part, product: Product) -> int | None:
        """Return how many base units the named packaging holds."""
        if not part.readable("uom"):
            return None
        try:
            return product.units.factor(part.get("uom"))
        except Rejected as refusal:
            self.add(part, "uom", refusal.code, refusal.detail)
            return None

    def stocked(self, part: Part, product: Product, name: str) -> None:
        """Check that there can be stock of a sku."""
        if product.is_kit:
            self.add(part, name, "kit_not_stocked", f"{product.sku} is a kit: its components have stock, it has none")

    def lot(self, part: Part, product: Product) -> None:
        """Check that the lot is named of a sku that is tracked by lots."""
        if product.tracking == "lot" and part.readable("lot") and part.get("lot") is None:
            self.add(part, "lot", "lot_required", f"{product.sku} is tracked by lots: name the lot")

    def serials(self, part: Part, product: Product, quantity: int | None) -> None:
        """Check that there is one serial number for each unit of a sku that has them, and each once."""
        if not part.readable("serial_numbers") or quantity is None:
            return
        serials = part.get("serial_numbers") or []
        if len(set(serials)) != len(serials):
            self.add(part, "serial_numbers", "duplicate_serial", "names a serial number twice")
        elif product.tracking == "serial" and len(serials) != quantity:
            detail = f"{quantity} units need as many serial numbers; {len(serials)} are named"
            self.add(part, "serial_numbers", "serial_count", detail)
        elif product.tracking != "serial" and serials:
            self.add(part, "serial_numbers", "serial_count", f"{product.sku} has no serial numbers")

    def named_serials(self, part: Part, product: Product, quantity: int | None) -> None:
        """Check the serial numbers, where any are named."""
        if part.get("serial_numbers"):
            self.serials(part, product, quantity)

    def stock_location(
        self,
        part: Part,
        name: str,
        known: Mapping[str, Location],
        site: str | None = None,
        *,
        staging: bool = False,
    ) -> Location | None:
        """Return a named location where stock may lie: one in a site; with `staging`, where picked goods lie, too."""
        location_id = part.get(name)
        if location_id is None:
            return None
        found = known.get(location_id)
        if found is None:
            self.add(part, name, "unknown_location", f"There is no location {location_id}")
        elif site is not None and found.site != site:
            self.add(part, name, "unknown_location", f"{location_id} is not in {site}")
        elif found.type == "site":
            self.add(part, name, "not_for_stock", f"{location_id} is a site: name a location in it")
        elif found.place.kind is PlaceKind.STAGING and not staging:
            self.add(part, name, "not_for_stock", f"{location_id} is for picked goods")
        else:
            return found
        return None

    def kept_as(self, part: Part, name: str, location: Location | None) -> None:
        """Check that nothing is said to be available where the location says that nothing is."""
        keeps = location.place.keeps if location else StockStatus.AVAILABLE
        if location and keeps is not StockStatus.AVAILABLE and part.get(name) == StockStatus.AVAILABLE:
            self.add(part, name, "not_available_here", f"What lies at {location.location_id} is {keeps}")

    def duplicate_lines(self, parts: Iterable[Part]) -> None:
        """Check that each line number comes once."""
        seen = set()
        for part in parts:
            number = part.get("line_no")
            if number in seen:
                self.add(part, "line_no", "duplicate_line", f"Line number {number} comes twice")
            elif number is not None:
                seen.add(number)


def named(parts: Iterable[Part], name: str) -> set[str]:
    """Collect what the parts name."""
    return {value for part in parts if isinstance(value := part.get(name), str)}


# -- the ERP's push --------------------------------------------------------------------------------------------------


Factors = Mapping[tuple[int, str, str], int]
"""How many base units lines were accepted with: by number, sku and unit."""


def resolve_push(
    push: Part,
    products: Mapping[str, Product],
    sites: Mapping[str, bool],
    time_zones: Mapping[str, str | None],
    frozen: Factors,
) -> tuple[list[Fault], list[WantedLine]]:
    """Return what is wrong with a push by the catalog, and its lines in base units, with the factors that they keep."""
    faults = Faults()
    lines = list(push.parts("lines"))
    for part in (push, *lines):
        _check_site(faults, part, sites)
    faults.duplicate_lines(lines)
    _check_original(faults, push)
    resolved = [_push_line(faults, part, push.get("site"), products, frozen) for part in lines]
    return faults.found, [
        replace(
            line,
            allocation_policy=push.get("allocation_policy") or line.allocation_policy,
            least_expiry=_least_expiry(push, time_zones.get(line.site)),
            allow_expired=push.get("expired_stock") == ExpiredStock.ALLOW,
        )
        for line in resolved
        if line is not None
    ]


def _least_expiry(push: Part, time_zone: str | None) -> date | None:
    """Return the day that the goods must keep to: so long after they are wanted, or were ordered (the site's day)."""
    days, from_day = push.get("min_shelf_life_days"), _first_day(push, time_zone)
    return None if days is None or from_day is None else expiry_of(from_day, int(days))


def _first_day(push: Part, time_zone: str | None) -> date | None:
    if (wanted := push.get("requested_delivery")) is not None:
        return date.fromisoformat(wanted)
    ordered_at = told_time(push, "ordered_at")
    return None if ordered_at is None else day_at(ordered_at, time_zone)


def _check_original(faults: Faults, push: Part) -> None:
    """Check that an order is not to replace itself. What else it can't replace is seen when it is decided."""
    original = push.part("replaces")
    order_no = original.get("order_no")
    if order_no is not None and order_no == push.get("order_no"):
        faults.add(original, "order_no", "replaces_itself", "is the order itself")


def _check_site(faults: Faults, part: Part, sites: Mapping[str, bool]) -> None:
    site = part.get("site")
    if site is None:
        return
    if site not in sites:
        faults.add(part, "site", "unknown_site", f"There is no site {site}")
    elif not sites[site]:
        faults.add(part, "site", "no_staging", f"{site} has no staging location, so nothing can be shipped from it")


def _push_line(
    faults: Faults,
    part: Part,
    site: str | None,
    products: Mapping[str, Product],
    frozen: Factors,
) -> WantedLine | None:
    """Return a demand of the ledger. A line keeps the factor that it was accepted with, unless its unit changes."""
    product = known_product(faults, part, products)
    if product is None or not part.readable("uom"):
        return None
    uom = part.get("uom") or product.units.base_uom
    factor = frozen.get((part.get("line_no"), product.sku, uom)) if part.readable("line_no") else None
    factor = faults.factor(part, product) if factor is None else factor
    quantity = None if factor is None else faults.base_units(part, product, factor=factor)
    if part.get("lot") is not None and product.tracking == "none":
        faults.add(part, "lot", "lot_not_tracked", f"{product.sku} is not tracked by lots")
    line_no, its_site = part.get("line_no"), part.get("site") or site
    if line_no is None or its_site is None or quantity is None or factor is None:
        return None
    policy, lot = product.allocation_policy, part.get("lot") or ""
    return WantedLine(line_no, product.sku, its_site, quantity, uom, factor, lot, policy)


def known_product(faults: Faults, part: Part, products: Mapping[str, Product]) -> Product | None:
    """Return the product that a part names."""
    sku = part.get("sku")
    if sku is None:
        return None
    if sku not in products:
        faults.add(part, "sku", "unknown_sku", f"{sku} is not in the catalog")
    return products.get(sku)


def stocked_product(faults: Faults, part: Part, products: Mapping[str, Product]) -> Product | None:
    """Return the product that a part names, of which there can be stock."""
    product = known_product(faults, part, products)
    if product is not None:
        faults.stocked(part, product, "sku")
    return product


# -- what is said of an order's lines --------------------------------------------------------------------------------

Rank = Callable[[OrderLine], int]
"""How much of a line a command can be about: of two lines with one number, the one with more is meant."""


@dataclass(frozen=True)
class Known:
    """What the checks of a command know: the order's lines, their products, the named locations."""

    lines: Collection[OrderLine]
    products: Mapping[str, Product]
    locations: Mapping[str, Location]

    def line(self, line_no: int, rank: Rank) -> OrderLine | None:
        """Return a line by its number."""
        return max(self._by_number.get(line_no, ()), key=lambda line: (rank(line) > 0, line.ordered > 0), default=None)

    def missing(self, faults: Faults, part: Part) -> None:
        """Note that a line is not there, or is a kit's, of which only the components are."""
        line_no = part.get("line_no")
        components = sorted(self._components.get(line_no, ()))
        if components:
            detail = f"Line {line_no} is of a kit: name its components, {', '.join(components)}"
            faults.add(part, "line_no", "kit_line", detail)
        else:
            faults.add(part, "line_no", "unknown_line", f"The order has no line {line_no}")

    @cached_property
    def _by_number(self) -> Mapping[int, list[OrderLine]]:
        found: dict[int, list[OrderLine]] = defaultdict(list)
        for line in self.lines:
            found[line.line_no].append(line)
        return found

    @cached_property
    def _components(self) -> Mapping[int | None, set[str]]:
        found: dict[int | None, set[str]] = defaultdict(set)
        for line in self.lines:
            found[main_line_of(line.line_no)].add(str(line.line_no))
        return found


async def read_known(
    connection: AsyncConnection, tenant: str, lines: Collection[OrderLine], parts: Iterable[Part]
) -> Known:
    """Read what the checks must know."""
    location_ids = named(parts, "location_id")
    return Known(
        lines,
        await catalog.products(connection, tenant, {line.sku for line in lines}),
        await catalog.locations(connection, tenant, location_ids),
    )


def resolve_line(
    faults: Faults, part: Part, known: Known, rank: Rank, *, zero_allowed: bool = False
) -> dict[str, Any] | None:
    """Return what is said of an order's line: its sku and site, base units, where, and which lot and serials."""
    line_no = part.get("line_no")
    if line_no is None:
        return None
    line = known.line(line_no, rank)
    if line is None:
        known.missing(faults, part)
        return None
    product = known.products[line.sku]
    frozen = line.factor if part.readable("uom") and part.get("uom") == line.uom else None
    quantity = faults.base_units(part, product, factor=frozen, zero_allowed=zero_allowed)
    faults.stock_location(part, "location_id", known.locations, line.site)
    return {
        "line_no": line_no,
        "sku": line.sku,
        "site": line.site,
        "quantity": quantity,
        "location_id": part.get("location_id"),
        "lot": part.get("lot") or "",
        "serial_numbers": part.get("serial_numbers") or [],
    }
