from __future__ import annotations

import json
from datetime import UTC, datetime

import httpx
import pytest

from adapters.carriers.signatures import verify_timestamped
from runtime.demo.hub import Answer, Hub, UnexpectedAnswerError, side_by_side
from runtime.demo.partners import Carrier


def hub_answering(*answers: httpx.Response) -> tuple[Hub, list[httpx.Request]]:
    left, asked = list(answers), []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return left.pop(0)

    return Hub(httpx.AsyncClient(base_url="http://hub", transport=httpx.MockTransport(answer))), asked


async def test_what_is_only_queued_is_told_again_until_it_is_decided() -> None:
    hub, asked = hub_answering(httpx.Response(202, json={}), httpx.Response(200, json={"outcome": "done"}))

    answer = await hub.post("/api/orders/SO-1/picks", {"pick_no": "P-1"})

    assert (answer.status, answer.accepted) == (200, {"outcome": "done"})
    assert {request.content for request in asked} == {b'{"pick_no":"P-1"}'}
    assert len(asked) == 2


async def test_every_page_of_a_list_is_read() -> None:
    hub, asked = hub_answering(
        httpx.Response(200, json={"items": [{"n": 1}], "next": "more"}),
        httpx.Response(200, json={"items": [{"n": 2}], "next": None}),
    )

    assert await hub.every("/api/orders", status="reserved") == [{"n": 1}, {"n": 2}]
    assert asked[1].url.params["cursor"] == "more"


def test_a_refusal_tells_its_code_and_is_no_answer_to_go_on_with() -> None:
    problem = {"type": "/problems/unknown-sku", "detail": "MUG", "errors": [{"code": "unknown_sku"}]}
    answer = Answer(422, problem)

    assert (answer.code, answer.codes, str(answer)) == ("unknown_sku", {"unknown_sku"}, "422 unknown_sku")
    with pytest.raises(UnexpectedAnswerError, match="MUG"):
        _ = answer.accepted


async def test_things_done_side_by_side_come_back_in_their_order() -> None:
    async def number(n: int) -> int:
        return n

    assert await side_by_side((number(n) for n in range(9)), at_once=3) == list(range(9))


def carrier_recording(asked: list[str]) -> Carrier:
    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path} {request.content.decode()}".strip())
        return httpx.Response(201, json={})

    client = httpx.AsyncClient(base_url="http://carrier", transport=httpx.MockTransport(answer))
    return Carrier(client, secret="sesame", callback_path="/callbacks")


async def test_a_fault_is_cleared_whatever_happens_while_it_is_in_force() -> None:
    asked: list[str] = []
    carrier = carrier_recording(asked)

    with pytest.raises(KeyError):
        async with carrier.misbehaving("drop_callback", operation="delivered", count=1):
            raise KeyError("lines")

    kind, cleared = asked
    assert json.loads(kind.removeprefix("POST /admin/faults ")) == {
        "kind": "drop_callback",
        "operation": "delivered",
        "count": 1,
    }
    assert cleared == "DELETE /admin/faults"


def test_the_carrier_signs_as_the_hub_expects_it() -> None:
    signature = carrier_recording([]).signature(b"body")

    verify_timestamped(b"body", {"X-Sandbox-Signature": signature}, "X-Sandbox-Signature", "sesame", datetime.now(UTC))
