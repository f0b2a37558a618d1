"""JSON-RPC: one call, and what its answer is."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest

from adapters.erp.transports import json_rpc
from adapters.erp.transports.http import Heard

JSON = "application/json"


def heard(content: object, media_type: str = JSON, status: int = 200) -> Heard:
    text = content if isinstance(content, str) else json.dumps(content)
    return Heard(status, media_type, None, {}, text.encode())


def test_a_call_has_a_method_its_parameters_and_an_id() -> None:
    params = ["admin", {"day": date(2026, 1, 2), "price": Decimal("1.50")}]
    request = json_rpc.write(
        "/", "model.sale.create", params, id=7, headers={"Authorization": "Session x"}, changes=True, codec="tryton"
    )

    assert (request.method, request.path, request.query, request.changes) == ("POST", "/", (), True)
    assert request.headers == {"Accept": JSON, "Content-Type": JSON, "Authorization": "Session x"}
    assert json.loads(request.content) == {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "model.sale.create",
        "params": [
            "admin",
            {
                "day": {"__class__": "date", "year": 2026, "month": 1, "day": 2},
                "price": {"__class__": "Decimal", "decimal": "1.50"},
            },
        ],
    }


@pytest.mark.parametrize("media_type", [JSON, "application/json-rpc"])
def test_an_answer_is_the_result_to_the_last_digit(media_type: str) -> None:
    spoken = json_rpc.read(heard('{"id": 7, "error": null, "result": [1.10, null]}', media_type), id=7)

    assert (spoken.kind, str(spoken.body)) == ("answer", "[Decimal('1.10'), None]")


def test_null_is_a_result() -> None:
    spoken = json_rpc.read(heard({"id": 7, "result": None}), id=7)

    assert (spoken.kind, spoken.body) == ("answer", None)


@pytest.mark.parametrize("status", [200, 400, 401, 500])
@pytest.mark.parametrize("id_", [7, None])
def test_an_error_is_a_fault_whatever_the_status(status: int, id_: int | None) -> None:
    error = ["UserError", ["wrong password", ""], None]
    spoken = json_rpc.read(heard({"id": id_, "error": error}, status=status), id=7)

    assert (spoken.kind, spoken.body, spoken.status) == ("fault", error, status)


def test_a_fault_without_an_envelope_is_what_it_says() -> None:
    page = json_rpc.read(heard("<h1>Bad gateway</h1>", "text/html", 502), id=7)
    listed = json_rpc.read(heard(["UserWarning", 1], status=409), id=7)

    assert (page.kind, page.body) == ("fault", "<h1>Bad gateway</h1>")
    assert (listed.kind, listed.body) == ("fault", ["UserWarning", Decimal(1)])


@pytest.mark.parametrize(
    "content",
    [
        heard({"id": 8, "result": 1}),
        heard({"id": "7", "result": 1}),
        heard({"id": True, "result": 1}),
        heard({"id": [7], "result": 1}),
        heard({"result": 1}),
        heard({"id": 7}),
        heard({"id": 8, "error": "of another"}),
        heard([{"id": 7, "result": 1}]),
        heard("null"),
        heard(""),
        heard("<html>log in</html>", "text/html"),
        heard({"id": 7, "result": 1}, "text/html"),
        heard('{"id": 7, "result": 1, "result": 2}'),
        heard({"id": 7, "result": 1}, status=302),
    ],
)
def test_what_does_not_answer_the_call_is_something_else(content: Heard) -> None:
    assert json_rpc.read(content, id=7).kind == "other"


def test_a_result_of_a_call_that_failed_is_no_answer() -> None:
    assert json_rpc.read(heard({"id": 7, "result": 1}, status=500), id=7).kind == "fault"
