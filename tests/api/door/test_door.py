"""Who may come in, what is read, and how it is told that something is wrong."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import pytest

from tests.api.doorway import Door, code_of, faults_of, push


async def test_a_request_without_a_key_is_turned_away_before_its_body_is_read(door: Door) -> None:
    answer = await door.http.post("/api/orders/outbound", content=b"{not json")
    assert (answer.status_code, code_of(answer)) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("authorization", ["Bearer wrong", "Basic a2V5", "Bearer ", "Bearer \u00e9", "key"])
async def test_a_wrong_key_is_turned_away(door: Door, authorization: str) -> None:
    answer = await door.http.get("/api/products", headers={"Authorization": authorization.encode()})
    assert (answer.status_code, code_of(answer)) == (401, "unauthorized")


async def test_a_problem_names_the_request_that_it_is_about(door: Door) -> None:
    headers = {**door.headers(), "X-Request-Id": "floor-7"}
    answer = await door.http.get("/api/products/NO-SUCH", headers=headers)
    told = answer.json()
    assert answer.status_code == 404
    assert answer.headers["x-request-id"] == told["request_id"] == "floor-7"
    assert told["instance"] == "/api/products/NO-SUCH"
    assert (told["title"], told["status"], told["errors"]) == ("Not found", 404, [])


async def test_a_request_id_that_could_break_a_log_line_is_replaced(door: Door) -> None:
    answer = await door.http.get("/healthz", headers={"X-Request-Id": "a b\tc"})
    assert len(answer.headers["x-request-id"]) == 36


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{'a': 1}", b"\xff\xfe", b"[" * 1000, b'{"a": ' + b"9" * 5000 + b"}"],
    ids=["empty", "cut off", "no json", "no utf-8", "nested", "a number without end"],
)
async def test_what_is_not_json_is_malformed(door: Door, body: bytes) -> None:
    headers = {**door.headers(), "Content-Type": "application/json"}
    answer = await door.http.post("/api/orders/outbound", content=body, headers=headers)
    assert (answer.status_code, code_of(answer)) == (400, "malformed")


async def test_a_body_of_another_type_is_not_taken(door: Door) -> None:
    headers = {**door.headers(), "Content-Type": "application/xml"}
    answer = await door.http.post("/api/orders/outbound", content=b"<order/>", headers=headers)
    assert (answer.status_code, code_of(answer)) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "encoding",
    [
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "GZip"},
        {"Content-Encoding": "identity, br"},
        {"Content-Encoding": "zstd"},
        {"Content-Encoding": "what-nobody-knows"},
    ],
)
@pytest.mark.parametrize("path", ["/api/orders/outbound", "/api/callbacks/carriers/sandbox/sandbox"])
async def test_a_body_that_is_compressed_is_not_taken_nor_unpacked(
    door: Door, path: str, encoding: dict[str, str]
) -> None:
    headers = {**door.headers(), "Content-Type": "application/json", **encoding}
    answer = await door.http.post(path, content=gzip.compress(bytes(2**20)), headers=headers)
    assert (answer.status_code, code_of(answer)) == (415, "unsupported_media_type")
    assert answer.headers["accept-encoding"] == "identity"


async def test_a_body_that_says_that_it_is_as_it_is_is_taken(shop: Door) -> None:
    answer = await shop.http.post(
        "/api/orders/outbound", json={}, headers={**shop.headers(), "Content-Encoding": "identity"}
    )
    assert (answer.status_code, code_of(answer)) == (422, "missing")


async def test_a_body_over_the_limit_is_not_taken(shop: Door) -> None:
    before = await shop.counts()
    answer = await shop.post("/api/orders/outbound", push(note="x" * 70_000))
    assert (answer.status_code, code_of(answer)) == (413, "too_large")
    assert await shop.counts() == before


async def test_a_body_that_hides_its_length_is_counted(door: Door) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1024

    headers = {**door.headers(), "Content-Type": "application/json"}
    answer = await door.http.post("/api/products", content=chunks(), headers=headers)
    assert (answer.status_code, code_of(answer)) == (413, "too_large")


async def test_an_address_that_is_not_there_is_a_problem_too(door: Door) -> None:
    answer = await door.http.get("/api/nothing")
    assert (answer.status_code, code_of(answer)) == (404, "not_found")


async def test_a_method_that_is_not_taken_is_a_problem_that_names_the_others(door: Door) -> None:
    answer = await door.http.delete("/api/products", headers=door.headers())
    assert (answer.status_code, code_of(answer)) == (405, "method_not_allowed")
    assert answer.headers["allow"]


async def test_unknown_fields_are_refused_by_name(door: Door) -> None:
    answer = await door.post("/api/products", {"sku": "A", "base_uom": "EA", "colour~/": "red"})
    assert faults_of(answer) == [("/colour~0~1", "unknown_field")]
    assert answer.json()["type"] == "/problems/unknown-field"


async def test_half_a_character_is_told_of_without_stumbling(door: Door) -> None:
    headers = {**door.headers(), "Content-Type": "application/json"}
    for body in (
        b'{"sku": "A", "base_uom": "EA", "description": "\\ud800"}',
        b'{"sku": "A", "base_uom": "EA", "\\ud800": 1}',
        b'{"sku": "\\ud800", "base_uom": "EA"}',
    ):
        answer = await door.http.post("/api/products", content=body, headers=headers)
        assert (answer.status_code, code_of(answer)) == (422, "invalid")


async def test_a_document_of_another_shape_is_refused(door: Door) -> None:
    for body in ([], "text", 7):
        answer = await door.post("/api/products", body)
        assert answer.status_code == 422, answer.text


async def test_a_nul_is_refused_before_the_database_sees_it(shop: Door) -> None:
    answer = await shop.post("/api/orders/outbound", push(note="a\x00b"))
    assert faults_of(answer) == [("/note", "control_character")]


async def test_all_faults_of_a_body_come_in_one_answer(shop: Door) -> None:
    before = await shop.counts()
    body = push(
        carrier="pigeon",
        lines=[
            {"line_no": 1, "sku": "NO-SUCH", "quantity": 2.5},
            {"line_no": 1, "sku": "MUG-WHITE", "quantity": "0.5", "uom": "EA"},
            {"line_no": 3, "sku": "MUG-WHITE", "quantity": 1, "uom": "BOX", "colour": "red"},
            {"sku": "MUG-WHITE", "quantity": 0},
        ],
    )
    answer = await shop.post("/api/orders/outbound", body)
    assert answer.status_code == 422
    assert set(faults_of(answer)) == {
        ("/lines/0/quantity", "malformed_quantity"),
        ("/lines/0/sku", "unknown_sku"),
        ("/lines/1/quantity", "fractional_quantity"),
        ("/lines/1/line_no", "duplicate_line"),
        ("/lines/2/uom", "unknown_uom"),
        ("/lines/2/colour", "unknown_field"),
        ("/lines/3/line_no", "missing"),
        ("/lines/3/quantity", "quantity_not_positive"),
        ("/carrier", "unknown_carrier"),
    }
    assert await shop.counts() == before


async def test_a_tenant_sees_nothing_of_another(shop: Door, door: Door) -> None:
    from records.access import api_keys

    async with shop.engine.begin() as connection:
        await api_keys.register_key(connection, tenant=f"{shop.tenant}-b", source="erp", key=f"b-{shop.tenant}")
    assert (await door.get("/api/products/MUG-WHITE", key=f"b-{shop.tenant}")).status_code == 404


async def test_a_cursor_that_was_never_given_out_is_refused(door: Door) -> None:
    for cursor in ("x", "eyJhIjogMX0", "WyJhIiwgImIiXQ", "\u00e9"):
        answer = await door.get("/api/products", cursor=cursor)
        assert faults_of(answer) == [("/query/cursor", "bad_cursor")]
