"""What an OpenAPI document says of a REST interface: 2 (Swagger) and 3, in JSON or YAML.

It describes; it judges no messages. What it leaves open, or says by a reference to another document, is unknown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache, partial
from typing import Any, Final

import yaml

from adapters.erp.contracts.bundle import Bundle, UnusableContract, location
from adapters.erp.contracts.describe import UNKNOWN, Lazily, ListOf, Scalar, Shape, Text, Tree

_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch")
_HOLE: Final = re.compile(r"\$\{[^{}]*\}")
_PARAMETER: Final = re.compile(r"\{[^{}/]*\}")
_FILLED: Final = "\0"
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
_KINDS: Final[Mapping[str, Scalar]] = {
    "string": "text",
    "integer": "whole",
    "number": "number",
    "boolean": "boolean",
}
_DATES: Final[Mapping[str, Scalar]] = {"date": "date", "date-time": "time"}
_MOST_SCHEMAS: Final = 200
"""How many schemas one may be put together of: more is a circle, or meant to be one."""


_WHOLE_BODY: Final = "request_data"
"""What PHP's Restler calls the whole of any body: it looks like the body's one field."""

_RESTLERS_OWN: Final = "stringEncoderFunction"
"""A field of the class that Restler's writers mean no more by than "an object"."""


class NoSuchCall(Exception):  # noqa: N818 - it says what the path is
    """The document has no such path, or not with that method. Its words name the nearest."""


@dataclass(frozen=True)
class Call:
    """One method of one path. `path` is the document's own template; `query` are its parameters by name."""

    method: str
    path: str
    query: Mapping[str, Shape]
    required: frozenset[str]
    body: Shape | None
    answer: Shape


class OpenApiContract:
    """One OpenAPI document. Threads may share it. `NotBundled`, or `UnusableContract` for what isn't one."""

    def __init__(self, bundle: Bundle, name: str) -> None:
        self._document = _Document(_loaded(bundle, name))
        self._paths = self._document.paths(name)

    def calls(self) -> tuple[tuple[str, str], ...]:
        """Return all methods, in capitals, and path templates."""
        return tuple(
            (method.upper(), path) for path, item in self._paths.items() for method in _METHODS if method in item
        )

    def call(self, method: str, path: str) -> Call:
        """Return the call that a path with holes, as `/shipments/${id}/validate`, is meant for. `NoSuchCall` if none.

        A hole stands for a parameter only; where several paths fit, it is the one that says most itself.
        """
        wanted = _HOLE.sub(_FILLED, path)
        fitting = [template for template in self._paths if _pattern(template).fullmatch(wanted)]
        if not fitting:
            raise NoSuchCall(f"no such path: {path}; {self._nearest(path)}")
        of_method = [template for template in fitting if method.lower() in self._paths[template]]
        if not of_method:
            known = sorted({name.upper() for template in fitting for name in self._paths[template] if name in _METHODS})
            raise NoSuchCall(f"no {method.upper()} of {path}; there are: {', '.join(known)}")
        return self._described(method.lower(), min(of_method, key=lambda found: len(_PARAMETER.findall(found))))

    def _described(self, method: str, path: str) -> Call:
        item = self._paths[path]
        operation = self._document.followed(item[method])
        parameters = list(self._document.parameters(item, operation))
        query = {parameter["name"]: parameter for parameter in parameters if parameter.get("in") == "query"}
        return Call(
            method.upper(),
            path,
            {name: self._document.shape(parameter.get("schema", parameter)) for name, parameter in query.items()},
            frozenset(name for name, parameter in query.items() if _is_true(parameter.get("required"))),
            self._document.body(operation, parameters),
            self._document.answer(operation),
        )

    def _nearest(self, path: str) -> str:
        plain = _HOLE.sub("{}", path)
        by_form = {_PARAMETER.sub("{}", template): template for template in self._paths}
        near = get_close_matches(plain, by_form, n=3)
        return f"did you mean {', '.join(by_form[form] for form in near)}?" if near else "none is like it"


@lru_cache(maxsize=32)
def open_api_contract(bundle: Bundle, name: str) -> OpenApiContract:
    """Return a contract, loaded on first use. It is known by the bundle's digest."""
    return OpenApiContract(bundle, name)


class _Document:
    """Finds its way in a document whose parts refer to each other."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root

    def paths(self, name: str) -> dict[str, Mapping[str, Any]]:
        """Return what is said of each path."""
        paths = self._root.get("paths")
        if not isinstance(paths, Mapping) or not ({"swagger", "openapi"} & set(self._root)):
            raise UnusableContract(f"{name}: it isn't an OpenAPI document")
        return {str(path): self.followed(item) for path, item in paths.items() if str(path).startswith("/")}

    def followed(self, part: Any) -> Mapping[str, Any]:
        """Return what a part refers to, or itself. A reference that leads nowhere, or out of here, says nothing."""
        for _ in range(_MOST_SCHEMAS):
            if not isinstance(part, Mapping):
                return {}
            reference = part.get("$ref")
            if not isinstance(reference, str):
                return part
            part = self._at(reference)
        return {}

    def parameters(self, *holders: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield the parameters of a path and then of its method."""
        for holder in holders:
            listed = holder.get("parameters")
            for parameter in map(self.followed, listed if isinstance(listed, list) else []):
                if isinstance(parameter.get("name"), str):
                    yield parameter

    def body(self, operation: Mapping[str, Any], parameters: list[Mapping[str, Any]]) -> Shape | None:
        """Return what is sent, None where nothing is."""
        whole = next((parameter for parameter in parameters if parameter.get("in") == "body"), None)
        if whole is not None:
            body = self.shape(whole.get("schema"))
            return UNKNOWN if isinstance(body, Tree) and list(body.fields) == [_WHOLE_BODY] else body
        fields = {parameter["name"]: parameter for parameter in parameters if parameter.get("in") == "formData"}
        if fields:
            return Tree({name: self.shape(parameter) for name, parameter in fields.items()})
        request = self.followed(operation.get("requestBody"))
        return self._content(request) if request else None

    def answer(self, operation: Mapping[str, Any]) -> Shape:
        """Return what a success answers."""
        responses = {str(status): said for status, said in self.followed(operation.get("responses")).items()}
        good = sorted(status for status in responses if status.startswith("2"))
        for status in [*good, *(["default"] if "default" in responses else [])]:
            response = self.followed(responses[status])
            shape = self.shape(response["schema"]) if "schema" in response else self._content(response)
            if not _made_up(shape):
                return shape
        return UNKNOWN

    def shape(self, schema: Any) -> Shape:
        """Return the shape of what a schema describes."""
        merged = _Merged()
        self._merge(schema, merged)
        return merged.shape(self)

    def _content(self, holder: Mapping[str, Any]) -> Shape:
        content = holder.get("content")
        by_type = content if isinstance(content, Mapping) else {}
        for media, said in by_type.items():
            if str(media).split(";")[0].endswith("json") or media in _FORMS:
                return self.shape(self.followed(said).get("schema"))
        return UNKNOWN

    def _merge(self, schema: Any, merged: _Merged) -> None:
        """Put together what all parts of a schema allow: of several alternatives, every one."""
        merged.seen += 1
        said = self.followed(schema)
        if merged.seen > _MOST_SCHEMAS or not said:
            merged.open = True
            return
        merged.add(said)
        for several in ("allOf", "anyOf", "oneOf"):
            listed = said.get(several)
            for part in listed if isinstance(listed, list) else []:
                self._merge(part, merged)

    def _at(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            return None
        part: Any = self._root
        for step in reference[2:].split("/"):
            name = step.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}")
            if isinstance(part, list) and name.isdecimal():
                part = dict(enumerate(part)).get(int(name))
            else:
                part = part.get(name) if isinstance(part, Mapping) else None
        return part


class _Merged:
    """What is known so far of one schema put together of several."""

    def __init__(self) -> None:
        self.seen = 0
        self.open = False
        self._types: set[str] = set()
        self._fields: dict[str, Any] = {}
        self._items: Any = None
        self._formats: set[str] = set()

    def add(self, schema: Mapping[str, Any]) -> None:
        """Add one of them."""
        properties = schema.get("properties")
        if isinstance(properties, Mapping):
            self._types.add("object")
            self._fields |= {str(name): field for name, field in properties.items()}
        told = schema.get("type")
        self._types |= {
            str(name) for name in (told if isinstance(told, list) else [told]) if name not in {None, "null"}
        }
        more = schema.get("additionalProperties")
        self.open |= _is_true(more) or isinstance(more, Mapping)
        if "items" in schema:
            self._types.add("array")
            self._items = schema["items"]
        if isinstance(schema.get("format"), str):
            self._formats.add(schema["format"])

    def shape(self, document: _Document) -> Shape:
        """Return the shape of it. Where it may be of several kinds, it is unknown."""
        if self._types == {"object"} and self._fields:
            makers = {name: partial(document.shape, field) for name, field in self._fields.items()}
            return Tree(Lazily(makers), self.open)
        if self._types == {"array"}:
            return ListOf(document.shape(self._items))
        if len(self._types) == 1 and self._types <= set(_KINDS):
            (kind,) = self._types
            dated = _DATES.get(next(iter(self._formats))) if len(self._formats) == 1 else None
            return Text(dated or _KINDS[kind])
        return UNKNOWN


def _made_up(answer: Shape) -> bool:
    """Say whether it is what generators write of answers that nobody declared: texts, whatever they really are."""
    one = answer.item if isinstance(answer, ListOf) else answer
    return one in (UNKNOWN, Text("text")) or (isinstance(one, Tree) and _RESTLERS_OWN in one.fields)


def _loaded(bundle: Bundle, name: str) -> Mapping[str, Any]:
    """Read JSON, or YAML with every scalar as the text it is: `no` is the name of a field as often as not."""
    content = bundle.load(location(name))
    try:
        if content.lstrip().startswith(b"{"):
            document = json.loads(content)
        else:
            document = yaml.load(content, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506 - it makes texts, lists and trees only
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise UnusableContract(f"{name}: neither JSON nor YAML: {type(error).__name__}") from error
    if not isinstance(document, Mapping):
        raise UnusableContract(f"{name}: it isn't an OpenAPI document")
    return document


@lru_cache(maxsize=4096)
def _pattern(template: str) -> re.Pattern[str]:
    """Return what fits a path template: a parameter takes a hole or a text, what is literal only itself."""
    literal = _PARAMETER.split(template)
    return re.compile("[^/]+".join(map(re.escape, literal)))


def _is_true(value: Any) -> bool:
    return value is True or value == "true"
