"""What in a new OpenAPI document would break a client of an old one.

What a client sent must still be taken: its calls, parameters and fields are there, none more is required, each value
that was right is right. What a client reads must still be what it knows: the answers are there with their fields, and
no value comes that could not come before. So the old request has to fit into the new one, and the new answer into the
old one: one comparison, in two directions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_EQUAL = ("pattern", "format", "multipleOf", "uniqueItems")
"""What can't be compared, but for being the same."""


@dataclass(frozen=True)
class Side:
    """One of two documents; `is_new` says which."""

    document: Mapping[str, Any]
    is_new: bool

    def forms(self, schema: Schema) -> Iterator[Schema]:
        """Yield the forms that a value may have, without references and choices."""
        while (reference := schema.get("$ref")) is not None:
            schema = self.document["components"]["schemas"][reference.rpartition("/")[2]]
        choices = schema.get("anyOf") or schema.get("oneOf")
        if choices:
            for choice in choices:
                yield from self.forms(choice)
        elif isinstance(schema.get("type"), list):
            yield from ({**schema, "type": kind} for kind in schema["type"])
        else:
            yield schema


@dataclass(frozen=True)
class Fitting:
    """Whether all that `given` allows fits into what `taken` allows; where not, it says what broke.

    A request fits where its given side is the old document, an answer where it is the new one.
    """

    given: Side
    taken: Side

    def breaks(self, at: str, given: Schema, taken: Schema, seen: frozenset[tuple[int, int]]) -> Iterator[str]:
        """Say what does not fit, each place and what is wrong there on a line."""
        if (id(given), id(taken)) in seen:
            return
        seen |= {(id(given), id(taken))}
        forms = list(self.taken.forms(taken))
        for form in self.given.forms(given):
            tried = [list(self._form_breaks(at, form, other, seen)) for other in forms if _same_kind(form, other)]
            if not tried:
                yield f"{at}: {_kind(form)} {'may come now' if self.given.is_new else 'is not taken any more'}"
            else:
                yield from min(tried, key=len)

    def _form_breaks(self, at: str, given: Schema, taken: Schema, seen: frozenset[tuple[int, int]]) -> Iterator[str]:
        yield from self._value_breaks(at, given, taken)
        yield from self._field_breaks(at, given, taken, seen)
        for name, step in (("items", "*"), ("additionalProperties", "{}")):
            inner, outer = given.get(name), taken.get(name)
            if isinstance(inner, Mapping) and isinstance(outer, Mapping):
                yield from self.breaks(f"{at}/{step}", inner, outer, seen)

    def _value_breaks(self, at: str, given: Schema, taken: Schema) -> Iterator[str]:
        values, allowed = _values(given), _values(taken)
        if allowed is not None:
            for value in sorted({"other values"} if values is None else values - allowed):
                yield f"{at}: {value} {'may come now' if self.given.is_new else 'is not taken any more'}"
        for name in _LOWER + _UPPER + _EQUAL:
            if name in taken and not _within(name, given.get(name), taken[name]):
                yield f"{at}: {name} is {given.get(name)} on one side, {taken[name]} on the other"

    def _field_breaks(self, at: str, given: Schema, taken: Schema, seen: frozenset[tuple[int, int]]) -> Iterator[str]:
        old, new = (taken, given) if self.given.is_new else (given, taken)
        known, now = old.get("properties", {}), new.get("properties", {})
        yield from (f"{at}/{name}: gone" for name in known if name not in now)
        if taken.get("additionalProperties") is False is not given.get("additionalProperties"):
            yield f"{at}: other fields {'may come now' if self.given.is_new else 'are not taken any more'}"
        for name in taken.get("required", ()):
            if name not in given.get("required", ()) and (name in now or not self.given.is_new):
                yield f"{at}/{name}: {'may be missing now' if self.given.is_new else 'newly required'}"
        for name in known:
            if name in now:
                inner, outer = given["properties"][name], taken["properties"][name]
                yield from self.breaks(f"{at}/{name}", inner, outer, seen)


def _kind(form: Schema) -> str:
    return str(form.get("type", "anything"))


def _same_kind(given: Schema, taken: Schema) -> bool:
    kinds = _kind(given), _kind(taken)
    return kinds[0] == kinds[1] or kinds[1] == "anything" or kinds == ("integer", "number")


def _values(schema: Schema) -> set[str] | None:
    if "const" in schema:
        return {str(schema["const"])}
    return {str(value) for value in schema["enum"]} if "enum" in schema else None


def _within(name: str, given: Any, taken: Any) -> bool:
    if name in _EQUAL or given is None:
        return bool(given == taken)
    return bool(given >= taken if name in _LOWER else given <= taken)


# -- calls -----------------------------------------------------------------------------------------------------------


def broken(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what in the new document breaks a client of the old one, a line each."""
    before, now = Side(old, is_new=False), Side(new, is_new=True)
    found: list[str] = []
    for path, calls in old["paths"].items():
        for method, call in calls.items():
            name = f"{method.upper()} {path}"
            kept = new["paths"].get(path, {}).get(method)
            if kept is None:
                found.append(f"{name}: gone")
            else:
                found += _request_breaks(name, Fitting(before, now), call, kept)
                found += _answer_breaks(name, Fitting(now, before), call, kept)
    return sorted(set(found))


def _request_breaks(name: str, fitting: Fitting, old: Schema, new: Schema) -> Iterator[str]:
    known, now = _parameters(old), _parameters(new)
    for parameter, said in known.items():
        at = f"{name} {parameter}"
        if parameter not in now:
            yield f"{at}: gone"
        else:
            yield from fitting.breaks(at, said["schema"], now[parameter]["schema"], frozenset())
    for parameter, said in now.items():
        if said.get("required") and not known.get(parameter, {}).get("required"):
            yield f"{name} {parameter}: newly required"
    yield from _content_breaks(f"{name} request", fitting, old.get("requestBody", {}), new.get("requestBody", {}))
    if new.get("requestBody", {}).get("required") and not old.get("requestBody", {}).get("required"):
        yield f"{name} request: newly required"


def _parameters(call: Schema) -> dict[str, Schema]:
    return {f"{said['in']} {said['name']}": said for said in call.get("parameters", ())}


def _answer_breaks(name: str, fitting: Fitting, old: Schema, new: Schema) -> Iterator[str]:
    for status, answer in old["responses"].items():
        if status in new["responses"]:
            yield from _content_breaks(f"{name} {status}", fitting, answer, new["responses"][status])
        elif status.startswith("2"):
            yield f"{name} {status}: gone"


def _content_breaks(at: str, fitting: Fitting, old: Schema, new: Schema) -> Iterator[str]:
    for media_type, said in old.get("content", {}).items():
        now = new.get("content", {}).get(media_type)
        if now is None:
            yield f"{at}: {media_type} is gone"
        elif "schema" in said:
            given, taken = (now, said) if fitting.given.is_new else (said, now)
            yield from fitting.breaks(at, given.get("schema", {}), taken.get("schema", {}), frozenset())
