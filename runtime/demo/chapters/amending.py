"""Orders are amended in every way that a customer can think of, and never let go of their stock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from runtime.demo.hub import Answer
from runtime.demo.tale import Tale
from runtime.demo.world import NEW_HOME, Item, Json, line_of, revised, with_lines, without_line

_TOO_MANY: Final = 1_000_000
_NEVER_SENT: Final = 2


@dataclass(frozen=True)
class _Kind:
    """A kind of amendment: in words, what it makes of the order, and how many postings it may cost."""

    words: str
    change: Callable[[Json], Json]
    postings: int


async def customers_change_their_minds(tale: Tale) -> None:
    """Amend one order in every way; then ask for what can't be had, and for what has been overtaken."""
    order = {**tale.world.cast.amended, "revision": _NEVER_SENT}
    wanted = {line["sku"] for line in order["lines"]}
    for kind in _kinds(*(item for item in tale.world.plenty if item.sku not in wanted)):
        order = await _amend(tale, order, kind)
    await _amend_too_late(tale, order)
    await _ask_for_too_much(tale)


def _kinds(one: Item, other: Item, another: Item, *_more: Item) -> tuple[_Kind, ...]:
    """Return the amendments in the order that they come in, with three items that the order has not."""
    return (
        _Kind("more of a line", lambda order: _with_quantity(order, 1, 3), 1),
        _Kind("less of a line", lambda order: _with_quantity(order, 2, 4), 1),
        _Kind("another sku on a line", lambda order: with_lines(order, line_of(3, one, 6)), 1),
        _Kind("a line less", lambda order: without_line(order, 2), 1),
        _Kind("a line more", lambda order: with_lines(order, line_of(4, other, 8)), 1),
        _Kind(
            "up, down and sideways at once",
            lambda order: with_lines(_with_quantity(order, 1, 1), line_of(3, another, 5), line_of(4, other, 12)),
            1,
        ),
        _Kind("a price, a note and a date", _with_other_words, 0),
        _Kind("another address", lambda order: revised(order, ship_to=NEW_HOME), 0),
    )


def _with_quantity(order: Json, line_no: int, quantity: int) -> Json:
    line = next(line for line in order["lines"] if line["line_no"] == line_no)
    return with_lines(order, {**line, "quantity": quantity})


def _with_other_words(order: Json) -> Json:
    lines = [{**line, "unit_price": {"amount": "1.00", "currency": "EUR"}} for line in order["lines"]]
    return revised(order, lines=lines, note="Please ring twice", requested_delivery="2026-11-26")


async def _amend(tale: Tale, order: Json, kind: _Kind) -> Json:
    """Push the next revision, and check what it changed, and what it cost the ledger."""
    revision = order["revision"] + 1
    order = {**kind.change(order), "revision": revision}
    before = await _posting_ids(tale, order)
    answer = await tale.erp.push_one(order)
    cost = await _posting_ids(tale, order) - before
    written = "one posting" if kind.postings else "nothing is written to the ledger"
    tale.checks.that(
        answer.body.get("outcome") == "amended" and len(cost) == kind.postings and _holds(tale, order, answer),
        f"{order['order_no']} revision {revision}, {kind.words}: {written}",
        f"{answer} {answer.body.get('outcome')}, {len(cost)} postings, {answer.body.get('lines')}",
    )
    return order


async def _posting_ids(tale: Tale, order: Json) -> set[str]:
    return {item["data"]["posting_id"] for item in await tale.hub.timeline(order["order_no"], "posting")}


def _holds(tale: Tale, order: Json, answer: Answer) -> bool:
    """Say whether the order holds all that it wants, and nothing else."""
    wanted = {(line["line_no"], line["sku"]): tale.world.pieces(line) for line in order["lines"]}
    held = {(line["line_no"], line["sku"]): line["reserved"] for line in answer.body["lines"] if line["ordered"]}
    return wanted == held


async def _amend_too_late(tale: Tale, order: Json) -> None:
    """Push what other revisions have overtaken, and a known revision with other content."""
    stale = await tale.erp.push_one({**order, "revision": _NEVER_SENT})
    other = await tale.erp.push_one({**order, "note": "the same revision, but something else"})
    tale.checks.that(
        (stale.code, other.code) == ("stale_revision", "conflict"),
        f"Revision {_NEVER_SENT}, which comes last, is stale; a known revision with other content is a conflict",
        f"{stale}, {other}",
    )


async def _ask_for_too_much(tale: Tale) -> None:
    order = tale.world.cast.strict
    before = await tale.hub.order(order["order_no"])
    answer = await tale.erp.push_one(_with_quantity(order, 1, _TOO_MANY))
    after = await tale.hub.order(order["order_no"])
    tale.checks.that(
        answer.code == "insufficient_stock"
        and (before["revision"], before["lines"]) == (after["revision"], after["lines"]),
        f"{order['order_no']} asks for {_TOO_MANY:,} more, all or nothing: refused, and it holds what it held",
        f"{answer}, {after['lines']}",
    )
