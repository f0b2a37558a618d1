"""The contract of the ERP port, held against the fake and against the engine with the sandbox's real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from itertools import count
from typing import Any, Protocol, get_args

import pytest

from adapters.erp.port import ErpPort
from domain.erp import ErpLine, ErpMessage, ErpMessageKind, ErpParcel, ErpReceipt
from domain.errors import OutcomeUnknown, Rejected, Unavailable
from tests.adapters.erp.connected import sandbox_erp, sandbox_rest_erp

from .conftest import Sandbox
from .fakes import FakeErp

_numbers = count(1)


def message(kind: ErpMessageKind = "accepted") -> ErpMessage:
    """Make a message of an order of its own, complete for its kind."""
    number = next(_numbers)
    gone = kind in {"shipped", "delivered"}
    return ErpMessage(
        reference=f"acme/SO-{number}/1",
        order_no=f"SO-{number}",
        number=1,
        kind=kind,
        revision=1,
        occurred_at="2026-01-05T09:12:00+01:00",
        lines=(ErpLine(1, "MUG-WHITE", 24, 24, "EA"), ErpLine(2, "DRILL", 2, 2, "EA", "L-1", ("S-1", "S-2"))),
        shipment_no=f"SO-{number}-1" if gone else None,
        carrier="sandbox" if kind == "shipped" else None,
        parcels=(ErpParcel(1, "SBX000000001"),) if kind == "shipped" else (),
        signed_by="I. Holm" if kind == "delivered" else None,
        reason="customer" if kind in {"cancelled", "refused"} else None,
    )


class Erp(Protocol):
    """An ERP behind its port, and the ways to make it misbehave at its next call."""

    @property
    def port(self) -> ErpPort: ...

    async def know(self, order_no: str) -> None: ...
    async def refuse(self, code: str, text: str) -> None: ...
    async def be_busy(self) -> None: ...
    async def lose_answer(self) -> None: ...
    async def garble_answer(self) -> None: ...
    async def lose_question(self) -> None: ...


class Fake:
    def __init__(self) -> None:
        self.port = FakeErp()

    async def know(self, order_no: str) -> None:
        """Take any order for known."""

    async def refuse(self, code: str, text: str) -> None:
        self.port.mishaps.refuse("erp", code, text)

    async def be_busy(self) -> None:
        self.port.mishaps.be_busy()

    async def lose_answer(self) -> None:
        self.port.mishaps.lose_answer()

    async def garble_answer(self) -> None:
        self.port.mishaps.garble_answer()

    async def lose_question(self) -> None:
        self.port.mishaps.lose_answer()


class Mapped:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.port = sandbox_erp(str(sandbox.erp.base_url), sandbox.settings)

    async def know(self, order_no: str) -> None:
        """Take any order for known, as this sandbox is set."""

    async def refuse(self, code: str, text: str) -> None:
        await self._misbehave(kind="fault", operation="AcknowledgeOrder", code=code, message=text)

    async def be_busy(self) -> None:
        await self._misbehave(kind="busy")

    async def lose_answer(self) -> None:
        await self._misbehave(kind="timeout_after", operation="AcknowledgeOrder")

    async def garble_answer(self) -> None:
        await self._misbehave(kind="garbage", operation="AcknowledgeOrder")

    async def lose_question(self) -> None:
        await self._misbehave(kind="timeout_after", operation="FindDocuments")

    async def _misbehave(self, **fault: str) -> None:
        response = await self._sandbox.erp.post("/admin/faults", json={"count": 1, **fault})
        response.raise_for_status()


class MappedRest:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.port = sandbox_rest_erp(str(sandbox.erp.base_url), sandbox.settings)

    async def know(self, order_no: str) -> None:
        """Have a clerk enter the order, under the numbers that messages have for its lines."""
        await self._clerk("/items", [{"no": "MUG-WHITE"}, {"no": "DRILL", "tracking": "SERIE"}])
        address = {"street": "Kehrwieder 2", "zip": "20457", "city": "Hamburg"}
        await self._clerk("/customers", [{"no": "K-1", "name": "Ida Holm", **address}])
        mugs = {"id": "1", "item": "MUG-WHITE", "quantity": "24"}
        drills = {"id": "2", "item": "DRILL", "quantity": "2"}
        await self._clerk("/orders", [{"no": order_no, "customer": "K-1", "positions": [mugs, drills]}])

    async def refuse(self, code: str, text: str) -> None:
        await self._misbehave(kind="fault", operation="confirmations", code=code, message=text)

    async def be_busy(self) -> None:
        await self._misbehave(kind="busy")

    async def lose_answer(self) -> None:
        await self._misbehave(kind="timeout_after", operation="confirmations")

    async def garble_answer(self) -> None:
        await self._misbehave(kind="garbage", operation="confirmations")

    async def lose_question(self) -> None:
        await self._misbehave(kind="timeout_after", operation="documents")

    async def _misbehave(self, **fault: str) -> None:
        await self._clerk("/faults", {"count": 1, **fault})

    async def _clerk(self, path: str, body: Any) -> None:
        (await self._sandbox.erp.post(f"/rest/admin{path}", json=body)).raise_for_status()


@pytest.fixture(params=["fake", "mapped", "mapped_rest"])
async def erp(request: pytest.FixtureRequest, sandbox: Sandbox) -> AsyncIterator[Erp]:
    if request.param == "fake":
        yield Fake()
        return
    mapped = Mapped(sandbox) if request.param == "mapped" else MappedRest(sandbox)
    yield mapped
    mapped.port.close()


async def tell(erp: Erp, told: ErpMessage) -> ErpReceipt:
    await erp.know(told.order_no)
    return await asyncio.to_thread(erp.port.tell, told)


def find(erp: Erp, reference: str) -> Awaitable[ErpReceipt | None]:
    return asyncio.to_thread(erp.port.find, reference)


@pytest.mark.parametrize("kind", get_args(ErpMessageKind))
async def test_every_kind_of_message_is_told_and_found_again_by_our_reference(erp: Erp, kind: ErpMessageKind) -> None:
    told = message(kind)
    receipt = await tell(erp, told)
    assert receipt.reference == told.reference
    assert receipt.document_no
    found = await find(erp, told.reference)
    assert found == receipt
    assert found.document is None or found.document.tells(told)


async def test_what_was_never_told_is_not_found(erp: Erp) -> None:
    assert await find(erp, message().reference) is None


async def test_a_message_that_is_told_again_makes_nothing_more(erp: Erp) -> None:
    told = message()
    first = await tell(erp, told)
    assert await tell(erp, told) == first
    assert await find(erp, told.reference) == first


async def test_a_refusal_is_rejected_in_our_words_with_the_vendors_beside_them_and_leaves_nothing(erp: Erp) -> None:
    told = message()
    await erp.refuse("CREDIT_BLOCK", "The customer is blocked.")
    with pytest.raises(Rejected) as refusal:
        await tell(erp, told)
    assert (refusal.value.code, refusal.value.said) == ("erp_refused", "CREDIT_BLOCK: The customer is blocked.")
    assert "blocked" not in str(refusal.value.as_json())
    assert await find(erp, told.reference) is None


async def test_a_busy_erp_is_unavailable_and_did_nothing(erp: Erp) -> None:
    told = message()
    await erp.be_busy()
    with pytest.raises(Unavailable):
        await tell(erp, told)
    assert await find(erp, told.reference) is None


async def test_a_lost_answer_leaves_the_outcome_unknown_until_it_is_told_again(erp: Erp) -> None:
    told = message()
    await erp.lose_answer()
    with pytest.raises(OutcomeUnknown):
        await tell(erp, told)
    found = await find(erp, told.reference)
    assert found is not None
    assert await tell(erp, told) == found


async def test_garbage_for_an_answer_leaves_the_outcome_unknown(erp: Erp) -> None:
    told = message()
    await erp.garble_answer()
    with pytest.raises(OutcomeUnknown):
        await tell(erp, told)
    assert await find(erp, told.reference) is None


async def test_a_question_that_is_not_answered_may_simply_be_asked_again(erp: Erp) -> None:
    told = message()
    receipt = await tell(erp, told)
    for fail in (erp.lose_question, erp.be_busy):
        await fail()
        with pytest.raises(Unavailable):
            await find(erp, told.reference)
    assert await find(erp, told.reference) == receipt
