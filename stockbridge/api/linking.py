"""What comes along with a product: its rules as they are said, and the lines that they add to a push."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from stockbridge.api.problems import refusal
from stockbridge.api.said import Part
from stockbridge.domain.commands import Push
from stockbridge.domain.errors import Fault
from stockbridge.domain.linked_lines import brought_along, main_line_of
from stockbridge.domain.orders import OrderLine
from stockbridge.domain.units import MOST
from stockbridge.records import catalog
from stockbridge.records.catalog import Product

MOST_LINES: Final = 1000
"""How many lines an order may have with those that its own lines bring along."""

Line = dict[str, Any]
"""A line of a push in base units: a demand of the ledger. One that came along has its `proportion` to its main line."""


# -- rules -----------------------------------------------------------------------------------------------------------


async def rule_faults(connection: AsyncConnection, tenant: str, product: Part) -> list[Fault]:
    """Say which rules add what is not there, or what brings others along itself: what comes along comes alone."""
    rules = list(product.parts("adds"))
    if not rules:
        return []
    await catalog.lock_rules(connection, tenant)
    sku = product.get("sku")
    known = await catalog.products(connection, tenant, {added for rule in rules if (added := rule.get("sku"))})
    faults = [fault for rule in rules for fault in _rule_faults(rule, sku, known)]
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


# -- lines -----------------------------------------------------------------------------------------------------------


def bring_along(
    push: Push, part: Part, lines: Sequence[Line], products: Mapping[str, Product], known: Collection[OrderLine]
) -> list[Line]:
    """Return a push's lines with those that they bring along. Raises `Rejected` where that is too much."""
    brought = [list(_linked_lines(push, line, products)) for line in lines]
    if faults := list(_size_faults(part, brought)):
        raise refusal(faults)
    return [*lines, *_with_what_has_left([line for linked in brought for line in linked], known)]


def _linked_lines(push: Push, main: Line, products: Mapping[str, Product]) -> Iterator[Line]:
    """Yield what the rules add to a line, as they are for orders of the push's day: from its site, on its terms."""
    rules, day = products[main["sku"]].additions, push.ordered_at.date()
    for brought in brought_along(main["line_no"], main["ordered"], rules, day):
        product = products[brought.sku]
        yield {
            **main,
            "line_no": brought.line_no,
            "sku": brought.sku,
            "ordered": brought.ordered,
            "uom": product.units.base_uom,
            "factor": 1,
            "lot": "",
            "allocation_policy": push.allocation_policy or product.allocation_policy,
            "proportion": asdict(brought.proportion),
        }


def _size_faults(part: Part, brought: Sequence[Collection[Line]]) -> Iterator[Fault]:
    """Say where too much comes along: of a line, or in lines."""
    for said, linked in zip(part.parts("lines"), brought, strict=True):
        for line in linked:
            if line["ordered"] > MOST:
                detail = f"brings {line['ordered']} of {line['sku']} along: more than can be believed"
                yield said.fault("quantity", "quantity_too_large", detail)
    total = sum(1 + len(linked) for linked in brought)
    if total > MOST_LINES:
        detail = f"come to {total} with those that they bring along; an order has {MOST_LINES} at most"
        yield part.fault("lines", "too_many_lines", detail)


def _with_what_has_left(linked: Iterable[Line], known: Iterable[OrderLine]) -> list[Line]:
    """Return linked lines, none of them less than what has left of it: what is gone refuses no revision."""
    wanted = {line["line_no"]: line for line in linked}
    for gone in known:
        if gone.shipped and main_line_of(gone.line_no) is not None:
            line = wanted.setdefault(gone.line_no, _as_it_left(gone))
            if (line["sku"], line["site"]) == (gone.sku, gone.site):
                line["ordered"] = max(line["ordered"], gone.shipped)
    return list(wanted.values())


def _as_it_left(gone: OrderLine) -> Line:
    """Write a linked line that no rule asks for any more, as far as it has left."""
    return {name: getattr(gone, name) for name in _DEMANDED} | {
        "ordered": gone.shipped,
        "least_expiry": gone.least_expiry and gone.least_expiry.isoformat(),
    }


_DEMANDED: Final = ("line_no", "sku", "site", "uom", "factor", "lot", "allocation_policy")
"""What a line that is asked for has of a line as it is."""
