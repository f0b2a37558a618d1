"""The contract is a file, and what breaks a client of the last release needs a decision."""

from __future__ import annotations

import copy
import json
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.app import described
from tests.api.doorway import Door

from .contract import broken

ROOT = Path(__file__).parents[3]
DOCUMENT = "docs/openapi.json"

Document = dict[str, Any]


def committed() -> Document:
    return dict(json.loads((ROOT / DOCUMENT).read_text()))


async def test_the_committed_document_is_what_the_api_serves(door: Door) -> None:
    assert committed() == described() == (await door.http.get("/openapi.json")).json(), "run `make openapi`"


def git(*arguments: str) -> str | None:
    answer = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return answer.stdout if answer.returncode == 0 else None


def released() -> tuple[str, Document]:
    """Return the last release that this is built on, and its document; before the first, the one committed first."""
    tag = (git("describe", "--tags", "--abbrev=0") or "").strip()
    known = git("show", f"{tag}:{DOCUMENT}") if tag else None
    if known is not None:
        return tag, json.loads(known)
    first = (git("log", "--diff-filter=A", "--format=%h", "--", DOCUMENT) or "").split()[-1:]
    known = git("show", f"{first[0]}:{DOCUMENT}") if first else None
    return (first[0], json.loads(known)) if known else ("now", committed())


def test_what_breaks_a_client_of_the_last_release_was_decided() -> None:
    release, document = released()
    listed = tomllib.loads((ROOT / "docs" / "contract-breaks.toml").read_text())["break"]
    assert {known["what"] for known in listed} == set(broken(document, committed())), f"since {release}"


def test_each_break_that_is_listed_names_a_page_of_decisions() -> None:
    for known in tomllib.loads((ROOT / "docs" / "contract-breaks.toml").read_text())["break"]:
        assert list((ROOT / "docs" / "decisions").glob(f"{known['decision']}-*.md")), known


# -- the rules -------------------------------------------------------------------------------------------------------

BASE: Document = {
    "paths": {
        "/mugs": {
            "get": {
                "parameters": [
                    {"in": "query", "name": "color", "schema": {"type": "string", "enum": ["red", "blue"]}},
                    {"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": 100}},
                ],
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/View"}}}}
                },
            },
            "post": {
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Mug"}}}},
                "responses": {
                    "201": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/View"}}}}
                },
            },
        }
    },
    "components": {
        "schemas": {
            "Mug": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "maxLength": 64, "pattern": "^[a-z]+$"},
                    "size": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}, {"type": "null"}]},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Mug"}},
                },
            },
            "View": {
                "type": "object",
                "required": ["name", "state"],
                "properties": {
                    "name": {"type": "string"},
                    "state": {"type": "string", "enum": ["whole", "broken"]},
                    "size": {"type": "integer"},
                },
            },
        }
    },
}


def without_path(new: Document) -> None:
    del new["paths"]["/mugs"]


def without_method(new: Document) -> None:
    del new["paths"]["/mugs"]["post"]


def without_parameter(new: Document) -> None:
    del new["paths"]["/mugs"]["get"]["parameters"][0]


def with_a_parameter_that_must_be(new: Document) -> None:
    new["paths"]["/mugs"]["get"]["parameters"].append({"in": "query", "name": "site", "required": True, "schema": {}})


def with_fewer_values_of_a_parameter(new: Document) -> None:
    new["paths"]["/mugs"]["get"]["parameters"][0]["schema"]["enum"] = ["red"]


def with_a_lower_limit(new: Document) -> None:
    new["paths"]["/mugs"]["get"]["parameters"][1]["schema"]["maximum"] = 50


def without_a_field_of_a_body(new: Document) -> None:
    del new["components"]["schemas"]["Mug"]["properties"]["size"]


def with_a_field_that_must_be(new: Document) -> None:
    new["components"]["schemas"]["Mug"]["required"].append("weight")
    new["components"]["schemas"]["Mug"]["properties"]["weight"] = {"type": "integer"}


def with_a_narrower_field(new: Document) -> None:
    new["components"]["schemas"]["Mug"]["properties"]["size"]["anyOf"].pop(1)


def with_a_stricter_pattern(new: Document) -> None:
    new["components"]["schemas"]["Mug"]["properties"]["name"]["pattern"] = "^[a-c]+$"


def with_another_media_type(new: Document) -> None:
    content = new["paths"]["/mugs"]["post"]["requestBody"]["content"]
    content["application/xml"] = content.pop("application/json")


def without_a_status(new: Document) -> None:
    new["paths"]["/mugs"]["post"]["responses"] = {"202": {}}


def without_a_field_of_an_answer(new: Document) -> None:
    new["components"]["schemas"]["View"]["required"].remove("name")
    del new["components"]["schemas"]["View"]["properties"]["name"]


def with_a_field_that_may_be_missing(new: Document) -> None:
    new["components"]["schemas"]["View"]["required"].remove("state")


def with_a_word_that_nobody_knows(new: Document) -> None:
    new["components"]["schemas"]["View"]["properties"]["state"]["enum"].append("chipped")


def with_null_where_there_was_none(new: Document) -> None:
    new["components"]["schemas"]["View"]["properties"]["size"] = {"anyOf": [{"type": "integer"}, {"type": "null"}]}


@pytest.mark.parametrize(
    ("change", "breaks"),
    [
        (without_path, ["GET /mugs: gone", "POST /mugs: gone"]),
        (without_method, ["POST /mugs: gone"]),
        (without_parameter, ["GET /mugs query color: gone"]),
        (with_a_parameter_that_must_be, ["GET /mugs query site: newly required"]),
        (with_fewer_values_of_a_parameter, ["GET /mugs query color: blue is not taken any more"]),
        (with_a_lower_limit, ["GET /mugs query limit: maximum is 100 on one side, 50 on the other"]),
        (without_a_field_of_a_body, ["POST /mugs request/size: gone"]),
        (with_a_field_that_must_be, ["POST /mugs request/weight: newly required"]),
        (with_a_narrower_field, ["POST /mugs request/size: string is not taken any more"]),
        (with_a_stricter_pattern, ["POST /mugs request/name: pattern is ^[a-z]+$ on one side, ^[a-c]+$ on the other"]),
        (with_another_media_type, ["POST /mugs request: application/json is gone"]),
        (without_a_status, ["POST /mugs 201: gone"]),
        (without_a_field_of_an_answer, ["GET /mugs 200/name: gone", "POST /mugs 201/name: gone"]),
        (
            with_a_field_that_may_be_missing,
            ["GET /mugs 200/state: may be missing now", "POST /mugs 201/state: may be missing now"],
        ),
        (
            with_a_word_that_nobody_knows,
            ["GET /mugs 200/state: chipped may come now", "POST /mugs 201/state: chipped may come now"],
        ),
        (
            with_null_where_there_was_none,
            ["GET /mugs 200/size: null may come now", "POST /mugs 201/size: null may come now"],
        ),
    ],
    ids=lambda given: given.__name__ if callable(given) else "",
)
def test_what_breaks_a_client_is_named(change: Callable[[Document], None], breaks: list[str]) -> None:
    new = copy.deepcopy(BASE)
    change(new)
    assert [line for line in broken(BASE, new) if "parts" not in line] == breaks


def with_more(new: Document) -> None:
    """Take more, and say more: what was known is as it was."""
    new["paths"]["/cups"] = new["paths"]["/mugs"]
    get = new["paths"]["/mugs"]["get"]
    get["parameters"].append({"in": "query", "name": "site", "schema": {"type": "string"}})
    get["parameters"][0]["schema"]["enum"].append("green")
    get["parameters"][1]["schema"]["maximum"] = 500
    get["responses"]["429"] = {}
    mug, view = new["components"]["schemas"]["Mug"], new["components"]["schemas"]["View"]
    mug["properties"]["weight"] = {"type": "integer"}
    mug["properties"]["name"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    mug["required"] = []
    view["properties"]["weight"] = {"type": "integer"}
    view["properties"]["state"] = {"const": "whole", "type": "string"}
    view["required"].append("size")


def test_more_breaks_nobody() -> None:
    new = copy.deepcopy(BASE)
    with_more(new)
    assert broken(BASE, new) == []
    assert broken(new, BASE) != []


def test_a_document_breaks_no_client_of_its_own() -> None:
    assert broken(committed(), committed()) == []
