"""The JSON Schema of mapping files, for editors: which words there are, and what stands under each."""

from __future__ import annotations

from typing import Any, Final

from adapters.erp.mapping.file import MappingFile

_SCHEMA: Final = "https://json-schema.org/draft/2020-12/schema"
_TITLE: Final = "A mapping file of Stockbridge"
_AS_YAML_READS: Final = {"1": 1, "true": True}
_ANY_SCALAR: Final = ["string", "number", "boolean", "null"]


def schema() -> dict[str, Any]:
    """Return the schema. It takes a scalar for what an editor's YAML makes of it: `1` may be a number there."""
    told = _as_yaml_reads(MappingFile.model_json_schema())
    return {"$schema": _SCHEMA, **told, "title": _TITLE}


def _as_yaml_reads(part: Any) -> Any:
    if isinstance(part, list):
        return [_as_yaml_reads(each) for each in part]
    if not isinstance(part, dict):
        return part
    read = {name: _as_yaml_reads(inner) for name, inner in part.items()}
    if isinstance(const := read.get("const"), str) and const in _AS_YAML_READS:
        return {
            **{name: said for name, said in read.items() if name not in {"const", "type"}},
            "enum": [const, _AS_YAML_READS[const]],
        }
    if isinstance(read.get("type"), str | list) and not read.keys() & {"pattern", "enum", "const"}:
        read["type"] = _any_scalar(read["type"])
    return read


def _any_scalar(told: str | list[str]) -> str | list[str]:
    types = [told] if isinstance(told, str) else told
    if "string" not in types:
        return told
    return [*(each for each in types if each != "string"), *_ANY_SCALAR]
