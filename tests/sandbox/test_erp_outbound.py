"""The ERP's outbound job: it keeps the order, pushes it with its key, tries again, and doubles on demand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def _pushed(sandbox: Any, order_no: str) -> list[tuple[str, str, int]]:
    pushes = [
        (path, headers["authorization"], json.loads(raw))
        for path, headers, raw in sandbox.hub.requests
        if path == "/api/orders/outbound"
    ]
    return [(path, key, body["revision"]) for path, key, body in pushes if body["order_no"] == order_no]


async def test_an_order_is_kept_and_pushed_with_the_erps_key(sandbox: Any) -> None:
    order = {"order_no": "SO-PUSH-1", "revision": 3, "site": "HAM", "lines": [{"line_no": 1, "sku": "MUG"}]}
    answers = (await sandbox.erp.post("/admin/push", json={"order": order})).json()["answers"]
    kept = (await sandbox.erp.get("/admin/orders")).json()
    assert answers == [
        {"order_no": "SO-PUSH-1", "revision": 3, "status": 202, "body": {"received": True}, "tries": 1, "error": None}
    ]
    assert _pushed(sandbox, "SO-PUSH-1") == [("/api/orders/outbound", f"Bearer {sandbox.settings.api_key}", 3)]
    assert [row["body"] for row in kept if row["order_no"] == "SO-PUSH-1"] == [order]


async def test_a_push_can_be_doubled(sandbox: Any) -> None:
    order = {"order_no": "SO-PUSH-2", "revision": 1, "lines": []}
    answers = (await sandbox.erp.post("/admin/push", json={"order": order, "times": 2})).json()["answers"]
    assert [answer["status"] for answer in answers] == [202, 202]
    assert len(_pushed(sandbox, "SO-PUSH-2")) == 2


async def test_revisions_can_be_pushed_out_of_order(sandbox: Any) -> None:
    orders = [{"order_no": "SO-PUSH-3", "revision": revision, "lines": []} for revision in (1, 2)]
    await sandbox.erp.post("/admin/push", json={"orders": orders, "out_of_order": True})
    assert [revision for _, _, revision in _pushed(sandbox, "SO-PUSH-3")] == [2, 1]


async def test_a_hub_that_is_away_is_tried_again(sandbox: Any) -> None:
    sandbox.hub.next_statuses.append(503)
    order = {"order_no": "SO-PUSH-4", "revision": 1, "lines": []}
    (answer,) = (await sandbox.erp.post("/admin/push", json=order)).json()["answers"]
    assert (answer["status"], answer["tries"]) == (202, 2)


async def test_a_refusal_by_the_hub_is_not_tried_again(sandbox: Any) -> None:
    sandbox.hub.next_statuses.append(422)
    order = {"order_no": "SO-PUSH-5", "revision": 1, "lines": []}
    (answer,) = (await sandbox.erp.post("/admin/push", json=order)).json()["answers"]
    assert (answer["status"], answer["tries"]) == (422, 1)


async def test_documents_survive_a_restart_and_nobody_answering_is_told(
    another_sandbox: Callable[..., Any], tmp_path: Path, reference: str
) -> None:
    away = {"hub_url": "http://127.0.0.1:9", "push_tries": 1}
    order = {"order_no": "SO-1", "revision": 1, "lines": [{"line_no": 1}]}
    async with another_sandbox(tmp_path, **away) as before:
        (answer,) = (await before.erp.post("/admin/push", json=order)).json()["answers"]
        first = await before.amend("SO-1", reference)
    async with another_sandbox(tmp_path, **away) as after:
        second = await after.amend("SO-1", reference)
        documents = await after.documents("SO-1")

    assert answer["status"] is None
    assert "ConnectError" in answer["error"]
    assert [document["document_no"] for document in documents] == [first.text("DocumentNo"), second.text("DocumentNo")]


async def test_an_erp_told_to_takes_messages_of_orders_that_it_never_pushed(
    another_sandbox: Callable[..., Any], reference: str
) -> None:
    async with another_sandbox(erp_unknown_orders="accept") as sandbox:
        assert (await sandbox.amend("SO-NOBODY", reference)).text("ResultCode") == "0"
