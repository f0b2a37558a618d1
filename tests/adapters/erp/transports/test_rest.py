"""REST: what is written for what is meant, and what an answer is, whatever it says it is."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from adapters.erp.language.values import MISSING, Value
from adapters.erp.transports import rest
from adapters.erp.transports.http import Heard
from domain.errors import Rejected

JSON = "application/json"


def heard(content: bytes | str, media_type: str = JSON, status: int = 200, charset: str | None = None) -> Heard:
    return Heard(status, media_type, charset, {}, content.encode() if isinstance(content, str) else content)


def write(**given: Any) -> Any:
    usual: dict[str, Any] = {"query": {}, "headers": {}, "send": MISSING, "changes": False}
    return rest.write("POST", "/orders", **(usual | given))


def test_what_is_sent_is_json_to_the_last_digit() -> None:
    request = write(send={"unit_price": Decimal("1.10"), "id": Decimal(7), "name": "Ä", "none": None}, changes=True)

    assert json.loads(request.content, parse_float=Decimal) == {
        "unit_price": Decimal("1.10"),
        "id": 7,
        "name": "Ä",
        "none": None,
    }
    assert b"1.10" in request.content
    assert request.headers["Content-Type"] == JSON
    assert request.changes


def test_nothing_to_send_is_no_body_and_null_is_one() -> None:
    assert (write().content, "Content-Type" in write().headers) == (b"", False)
    assert write(send=None).content == b"null"


def test_what_the_door_says_of_headers_goes_before_what_is_usual() -> None:
    request = write(send={}, headers={"Content-Type": "application/merge-patch+json", "X-Key": "k"})

    assert request.headers["Content-Type"] == "application/merge-patch+json"
    assert (request.headers["X-Key"], request.headers["Accept"]) == ("k", JSON)


QUERY: dict[str, Value] = {
    "f": ["number", "state"],
    "id": Decimal(17),
    "all": True,
    "since": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "day": date(2026, 1, 2),
    "none": None,
    "empty": [],
    "text": "",
}
REST = (
    ("id", "17"),
    ("all", "true"),
    ("since", "2026-01-02T03:04:05+00:00"),
    ("day", "2026-01-02"),
    ("text", ""),
)


def test_a_list_in_a_query_is_a_parameter_again_and_again() -> None:
    assert write(query=QUERY).query == (("f", "number"), ("f", "state"), *REST)


def test_or_one_parameter_with_commas() -> None:
    assert write(query=QUERY, lists="comma").query == (("f", "number,state"), *REST)


def test_what_is_missing_is_left_out_of_a_query() -> None:
    assert write(query={"a": MISSING, "b": "1"}).query == (("b", "1"),)


@pytest.mark.parametrize("value", [{"a": "b"}, [["a"]], [{"a": "b"}]])
def test_what_no_query_can_say_is_refused(value: Value) -> None:
    with pytest.raises(Rejected, match="parameter q"):
        write(query={"q": value})


def test_another_encoding_is_declared_and_never_loses_a_letter() -> None:
    request = write(send={"name": "Ä€😀"}, encoding="iso-8859-1")

    assert request.headers["Content-Type"] == "application/json; charset=iso-8859-1"
    assert request.content.isascii()
    assert json.loads(request.content) == {"name": "Ä€😀"}


# -- answers ----------------------------------------------------------------------------------------------------------


def test_an_answer_is_read_to_the_last_digit() -> None:
    spoken = rest.read(heard('[{"quantity": 2.0, "price": 12345678901234567890.10, "id": 7}]'))

    assert (spoken.kind, spoken.body) == (
        "answer",
        [{"quantity": Decimal("2.0"), "price": Decimal("12345678901234567890.10"), "id": Decimal(7)}],
    )
    assert str(spoken.body[0]["quantity"]) == "2.0"  # type: ignore[index,call-overload]


@pytest.mark.parametrize(
    ("content", "media_type", "status"), [("", "", 204), ("", "text/html", 200), (" \r\n", JSON, 201)]
)
def test_an_empty_answer_says_null(content: str, media_type: str, status: int) -> None:
    spoken = rest.read(heard(content, media_type, status))

    assert (spoken.kind, spoken.body) == ("answer", None)


@pytest.mark.parametrize("media_type", ["application/hal+json", "text/json", "application/vnd.api+json"])
def test_json_has_many_names(media_type: str) -> None:
    assert rest.read(heard("{}", media_type)).kind == "answer"


LOGIN = "<html><body><form action=/login><input name=password></form></body></html>"
OTHERS: dict[str, Heard] = {
    "login-page": heard(LOGIN, "text/html"),
    "login-page-as-json": heard(LOGIN),
    "json-as-a-page": heard("{}", "text/html"),
    "no-type": heard("{}", ""),
    "half": heard('{"a": 1'),
    "more": heard('{"a": 1} {"a": 2}'),
    "a-name-twice": heard('{"a": 1, "a": 2}'),
    "not-a-number": heard('{"a": NaN}'),
    "infinite": heard('{"a": -Infinity}'),
    "too-many-digits": heard('{"a": ' + "9" * 5000 + "}"),
    "too-great": heard('{"a": 1e999999999}'),
    "too-deep": heard("[" * 5000 + "]" * 5000),
    "far-too-deep": heard("[" * 900_000),
    "too-many-parts": heard("[" + "{}," * 1_000_000 + "{}]"),
    "not-utf-8": heard(b'{"a": "\xff"}'),
    "another-encoding": heard('{"a": "Ä"}'.encode("utf-16")),
    "binary": heard(b"\x00\x01\x02", "application/octet-stream"),
    "redirect": heard("", "text/html", 302),
    "not-modified": heard("", "", 304),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_what_the_door_expects_is_something_else(name: str) -> None:
    spoken = rest.read(OTHERS[name])

    assert spoken.kind == "other"
    assert spoken.body == spoken.said
    assert len(spoken.said) <= 2000


@pytest.mark.parametrize("status", [400, 401, 404, 409, 429, 500, 503])
@pytest.mark.parametrize("media_type", [JSON, "text/html", ""])
def test_a_fault_is_read_as_json_if_it_is_that_whatever_it_says_it_is(status: int, media_type: str) -> None:
    spoken = rest.read(heard('["UserError", ["You can not call \\"quote\\""]]', media_type, status))

    assert (spoken.kind, spoken.status) == ("fault", status)
    assert spoken.body == ["UserError", ['You can not call "quote"']]


def test_a_fault_that_is_a_page_is_its_text() -> None:
    spoken = rest.read(heard("<h1>Bad gateway</h1>" * 1000, "text/html", 502))

    assert (spoken.kind, spoken.body) == ("fault", spoken.said)
    assert spoken.said.startswith("<h1>Bad gateway</h1>")
    assert len(spoken.said) == 2000


def test_text_is_an_answer_where_the_door_expects_it() -> None:
    spoken = rest.read(heard("sku;qty\r\nÄ;1", "text/csv"), media={"text/csv"})

    assert (spoken.kind, spoken.body) == ("answer", "sku;qty\r\nÄ;1")


@pytest.mark.parametrize(
    ("declared", "by_the_door", "content", "read"),
    [
        (None, "utf-8", '"Ä€"'.encode(), "Ä€"),
        (None, "iso-8859-1", '"Ä"'.encode("latin-1"), "Ä"),
        ("iso-8859-1", "utf-8", '"Ä"'.encode("latin-1"), "Ä"),
        ("windows-1252", "utf-8", '"€"'.encode("cp1252"), "€"),
        ("utf-8", "iso-8859-1", '"Ä€"'.encode(), "Ä€"),
        ("utf-7", "utf-8", b'"+AGEAYgBj-"', "+AGEAYgBj-"),
        ("nobody-knows", "iso-8859-1", '"Ä"'.encode("latin-1"), "Ä"),
        (None, "utf-8", b'\xef\xbb\xbf"marked"', "marked"),
    ],
)
def test_the_encoding_is_the_doors_unless_the_erp_declares_a_known_one(
    declared: str | None, by_the_door: str, content: bytes, read: str
) -> None:
    spoken = rest.read(heard(content, charset=declared), encoding=by_the_door)

    assert (spoken.kind, spoken.body) == ("answer", read)


def test_half_a_character_is_marked_for_it_could_not_be_kept() -> None:
    assert rest.read(heard('"a\\ud800b"')).body == "a\ufffdb"


# -- Tryton's own -----------------------------------------------------------------------------------------------------


def test_trytons_objects_are_what_they_stand_for() -> None:
    content = {
        "unit_price": {"__class__": "Decimal", "decimal": "1.10"},
        "write_date": {"__class__": "datetime", **dict(zip(TIME, (2026, 11, 29, 23, 59, 58, 123456), strict=True))},
        "sale_date": {"__class__": "date", "year": 2026, "month": 11, "day": 30},
        "lines": [{"quantity": 2, "amount": {"__class__": "Decimal", "decimal": "10"}}],
        "seen": {"__class__": "timedelta", "seconds": 5},
        "odd": {"__class__": ["list"]},
    }
    spoken = rest.read(heard(json.dumps(content)), codec="tryton")

    assert (spoken.kind, spoken.body) == (
        "answer",
        {
            "unit_price": Decimal("1.10"),
            "write_date": datetime(2026, 11, 29, 23, 59, 58, 123456, UTC),
            "sale_date": date(2026, 11, 30),
            "lines": [{"quantity": Decimal(2), "amount": Decimal(10)}],
            "seen": {"__class__": "timedelta", "seconds": Decimal(5)},
            "odd": {"__class__": ["list"]},
        },
    )


TIME = ("year", "month", "day", "hour", "minute", "second", "microsecond")


@pytest.mark.parametrize(
    "wrong",
    [
        {"__class__": "Decimal"},
        {"__class__": "Decimal", "decimal": 1},
        {"__class__": "Decimal", "decimal": "NaN"},
        {"__class__": "Decimal", "decimal": "1e999999"},
        {"__class__": "Decimal", "decimal": "one"},
        {"__class__": "date", "year": 2026, "month": 13, "day": 1},
        {"__class__": "date", "year": 2026, "month": 1.5, "day": 1},
        {"__class__": "date", "year": 10**30, "month": 1, "day": 1},
        {"__class__": "datetime", "year": 2026, "month": 1, "day": 1},
    ],
)
def test_an_object_of_tryton_that_is_none_makes_it_something_else(wrong: Value) -> None:
    assert rest.read(heard(json.dumps([wrong])), codec="tryton").kind == "other"


def test_trytons_objects_are_written_back() -> None:
    sent: Value = {
        "id": Decimal(7),
        "unit_price": Decimal("1.10"),
        "tiny": Decimal("1E-7"),
        "great": Decimal("1E+3"),
        "lines": [["create", [{"day": date(2026, 11, 30)}]]],
        "at": datetime.fromisoformat("2026-11-30T01:00:00.5+02:00"),
        "done": True,
    }
    request = write(send=sent, codec="tryton")

    assert json.loads(request.content) == {
        "id": 7,
        "unit_price": {"__class__": "Decimal", "decimal": "1.10"},
        "tiny": {"__class__": "Decimal", "decimal": "0.0000001"},
        "great": 1000,
        "lines": [["create", [{"day": {"__class__": "date", "year": 2026, "month": 11, "day": 30}}]]],
        "at": {"__class__": "datetime", **dict(zip(TIME, (2026, 11, 29, 23, 0, 0, 500000), strict=True))},
        "done": True,
    }
