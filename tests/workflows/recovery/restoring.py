"""What is lost with a restore from a backup, by kind: how an order stands then, and what happens to it afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.workflows.hub import ADDRESS, Hub
from tests.workflows.partners import Partners

ELSEWHERE: Final = {**ADDRESS, "street": ["Sandtorkai 1"]}


@dataclass
class Lost:
    """An order with what is lost of it."""

    hub: Hub
    partners: Partners
    order_no: str

    @property
    def sku(self) -> str:
        return self.order_no

    async def push(self, quantity: int = 10, revision: int = 1, **fields: Any) -> None:
        await self.hub.push(self.order_no, {1: (self.sku, quantity)}, revision, **fields)

    async def pick(self, quantity: int = 10, pick_no: str = "P-1") -> None:
        row = await self.hub.pick(self.order_no, {1: (self.sku, quantity)}, pick_no)
        assert row.state == "accepted", row.answer

    async def ship(self, number: int = 1) -> None:
        row = await self.hub.ship(self.order_no, f"{self.order_no}-{number}")
        assert row.state == "accepted", row.answer
        await self.hub.until_labeled(self.order_no)

    async def hand_over(self, number: int = 1) -> None:
        row = await self.hub.hand_over(self.order_no, f"{self.order_no}-{number}")
        assert row.state == "accepted", row.answer

    async def collect(self) -> None:
        """Give the parcels to the carrier, which tells of them when it is asked."""
        await self.partners.collect(await self.hub.until_labeled(self.order_no))

    async def relabel(self) -> None:
        (before,) = await self.hub.tracking_numbers(self.order_no)
        await self.push(revision=2, ship_to=ELSEWHERE)
        await self.hub.until_labeled(self.order_no, but=before)

    async def leave(self, quantity: int = 10, number: int = 1, pick_no: str = "P-1") -> None:
        await self.pick(quantity, pick_no)
        await self.ship(number)
        await self.hand_over(number)
        await self.collect()

    async def told(self) -> None:
        await self.hub.until_told_all(self.order_no)

    async def closed(self) -> None:
        await self.hub.until_closed(self.order_no)


Step = Callable[[Lost], Awaitable[Any]]


async def nothing(_: Lost) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Loss:
    """A kind of thing that is lost. It is all said in these steps; `rest` is what happens to the order afterwards.

    `documents` are what the ERP has in the end, `bookings` how many labels were bought, voided ones too.
    """

    before: Step
    lost: Step
    again: Step
    rest: Step
    rest_unsaid: Step
    documents: tuple[str, ...]
    bookings: int
    documents_unsaid: tuple[str, ...]
    bookings_unsaid: int


async def _pushed(order: Lost) -> None:
    await order.push()
    await order.told()


async def _picked(order: Lost) -> None:
    await _pushed(order)
    await order.pick()


async def _labeled(order: Lost) -> None:
    await _picked(order)
    await order.ship()


async def _gone(order: Lost) -> None:
    await _labeled(order)
    await order.hand_over()
    await order.told()


async def _arrived(order: Lost) -> None:
    await _gone(order)
    await order.collect()
    await order.closed()


async def _amend(order: Lost) -> None:
    await order.push(12, 2)
    await order.told()


async def _cancel(order: Lost) -> None:
    await order.hub.cancel(order.order_no)
    await order.closed()


async def _hand_over(order: Lost) -> None:
    await order.hand_over()
    await order.told()


async def _arrive(order: Lost) -> None:
    await order.collect()
    await order.closed()


async def _heard(order: Lost) -> None:
    (number,) = await order.hub.tracking_numbers(order.order_no)
    await order.hub.hear(number, "delivered")


async def _come_back(order: Lost) -> None:
    await order.hub.take_back(order.order_no, {1: (order.sku, 3)})
    await order.told()


async def _leave(order: Lost) -> None:
    await order.leave()
    await order.closed()


async def _leave_with_more(order: Lost) -> None:
    await order.leave(12)
    await order.closed()


async def _leave_by_another_pick(order: Lost) -> None:
    await order.leave(pick_no="P-2")
    await order.closed()


async def _leave_when_picked(order: Lost) -> None:
    await order.ship()
    await _leave_when_labeled(order)


async def _leave_by_another_shipment(order: Lost) -> None:
    await order.ship(2)
    await order.hand_over(2)
    await order.collect()
    await order.closed()


async def _leave_when_labeled(order: Lost) -> None:
    await order.hand_over()
    await order.collect()
    await order.closed()


async def _leave_unseen(order: Lost) -> None:
    await order.collect()
    await order.closed()


async def _closed(order: Lost) -> None:
    await order.closed()


async def _leave_with_another_label(order: Lost) -> None:
    """The label that we know of is worth nothing: a person is told so, and has another bought."""
    attention = await order.hub.until_attention(order.order_no)
    assert attention["step"].startswith("parcel/")
    (before,) = await order.hub.tracking_numbers(order.order_no)
    await order.hub.operate(order.order_no, "retry_step")
    await order.hub.until_labeled(order.order_no, but=before)
    await _leave_when_labeled(order)


REST: Final = ("shipped", "delivered")
BEGUN: Final = ("accepted", "reserved")

LOSSES: Final[dict[str, Loss]] = {
    "push": Loss(nothing, _pushed, Lost.push, _leave, nothing, (*BEGUN, *REST), 1, BEGUN, 0),
    "amend": Loss(
        _pushed,
        _amend,
        lambda x: x.push(12, 2),
        _leave_with_more,
        _leave,
        (*BEGUN, "amended", *REST),
        1,
        (*BEGUN, "amended", *REST),
        1,
    ),
    "cancel": Loss(
        _pushed, _cancel, _cancel, _closed, _leave, (*BEGUN, "cancelled"), 0, (*BEGUN, "cancelled", *REST), 1
    ),
    "pick": Loss(
        _pushed,
        Lost.pick,
        Lost.pick,
        _leave_when_picked,
        _leave_by_another_pick,
        (*BEGUN, *REST),
        1,
        (*BEGUN, *REST),
        1,
    ),
    "ship": Loss(
        _picked,
        Lost.ship,
        Lost.ship,
        _leave_when_labeled,
        _leave_by_another_shipment,
        (*BEGUN, *REST),
        1,
        (*BEGUN, *REST),
        2,
    ),
    "hand-over": Loss(
        _labeled, _hand_over, Lost.hand_over, _leave_unseen, _leave_unseen, (*BEGUN, *REST), 1, (*BEGUN, *REST), 1
    ),
    "delivered": Loss(_gone, _arrive, _heard, _closed, _closed, (*BEGUN, *REST), 1, (*BEGUN, *REST), 1),
    "return": Loss(
        _arrived,
        _come_back,
        _come_back,
        nothing,
        nothing,
        (*BEGUN, *REST, "returned"),
        1,
        (*BEGUN, *REST, "returned"),
        1,
    ),
    "ERP message": Loss(Lost.push, Lost.told, nothing, _leave, _leave, (*BEGUN, *REST), 1, (*BEGUN, *REST), 1),
    "label replaced": Loss(
        _labeled,
        Lost.relabel,
        lambda x: x.push(revision=2, ship_to=ELSEWHERE),
        _leave_when_labeled,
        _leave_with_another_label,
        (*BEGUN, "amended", *REST),
        2,
        (*BEGUN, "amended", *REST),
        3,
    ),
}
"""The ERP is down at the backup, so that of the kind *ERP message* none was told."""
