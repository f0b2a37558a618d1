"""The ERP's misbehavior: each fault does what it says, to the operation it names, as often as it was asked to."""

from __future__ import annotations

from typing import Any

import httpx
import pytest


async def _ask_for(sandbox: Any, **fault: Any) -> None:
    (await sandbox.erp.post("/admin/faults", json=fault)).raise_for_status()


async def test_down_hangs_up_without_an_answer_and_does_nothing(sandbox: Any, reference: str) -> None:
    order_no = await sandbox.order()
    await _ask_for(sandbox, kind="down", count=1)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await sandbox.amend(order_no, reference)
    assert await sandbox.documents(order_no) == []
    assert (await sandbox.amend(order_no, reference)).text("ResultCode") == "0"


async def test_down_takes_the_wsdl_away_too(sandbox: Any) -> None:
    await _ask_for(sandbox, kind="down")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await sandbox.erp.get("/soap/orders?wsdl")


async def test_timeout_after_does_the_work_and_answers_too_late(sandbox: Any, reference: str) -> None:
    order_no = await sandbox.order()
    await _ask_for(sandbox, kind="timeout_after", count=1, seconds=1.5)
    with pytest.raises(httpx.ReadTimeout):
        await sandbox.amend(order_no, reference, timeout=0.3)
    assert [document["reference"] for document in await sandbox.documents(order_no)] == [reference]


async def test_timeout_after_without_seconds_does_the_work_and_hangs_up(sandbox: Any, reference: str) -> None:
    order_no = await sandbox.order()
    await _ask_for(sandbox, kind="timeout_after", count=1)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await sandbox.amend(order_no, reference)
    assert len(await sandbox.documents(order_no)) == 1


async def test_slow_does_the_work_late_but_well(sandbox: Any, reference: str) -> None:
    order_no = await sandbox.order()
    await _ask_for(sandbox, kind="slow", count=1, seconds=0.3)
    answer = await sandbox.amend(order_no, reference)
    assert answer.text("ResultCode") == "0"
    assert answer.http.elapsed.total_seconds() >= 0.3


async def test_busy_is_a_server_fault_and_nothing_done(sandbox: Any, reference: str) -> None:
    order_no = await sandbox.order()
    await _ask_for(sandbox, kind="busy", count=1)
    assert (await sandbox.amend(order_no, reference)).fault == (500, "soap:Server.Busy")
    assert await sandbox.documents(order_no) == []


async def test_garbage_is_a_page_for_people_under_http_200_and_nothing_done(sandbox: Any, reference: str) -> None:
    order_no = await sandbox.order()
    await _ask_for(sandbox, kind="garbage", count=1)
    answer = await sandbox.amend(order_no, reference)
    assert (answer.http.status_code, answer.http.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert await sandbox.documents(order_no) == []


@pytest.mark.parametrize(
    ("form", "status", "faultcode"),
    [("fault_500", 500, "soap:Client.Business"), ("fault_200", 200, "soap:Client.Business"), ("result", 200, None)],
)
async def test_a_fault_refuses_in_the_form_that_was_asked_for(
    sandbox: Any, reference: str, form: str, status: int, faultcode: str | None
) -> None:
    order_no = await sandbox.order()
    await _ask_for(sandbox, kind="fault", count=1, form=form, code="77", message="No.")
    answer = await sandbox.amend(order_no, reference)
    assert answer.fault == (status, faultcode)
    assert answer.text("ResultCode" if form == "result" else "Code") == "77"
    assert await sandbox.documents(order_no) == []


async def test_a_fault_touches_only_the_operation_it_names(sandbox: Any, reference: str) -> None:
    order_no = await sandbox.order()
    await _ask_for(sandbox, kind="busy", operation="ReportReturn")
    assert (await sandbox.amend(order_no, reference)).text("ResultCode") == "0"
    returned = await sandbox.soap("ReportReturn", sandbox.message(order_no, reference))
    assert returned.fault == (500, "soap:Server.Busy")


async def test_a_fault_happens_as_often_as_asked_or_until_cleared(sandbox: Any, reference: str) -> None:
    await _ask_for(sandbox, kind="busy", count=2)
    faults = [(await sandbox.amend("SO-X", reference)).text("faultcode") for _ in range(3)]
    assert faults == ["soap:Server.Busy", "soap:Server.Busy", None]

    await _ask_for(sandbox, kind="busy")
    assert (await sandbox.amend("SO-X", reference)).text("faultcode") == "soap:Server.Busy"
    assert [fault["count"] for fault in (await sandbox.erp.get("/admin/faults")).json()] == [None]
    await sandbox.erp.delete("/admin/faults")
    assert (await sandbox.amend("SO-X", reference)).text("faultcode") is None


@pytest.mark.parametrize(
    "fault", [{"kind": "drop_callback"}, {"kind": "busy", "operation": "Nonsense"}, {"kind": "earthquake"}]
)
async def test_a_fault_that_this_server_cannot_have_is_refused(sandbox: Any, fault: dict[str, Any]) -> None:
    assert (await sandbox.erp.post("/admin/faults", json=fault)).status_code == 422
