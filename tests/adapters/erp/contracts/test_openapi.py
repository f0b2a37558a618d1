from __future__ import annotations

import json

import pytest
import yaml

from adapters.erp.contracts.bundle import Bundle, NotBundled, UnusableContract
from adapters.erp.contracts.describe import UNKNOWN, ListOf, Text, Tree
from adapters.erp.contracts.openapi import NoSuchCall, OpenApiContract, open_api_contract

THREE = """
openapi: 3.0.3
paths:
  /orders:
    parameters:
      - {name: site, in: query, required: true, schema: {type: string}}
    get:
      parameters:
        - $ref: '#/components/parameters/limit'
        - {name: trace, in: header, schema: {type: string}}
      responses:
        200: {$ref: '#/components/responses/Listed'}
    post:
      requestBody: {$ref: '#/components/requestBodies/Order'}
      responses: {'201': {$ref: '#/components/responses/Made'}, '400': {description: bad}}
  /orders/{id}:
    get: {responses: {default: {content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}}}}
  /orders/latest:
    get: {responses: {'204': {description: none}}}
  /orders/{id}/lines/{no}.json:
    put:
      requestBody: {content: {application/x-www-form-urlencoded: {schema: {properties: {no: {type: integer}}}}}}
  /far:
    get: {responses: {'200': {content: {application/json: {schema: {$ref: 'far.yaml#/X'}}}}}}
    post: {requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/Loop'}}}}}
    put: {requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/EitherKind'}}}}}
    patch: {requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/EitherTree'}}}}}
components:
  parameters: {limit: {name: limit, in: query, schema: {type: integer}}}
  requestBodies: {Order: {content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}}}
  responses:
    Made: {content: {application/json: {schema: {properties: {id: {type: integer}}}}}}
    Listed:
      content: {application/json; charset=utf-8: {schema: {type: array, items: {$ref: '#/components/schemas/Order'}}}}
  schemas:
    Base: {type: object, properties: {ref: {type: string}}}
    EitherKind: {oneOf: [{type: string}, {$ref: '#/components/schemas/Base'}]}
    EitherTree: {anyOf: [{properties: {a: {}}}, {properties: {b: {}}}]}
    Loop: {allOf: [{$ref: '#/components/schemas/Loop'}, {$ref: '#/components/schemas/Loop'}]}
    Order:
      allOf:
        - $ref: '#/components/schemas/Base'
        - type: object
          properties:
            no: {type: boolean}
            at: {type: string, format: date-time}
            total: {type: number, nullable: true}
            parts: {type: array, items: {$ref: '#/components/schemas/Order'}}
            extra: {type: object, additionalProperties: true, properties: {a: {type: string}}}
            anything: {}
"""

TWO = """
swagger: '2.0'
basePath: /api
paths:
  /things:
    get:
      parameters: [{name: page, in: query, type: integer}]
      responses: {'200': {schema: {type: array, items: {type: string}}}}
    put:
      parameters: [{name: x, in: body, schema: {$ref: '#/definitions/thing'}}]
      responses: {'200': {schema: {$ref: '#/definitions/thing'}}}
    post: {parameters: [{name: x, in: body, schema: {$ref: '#/definitions/whole'}}], responses: {}}
  /things/{id}/upload:
    post: {parameters: [{name: file, in: formData, type: string}]}
definitions:
  whole: {properties: {request_data: {type: array, items: {type: string}}}}
  thing:
    properties: {a/b: {$ref: '#/paths/~1things/get/parameters/0'}, self: {$ref: '#/definitions/thing'}}
"""

BUNDLE = Bundle({"three.yaml": THREE.encode(), "two.json": json.dumps(yaml.safe_load(TWO)).encode()})
API = OpenApiContract(BUNDLE, "three.yaml")
OLD = OpenApiContract(BUNDLE, "two.json")


def test_all_calls_are_told() -> None:
    assert OLD.calls() == (("GET", "/things"), ("PUT", "/things"), ("POST", "/things"), ("POST", "/things/{id}/upload"))
    assert ("PUT", "/orders/{id}/lines/{no}.json") in API.calls()


@pytest.mark.parametrize(
    ("method", "path", "template"),
    [
        ("GET", "/orders", "/orders"),
        ("get", "/orders/${order.id | text}", "/orders/{id}"),
        ("get", "/orders/SO-${id}", "/orders/{id}"),
        ("get", "/orders/7", "/orders/{id}"),
        ("get", "/orders/latest", "/orders/latest"),
        ("put", "/orders/${id}/lines/${line.no}.json", "/orders/{id}/lines/{no}.json"),
    ],
)
def test_a_path_with_holes_is_found(method: str, path: str, template: str) -> None:
    call = API.call(method, path)
    assert (call.method, call.path) == (method.upper(), template)


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("get", "/order", "did you mean /orders"),
        ("get", "/orders/${id}/line/${no}.json", "/orders/{id}/lines/{no}.json"),
        ("get", "/${x}", "no such path"),
        ("get", "/orders/", "no such path"),
        ("get", "/orders/a/b", "no such path"),
        ("get", "/Orders", "no such path"),
        ("delete", "/orders", "there are: GET, POST"),
        ("get", "/orders/${id}/lines/${no}.json", "there are: PUT"),
        ("", "", "no such path"),
    ],
)
def test_one_that_isnt_there_is_told_with_the_nearest(method: str, path: str, words: str) -> None:
    with pytest.raises(NoSuchCall) as caught:
        API.call(method, path)
    assert words in str(caught.value)


def test_query_parameters_are_the_paths_and_the_methods() -> None:
    call = API.call("get", "/orders")
    assert call.query == {"site": Text("text"), "limit": Text("whole")}
    assert call.required == {"site"}
    assert OLD.call("get", "/things").query == {"page": Text("whole")}


def test_a_body_and_an_answer_have_a_shape_however_deep() -> None:
    call = API.call("post", "/orders")
    shape = call.body
    for _ in range(50):
        assert isinstance(shape, Tree)
        assert list(shape.fields) == ["ref", "no", "at", "total", "parts", "extra", "anything"]
        assert not shape.open
        assert shape.fields["no"] == Text("boolean")
        assert shape.fields["at"] == Text("time")
        assert shape.fields["total"] == Text("number")
        assert shape.fields["anything"] == UNKNOWN
        extra, parts = shape.fields["extra"], shape.fields["parts"]
        assert isinstance(extra, Tree)
        assert extra.open
        assert isinstance(parts, ListOf)
        shape = parts.item
    assert isinstance(call.answer, Tree)
    assert list(call.answer.fields) == ["id"]
    listed = API.call("get", "/orders").answer
    assert isinstance(listed, ListOf)
    assert isinstance(API.call("get", "/orders/${id}").answer, Tree)


def test_forms_have_fields_too() -> None:
    for call, name in [
        (API.call("put", "/orders/${id}/lines/${no}.json"), "no"),
        (OLD.call("post", "/things/${id}/upload"), "file"),
    ]:
        assert isinstance(call.body, Tree)
        assert list(call.body.fields) == [name]


def test_what_isnt_said_is_unknown() -> None:
    assert API.call("get", "/orders/latest").answer == UNKNOWN
    assert API.call("get", "/far").answer == UNKNOWN
    assert API.call("get", "/far").body is None
    assert API.call("put", "/far").body == UNKNOWN
    assert API.call("post", "/far").body == UNKNOWN


def test_of_alternatives_every_field_is_allowed() -> None:
    body = API.call("patch", "/far").body
    assert isinstance(body, Tree)
    assert set(body.fields) == {"a", "b"}


def test_what_a_generator_makes_up_is_unknown() -> None:
    assert OLD.call("post", "/things").body == UNKNOWN
    assert OLD.call("get", "/things").answer == UNKNOWN


def test_references_go_anywhere_inside_and_in_circles() -> None:
    shape = OLD.call("put", "/things").answer
    for _ in range(50):
        assert isinstance(shape, Tree)
        assert shape.fields["a/b"] == Text("whole")
        shape = shape.fields["self"]


def test_a_document_is_loaded_once() -> None:
    assert open_api_contract(BUNDLE, "two.json") is open_api_contract(BUNDLE, "two.json")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"a: [", b"{}", b"openapi: 3", b"paths: {}", b"\xff", b"a: &a [*a]", b"[" * 10_000]
)
def test_what_is_no_openapi_document_is_unusable(content: bytes) -> None:
    with pytest.raises(UnusableContract):
        OpenApiContract(Bundle({"x.yaml": content}), "x.yaml")
    with pytest.raises(NotBundled):
        OpenApiContract(Bundle({}), "x.yaml")


def test_yaml_that_unfolds_is_not_unfolded() -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 12))
    content = f"openapi: 3\nl0: &l0 [ha]\n{levels}paths: {{/x: {{get: {{parameters: *l11}}}}}}\n"
    assert OpenApiContract(Bundle({"x.yaml": content.encode()}), "x.yaml").calls() == (("GET", "/x"),)
