"""What comes along with a product: its rules as they are said, and the lines that they add to a push."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.commands import Push
from domain.days import day_at
from domain.errors import Fault
from domain.linked_lines import Brought, Proportion, brought_along, keep_numbers, main_line_of
from domain.orders import OrderLine
from domain.refusals import refusal
from domain.said import Part
from domain.units import MOST
from domain.wanted_lines import WantedLine
from records import catalog
from records.catalog import Product
from records.orders.push_intake import Standing

MOST_LINES: Final = 1000
"""How many lines an order may have with those that its own lines bring along."""


@dataclass(frozen=True)
class Resolved:
    """What a push comes to: demands of the ledger, what those that came along go by, and kits, which hold nothing."""

    lines: list[WantedLine]
    linked: dict[int, Proportion]
    kits: list[WantedLine]

    def as_payload(self) -> dict[str, Any]:
        """Write it down as a push keeps it."""
        return {
            "resolved": [line.as_row() for line in self.lines],
            "linked": [{"line_no": line_no, **asdict(each)} for line_no, each in self.linked.items()],
            "kits": [kit.as_row() for kit in self.kits],
        }


# -- rules -----------------------------------------------------------------------------------------------------------


async def rule_faults(connection: AsyncConnection, tenant: str, product: Part) -> list[Fault]:
    """Say which rules add what is not there, or what brings others along itself: what comes along comes alone."""
    rules = list(product.parts("adds"))
    if not rules:
        return list(_kit_faults(product))
    await catalog.lock_rules(connection, tenant)
    sku = product.get("sku")
    known = await catalog.products(connection, tenant, {added for rule in rules if (added := rule.get("sku"))})
    faults = [*_kit_faults(product), *(fault for rule in rules for fault in _rule_faults(rule, sku, known))]
    adding = await catalog.adding(connection, tenant, sku) if sku else None
    if adding not in {None, sku}:
        faults.append(product.fault("adds", "nested_rule", f"{adding} adds {sku}, so {sku} can't add anything itself"))
    return faults


def _rule_faults(rule: Part, sku: str | None, known: Mapping[str, Product]) -> Iterator[Fault]:
    added = rule.get("sku")
    if added is None:
        return
    if added == sku:
        yield rule.fault("sku", "adds_itself", "is the product itself")
    elif added not in known:
        yield rule.fault("sku", "unknown_sku", f"{added} is not in the catalog")
    elif known[added].additions:
        yield rule.fault("sku", "nested_rule", f"{added} adds something itself")


def _kit_faults(product: Part) -> Iterator[Fault]:
    """Say what a kit can't be: its rules are its components, of which each one has them all, always."""
    if not product.get("kit"):
        return
    if product.readable("adds") and not product.get("adds"):
        yield product.fault("adds", "kit_of_nothing", "is empty: a kit has components")
    if product.get("tracking") not in {None, "none"}:
        yield product.fault("tracking", "not_of_a_kit", "is for what is stocked; a kit's components have their own")
    for component in product.parts("adds"):
        for name in ("per", "from", "until"):
            if component.get(name) not in {None, 1}:
                yield component.fault(name, "not_of_a_kit", "is not for a component: each kit has all of them, always")


# -- lines -----------------------------------------------------------------------------------------------------------


def bring_along(
    push: Push, part: Part, lines: Sequence[WantedLine], standing: Standing, known: Collection[OrderLine]
) -> Resolved:
    """Return a push's lines with those that they bring along. Raises `Rejected` where that is too much."""
    linked_before, products = _by_main_line(known), standing.products
    brought = [_brought(push, line, standing, linked_before[line.line_no]) for line in lines]
    if faults := list(_size_faults(part, brought)):
        raise refusal(faults)
    linked = [_linked_line(push, line, b, products[b.sku]) for line, bs in zip(lines, brought, strict=True) for b in bs]
    kits = [line for line in lines if products[line.sku].is_kit]
    return Resolved(
        lines=_in_places(lines, kits, _with_what_has_left(linked, known)),
        linked={b.line_no: b.proportion for bs in brought for b in bs},
        kits=kits,
    )


def _in_places(
    lines: Iterable[WantedLine], kits: Iterable[WantedLine], linked: Sequence[WantedLine]
) -> list[WantedLine]:
    """Return all lines, the push's own in their places, by which faults are told; a component stands for its kit."""
    first = {main_line_of(line.line_no): line for line in reversed(linked)}
    stands_for = {kit.line_no: first[kit.line_no] for kit in kits}
    placed = {component.line_no for component in stands_for.values()}
    rest = (line for line in linked if line.line_no not in placed)
    return [*(stands_for.get(line.line_no, line) for line in lines), *rest]


def _by_main_line(known: Iterable[OrderLine]) -> Mapping[int, list[OrderLine]]:
    """Sort an order's linked lines by the lines that brought them."""
    linked: dict[int, list[OrderLine]] = defaultdict(list)
    for line in known:
        if (main_line_no := main_line_of(line.line_no)) is not None:
            linked[main_line_no].append(line)
    return linked


def _brought(push: Push, main: WantedLine, standing: Standing, known: Collection[OrderLine]) -> list[Brought]:
    """Return what the rules add to a line, as they are for orders of the push's day, as the line's site has it."""
    rules = standing.products[main.sku].additions
    day = day_at(push.ordered_at, standing.time_zones.get(main.site))
    return keep_numbers(main.line_no, main.site, brought_along(main.line_no, main.ordered, rules, day), known)


def _linked_line(push: Push, main: WantedLine, brought: Brought, product: Product) -> WantedLine:
    """Write a linked line: from its main line's site, on its terms."""
    return replace(
        main,
        line_no=brought.line_no,
        sku=brought.sku,
        ordered=brought.ordered,
        uom=product.units.base_uom,
        factor=1,
        lot="",
        allocation_policy=push.allocation_policy or product.allocation_policy,
    )


def _size_faults(part: Part, brought: Sequence[Collection[Brought]]) -> Iterator[Fault]:
    """Say where too much comes along: of a line, or in lines."""
    for said, linked in zip(part.parts("lines"), brought, strict=True):
        for line in linked:
            if line.ordered > MOST:
                detail = f"brings {line.ordered} of {line.sku} along: more than can be believed"
                yield said.fault("quantity", "quantity_too_large", detail)
    total = sum(1 + len(linked) for linked in brought)
    if total > MOST_LINES:
        detail = f"come to {total} with those that they bring along; an order has {MOST_LINES} at most"
        yield part.fault("lines", "too_many_lines", detail)


def _with_what_has_left(linked: Iterable[WantedLine], known: Iterable[OrderLine]) -> list[WantedLine]:
    """Return linked lines, none of them less than what has left of it: what is gone refuses no revision."""
    wanted = {line.line_no: line for line in linked}
    for gone in known:
        if gone.shipped and main_line_of(gone.line_no) is not None:
            line = wanted.setdefault(gone.line_no, _as_it_left(gone))
            if (line.sku, line.site) == (gone.sku, gone.site):
                wanted[gone.line_no] = replace(line, ordered=max(line.ordered, gone.shipped))
    return list(wanted.values())


def _as_it_left(gone: OrderLine) -> WantedLine:
    """Write a linked line that no rule asks for any more, as far as it has left."""
    return WantedLine(**{name: getattr(gone, name) for name in _DEMANDED}, ordered=gone.shipped)


_DEMANDED: Final = frozenset(WantedLine.__dataclass_fields__) - {"ordered"}
"""What a line that is asked for has of a line as it is."""
