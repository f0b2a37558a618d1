"""Two who want something of an order at once: it ends as if one had come after the other, and nobody disagrees."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import combinations
from typing import Final

import httpx
import pytest

from tests.workflows.agreement import disagreements
from tests.workflows.partners import Partners
from tests.workflows.points import CUPS, MUGS, POINTS
from tests.workflows.shop import Order, Shop
from tests.workflows.telling import state_of

from .changes import CHANGES, Change, pick

pytestmark = pytest.mark.usefixtures("worker")

PICKED: Final = "all picked"
HAPPENING: Final = {**CHANGES, PICKED: pick(MUGS(4), CUPS(2))}
RACING: Final = {
    "reserved": ("more", "less", "a line removed", PICKED, "cancelled"),
    "picked": ("more", "less", "another address", "shipped", "cancelled"),
    "labeled": ("more", "less", "another address", "handed over", "cancelled"),
    "shipped_in_part": ("more", "much less", "a line removed", "cancelled"),
    "shipped": ("intercepted", "the carrier says delivered"),
}
RACES: Final = [(point, *pair) for point, changes in RACING.items() for pair in combinations(changes, 2)]
Pair = tuple[str, str]
Ending = tuple[bool, bool, str]
"""Whether each of two was accepted, and the order as it is then."""


@pytest.mark.parametrize("point", RACING)
async def test_two_at_once_end_as_one_after_the_other(shop: Shop, partners: Partners, point: str) -> None:
    pairs = [(one, other) for at, one, other in RACES if at == point]
    behind_a_cancel = await told_before_it_is_closed(shop, partners, point, pairs)
    wrong = await asyncio.gather(*(race(shop, partners, point, pair, behind_a_cancel.get(pair)) for pair in pairs))
    assert [f"{' and '.join(pair)}: {word}" for pair, words in zip(pairs, wrong, strict=True) for word in words] == []


async def told_before_it_is_closed(shop: Shop, partners: Partners, point: str, pairs: list[Pair]) -> dict[Pair, Ending]:
    """Tell what comes of a change between a cancel and the end of its order: of that, the ERP is to hear first."""
    late = {pair: await POINTS[point].reach(shop) for pair in pairs if pair[1] == "cancelled"}
    for order in late.values():
        await order.settle()
    await partners.erp_fault("down")
    answers = {
        pair: await answers_in_turn(order, (HAPPENING[pair[0]], HAPPENING[pair[1]]), (1, 0))
        for pair, order in late.items()
    }
    await partners.behave()
    return {pair: await ending(order, answers[pair]) for pair, order in late.items()}


async def race(shop: Shop, partners: Partners, point: str, pair: Pair, behind_a_cancel: Ending | None) -> list[str]:
    """Let two changes race for an order, and say what is wrong with how it ended."""
    changes = HAPPENING[pair[0]], HAPPENING[pair[1]]
    at_once, forth, back = [await POINTS[point].reach(shop) for _ in range(3)]
    both = asyncio.gather(*(told(at_once, at_once.revision + nth, change) for nth, change in enumerate(changes)))
    ended = await ending(at_once, await both)
    possible = [await in_turn(forth, changes, (0, 1)), await in_turn(back, changes, (1, 0)), behind_a_cancel]
    wrong = await disagreements(at_once, await at_once.view(), partners)
    if ended not in possible:
        wrong.append(f"it ended as {ended}, but one after the other as {possible}")
    return wrong


async def told(order: Order, revision: int, change: Change) -> httpx.Response:
    """Tell a change; as an amendment, it is the revision after this one, whoever else was faster."""
    order.revision = revision
    return await change(order)


async def in_turn(order: Order, changes: tuple[Change, Change], turns: tuple[int, int]) -> Ending:
    """Tell one after the other, and return how that ends."""
    return await ending(order, await answers_in_turn(order, changes, turns))


async def answers_in_turn(
    order: Order, changes: tuple[Change, Change], turns: tuple[int, int]
) -> Sequence[httpx.Response]:
    known = order.revision
    answers = {nth: await told(order, known + nth, changes[nth]) for nth in turns}
    return [answers[0], answers[1]]


async def ending(order: Order, answers: Sequence[httpx.Response]) -> Ending:
    """Tell how an order ended. Labels aside, of which more are bought where the carrier was faster than an amendment;
    and without the words of a refusal: of two reasons, the other may have come first."""
    view = await order.settle()
    one, other = (answer.is_success for answer in answers)
    return one, other, state_of(view, await order.holds(), "aside").replace(order.order_no, "SO")
