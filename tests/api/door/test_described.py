"""What the OpenAPI document and the page of problems say is what the code does."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from api.door import examples, problems
from domain import api_keys, commands, connections, shapes
from domain.errors import Kind, Rejected
from tests.api.doorway import Door, push

HOUSE = Path(__file__).parents[3]
PAGE = HOUSE / "docs" / "problems.md"
AREAS = ("domain", "ledger", "records", "queries", "commands", "activities", "relay", "api")
# What an order's view and a connection's test tell of the engine: a mapping has codes of its own beside these.
OF_ERPS = ("adapters/egress.py", "adapters/erp/engine", "adapters/erp/transports")

# Where a code stands in a call, by the name that is called; what else takes codes calls these.
POSITIONS = {
    "Rejected": 0,
    "__init__": 0,
    "Fault": 1,
    "fault": 1,
    "PydanticCustomError": 0,
    "problem": 1,
    "too_much": 5,
    "_stray_parameter": 0,
}
BY_FAULTS = {"add": 2}
BEFORE_THE_DOOR = {"_refuse": 1}
# Raised by a carrier's adapter, and told at the door.
CALLBACKS = {"invalid_signature", "stale_signature", "malformed"}


def codes_in(path: Path, positions: dict[str, int]) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    constants = dict(constants_in(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            position = positions.get(name)
            named = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            if position is not None and position < len(node.args):
                named.append(node.args[position])
            for value in (inner for outer in named for inner in getattr(outer, "values", [outer])):
                code = constants.get(value.id) if isinstance(value, ast.Name) else getattr(value, "value", None)
                if isinstance(code, str) and re.fullmatch("[a-z_]+", code):
                    yield code


def constants_in(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                yield name, text
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(text))):
                yield name, text


def used_codes() -> set[str]:
    found = set(CALLBACKS)
    for area in AREAS:
        for path in (HOUSE / area).rglob("*.py"):
            found |= set(codes_in(path, POSITIONS | BY_FAULTS if area in {"api", "commands"} else POSITIONS))
    for area in OF_ERPS:
        for path in [HOUSE / area] if area.endswith(".py") else (HOUSE / area).rglob("*.py"):
            found |= set(codes_in(path, POSITIONS))
    found |= set(codes_in(HOUSE / "runtime" / "processes" / "connections.py", BEFORE_THE_DOOR))
    found |= {code for code, _ in problems._OF_STATUS.values()}
    found |= {*problems._OF_SHAPE.values(), "invalid", "invalid_request", "conflict", "refused"}
    return found - {"code"}


def test_every_code_is_on_the_page_of_problems_and_no_other() -> None:
    page = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE.read_text(), re.MULTILINE))
    assert used_codes() - page == set(), "not on the page"
    assert page - used_codes() == set(), "on the page, but never used"


# Refusals without a place that their one caller turns into faults which have one.
POINTED_AT_BY_THE_CALLER = {
    ("domain/units.py", "unknown_uom"),
    ("domain/units.py", "malformed_quantity"),
    ("domain/units.py", "quantity_not_positive"),
    ("domain/units.py", "quantity_too_large"),
    ("domain/units.py", "fractional_quantity"),
    ("ledger/rules/reserving.py", "insufficient_stock"),
    ("ledger/reads/balances.py", "bad_cursor"),
    ("ledger/instants.py", "as_of_in_future"),
}
# What a worker hears of a partner: it stops a step, and answers nobody at the door.
OF_PARTNERS = {"commands/shipping/book_label.py", "commands/erp/tell.py", "domain/connections.py"}


def refused_without_a_place() -> set[tuple[str, str]]:
    """Find where 422 is said of nothing in particular."""
    found = set()
    for area in AREAS:
        for path in (HOUSE / area).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Rejected":
                    given = {keyword.arg for keyword in node.keywords}
                    if len(node.args) < 3 and not given & {"kind", "faults"}:
                        found.add((path.relative_to(HOUSE).as_posix(), ast.literal_eval(node.args[0])))
    return {(path, code) for path, code in found if path not in OF_PARTNERS}


def test_whatever_is_refused_with_422_says_what_of_the_request_it_is_about() -> None:
    assert refused_without_a_place() == POINTED_AT_BY_THE_CALLER


def test_a_refusal_that_an_older_build_kept_without_a_place_is_told_of_the_whole_request() -> None:
    kept = {"code": "count_outdated", "detail": "Count again.", "status": 422}
    assert problems.document_of(Rejected.from_json(kept))["errors"] == [
        {"pointer": "", "code": "count_outdated", "detail": "Count again."}
    ]
    assert problems.document_of(Rejected.from_json({**kept, "status": 409}))["errors"] == []


def test_a_refusal_of_each_kind_is_answered_as_an_older_build_wrote_it_down() -> None:
    assert set(problems.STATUS_OF) == set(Kind)
    for kind in Kind:
        kept = Rejected("order_closed", "The order is closed.", kind=kind).as_json()
        assert problems.STATUS_OF[kind] == kept["status"]
        assert problems.document_of(Rejected.from_json(kept))["status"] == kept["status"]
        assert problems.STATUS_OF[Rejected.from_json(kept).kind] == kept["status"]


def test_codes_are_written_as_titles_that_people_read() -> None:
    assert problems.title_of("unknown_sku") == "Unknown SKU"
    assert problems.title_of("order_closed") == "Order closed"


@pytest.mark.parametrize(
    ("shape", "example"),
    [
        (shapes.Product, examples.PRODUCT),
        (shapes.Location, examples.SITE),
        (shapes.Location, examples.BIN),
        (shapes.Inbound, examples.INBOUND),
        (shapes.InboundCancel, examples.INBOUND_CANCEL),
        (shapes.Receipt, examples.RECEIPT),
        (shapes.UnorderedReceipt, examples.UNORDERED_RECEIPT),
        (shapes.ReceiptReversal, examples.RECEIPT_REVERSAL),
        (commands.Push, examples.PUSH),
        (commands.Push, examples.REPLACEMENT),
        (commands.Pick, examples.PICK),
        (commands.PutBackDone, examples.PUT_BACK),
        (commands.Ship, examples.SHIP),
        (commands.HandOver, examples.HAND_OVER),
        (commands.Cancel, examples.CANCEL),
        (commands.Intercept, examples.INTERCEPT),
        (commands.Loss, examples.LOSS),
        (shapes.ReturnAuthorization, examples.RETURN_AUTHORIZATION),
        (commands.Return, examples.RETURN),
        (commands.OperatorAct, examples.OPERATOR_ACT),
        (shapes.Move, examples.MOVE),
        (shapes.Adjustment, examples.ADJUSTMENT),
        (shapes.StatusChange, examples.STATUS_CHANGE),
        (shapes.Recall, examples.RECALL),
        (shapes.Transfer, examples.TRANSFER),
        (shapes.TransferReceipt, examples.TRANSFER_RECEIPT),
        (shapes.Lift, examples.LIFT),
        (shapes.Count, examples.COUNT),
        (shapes.OperatorBatch, examples.OPERATOR_BATCH),
        (api_keys.NewKey, examples.NEW_KEY),
        (api_keys.NewKey, examples.NEW_ADMINISTRATOR),
        (api_keys.KeyRotation, examples.KEY_ROTATION),
        (api_keys.KeyRevocation, examples.KEY_REVOCATION),
        (connections.NewConnection, examples.NEW_ERP),
        (connections.NewConnection, examples.NEW_CARRIER),
        (connections.ConnectionChange, examples.CONNECTION_CHANGE),
        (connections.SecretsGiven, examples.CONNECTION_SECRETS),
        (connections.ConnectionSwitch, examples.CONNECTION_SWITCH),
        (connections.ConnectionRotation, examples.CONNECTION_ROTATION),
    ],
)
def test_each_example_is_taken(shape: type, example: dict) -> None:
    shape.model_validate(json.loads(json.dumps(example)))


async def test_the_description_names_every_address_of_the_contract(door: Door) -> None:
    described = (await door.http.get("/openapi.json")).json()
    calls = {(method, path) for path, methods in described["paths"].items() for method in methods}
    assert calls >= {
        ("post", "/api/products"),
        ("get", "/api/products"),
        ("get", "/api/products/{sku}"),
        ("post", "/api/locations"),
        ("get", "/api/locations"),
        ("get", "/api/locations/{location_id}"),
        ("get", "/api/locations/{location_id}/inventory"),
        ("post", "/api/orders/inbound"),
        ("get", "/api/orders/inbound"),
        ("get", "/api/orders/inbound/{po_no}"),
        ("post", "/api/orders/inbound/{po_no}/cancel"),
        ("post", "/api/orders/inbound/{po_no}/receipts"),
        ("get", "/api/orders/inbound/{po_no}/receipts/{receipt_no}"),
        ("post", "/api/orders/inbound/{po_no}/receipts/{receipt_no}/reversal"),
        ("post", "/api/inventory/receipts"),
        ("get", "/api/inventory/receipts/{receipt_no}"),
        ("post", "/api/inventory/receipts/{receipt_no}/reversal"),
        ("post", "/api/orders/outbound"),
        ("get", "/api/orders"),
        ("get", "/api/orders/{order_no}"),
        ("get", "/api/orders/{order_no}/timeline"),
        ("post", "/api/orders/{order_no}/picks"),
        ("post", "/api/orders/{order_no}/put-backs"),
        ("post", "/api/orders/{order_no}/shipments"),
        ("post", "/api/orders/{order_no}/shipments/{shipment_no}/handover"),
        ("post", "/api/orders/{order_no}/shipments/{shipment_no}/intercept"),
        ("post", "/api/orders/{order_no}/shipments/{shipment_no}/losses"),
        ("post", "/api/orders/{order_no}/cancel"),
        ("post", "/api/orders/{order_no}/return-authorizations"),
        ("get", "/api/orders/{order_no}/return-authorizations/{authorization_no}"),
        ("post", "/api/orders/{order_no}/returns"),
        ("get", "/api/orders/{order_no}/returns/{return_no}"),
        ("post", "/api/orders/{order_no}/operator-acts"),
        ("post", "/api/operator-batches/preview"),
        ("post", "/api/operator-batches"),
        ("get", "/api/operator-batches/{batch_no}"),
        ("post", "/api/callbacks/carriers/{carrier}/{connection}"),
        ("get", "/api/inventory"),
        ("post", "/api/inventory/move"),
        ("post", "/api/inventory/adjustments"),
        ("put", "/api/inventory/{stream_id}/status"),
        ("get", "/api/inventory/discrepancies"),
        ("post", "/api/inventory/discrepancies/{discrepancy_id}/settle"),
        ("get", "/api/ledger/streams/{stream_id}/entries"),
        ("get", "/api/reports/stock-levels"),
        ("post", "/api/keys"),
        ("get", "/api/keys"),
        ("post", "/api/keys/{name}/rotate"),
        ("post", "/api/keys/{name}/revoke"),
        ("post", "/api/connections"),
        ("get", "/api/connections"),
        ("get", "/api/connections/{kind}/{name}"),
        ("patch", "/api/connections/{kind}/{name}"),
        ("put", "/api/connections/{kind}/{name}/secrets"),
        ("post", "/api/connections/{kind}/{name}/switch"),
        ("post", "/api/connections/{kind}/{name}/rotate"),
        ("post", "/api/connections/{kind}/{name}/test"),
        ("delete", "/api/connections/{kind}/{name}"),
        ("get", "/healthz"),
        ("get", "/readyz"),
    }
    assert (await door.http.get("/docs")).status_code == 200


async def test_a_body_is_described_as_its_shape_with_an_example(door: Door) -> None:
    described = (await door.http.get("/openapi.json")).json()
    body = described["paths"]["/api/orders/outbound"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["examples"][0]["order_no"] == "SO-10293"
    schema = {**body["schema"], "components": described["components"]}
    jsonschema.validate(examples.PUSH, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**examples.PUSH, "colour": "red"}, schema)


async def test_answers_are_as_described(shop: Door) -> None:
    await shop.stock()
    described = (await shop.http.get("/openapi.json")).json()

    def check(path: str, method: str, answer: object, status: int, media_type: str = "application/json") -> None:
        told = described["paths"][path][method]["responses"][str(status)]["content"][media_type]["schema"]
        jsonschema.validate(answer, {**told, "components": described["components"]})

    pushed = await shop.post("/api/orders/outbound", push())
    check("/api/orders/outbound", "post", pushed.json(), 201)
    view = await shop.get("/api/orders/SO-1")
    check("/api/orders/{order_no}", "get", view.json(), 200)
    check("/api/orders/{order_no}/timeline", "get", (await shop.get("/api/orders/SO-1/timeline")).json(), 200)
    refused = await shop.post("/api/orders/outbound", push(site="CPH"))
    check("/api/orders/outbound", "post", refused.json(), 422, "application/problem+json")
    check("/api/inventory", "get", (await shop.get("/api/inventory")).json(), 200)
