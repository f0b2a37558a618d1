"""Others want the stock of an order that is being amended, at that very moment."""

from __future__ import annotations

import asyncio
from typing import Final

from runtime.demo.hub import Answer
from runtime.demo.tale import Tale
from runtime.demo.world import BINS, Json, line_of, revised, with_lines

_AMENDMENTS: Final = 10
_RIVALS: Final = 3
_THIRD_LINE: Final = 3


async def others_want_its_stock(tale: Tale) -> None:
    """Amend an order that holds all there is of a sku, again and again, while others try to get some of it."""
    done = asyncio.Event()
    rivals = [asyncio.create_task(_keep_trying(tale, number, done)) for number in range(_RIVALS)]
    try:
        answers = await _keep_amending(tale)
    finally:
        done.set()
        refusals = [answer for tried in await asyncio.gather(*rivals) for answer in tried]
    _check_answers(tale, answers, refusals)
    await _check_hold(tale)
    await _wait_in_line(tale)


async def _keep_amending(tale: Tale) -> list[Answer]:
    """Split the scarce line, join it again, change others: it is all that there is, before and after each."""
    order, answers = tale.world.cast.holder, []
    for number in range(_AMENDMENTS):
        change = _CHANGES[number % len(_CHANGES)]
        order = change(order, number)
        answers.append(await tale.erp.push_one(order))
    return answers


def _split(order: Json, _number: int) -> Json:
    scarce = order["lines"][0]
    part = scarce["quantity"] // 3
    kept = {**scarce, "quantity": scarce["quantity"] - part}
    return with_lines(order, kept, {**scarce, "line_no": _THIRD_LINE, "quantity": part})


def _join(order: Json, _number: int) -> Json:
    scarce, *others, part = order["lines"]
    whole = {**scarce, "quantity": scarce["quantity"] + part["quantity"]}
    return revised(order, lines=[whole, *others])


def _more_of_the_other(order: Json, number: int) -> Json:
    other = order["lines"][1]
    return with_lines(order, {**other, "quantity": other["quantity"] + number})


def _another_note(order: Json, number: int) -> Json:
    return revised(order, note=f"changed {number} times")


_CHANGES: Final = (_split, _more_of_the_other, _another_note, _join)


async def _keep_trying(tale: Tale, number: int, done: asyncio.Event) -> list[Answer]:
    """Push an order for the scarce sku, all or nothing, until it is had or there is nothing to wait for."""
    answers: list[Answer] = []
    while not done.is_set():
        answers.append(await tale.erp.push_one(_rival(tale, number, "reject")))
    return answers


def _rival(tale: Tale, number: int, shortage_policy: str) -> Json:
    return {
        **tale.world.cast.holder,
        "order_no": f"SO-RIVAL-{number}",
        "revision": 1,
        "shortage_policy": shortage_policy,
        "lines": [line_of(1, tale.world.scarce, 1)],
    }


def _check_answers(tale: Tale, answers: list[Answer], refusals: list[Answer]) -> None:
    outcomes = {str(answer.body.get("outcome")) for answer in answers}
    codes = {answer.code for answer in refusals}
    tale.checks.that(
        outcomes == {"amended"} and codes == {"insufficient_stock"},
        f"{len(answers)} amendments, while others ask {len(refusals)} times for a piece of its stock: they get none",
        f"{outcomes} against {codes}",
    )


async def _check_hold(tale: Tale) -> None:
    """Read in the ledger itself that the hold was never less than all of it: what counts is how each posting ends."""
    sku, held = tale.world.scarce.sku, tale.world.cast.holder["lines"][0]["quantity"]
    (stream,) = await tale.hub.every("/api/inventory", sku=sku, location=BINS[0])
    entries = await tale.hub.entries(stream["stream_id"])
    reserved = {entry["posting_id"]: entry["reserved"] for entry in entries if entry["reason"] != "goods_receipt"}
    tale.checks.that(
        len(reserved) > 1 and set(reserved.values()) == {held},
        f"The ledger has {len(reserved)} postings about {sku}, and after none of them did it hold less than {held}",
        reserved,
    )


async def _wait_in_line(tale: Tale) -> None:
    rival = _rival(tale, 0, "backorder")
    answer = await tale.erp.push_one(rival)
    tale.checks.that(
        answer.body.get("status") == "backordered",
        f"{rival['order_no']} may wait instead: backordered",
        f"{answer} {answer.body.get('status')}",
    )
