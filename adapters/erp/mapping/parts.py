"""What the parts of a mapping file are made of: words, expressions, leaves and trees, read as the file is.

Each field of a part is a word of the format; a word that isn't one is refused with its pointer. Where a part says
something about data it holds the parsed expression, so that nothing is parsed, or found to be no expression, later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from adapters.erp.language.expressions import Faulty
from adapters.erp.language.leaves import Hole, Leaf, parse_condition, parse_leaf
from adapters.erp.language.trees import Tree, parse_tree
from adapters.erp.mapping.yaml_text import pointer_of


class Part(BaseModel):
    """A part of a mapping file: unknown words are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


def _expression(given: Any) -> Any:
    return given if isinstance(given, Hole) else _parsed(parse_condition, given)


def _leaf(given: Any) -> Any:
    return given if isinstance(given, Leaf) else _parsed(parse_leaf, given)


def _parsed(parse: Callable[[str, str], Any], given: Any) -> Any:
    if not isinstance(given, str):
        raise PydanticCustomError("not_a_text", "must be one text")
    return _faultless(parse, given)


def _tree(given: Any) -> Any:
    return given if isinstance(given, Tree) else _faultless(parse_tree, given)


def _faultless(parse: Callable[[Any, str], Any], given: Any) -> Any:
    try:
        return parse(given, pointer_of(given))
    except Faulty as fault:
        where = {"pointer": fault.pointer, "at": fault.position + 1}
        raise PydanticCustomError("faulty", "{why}, at character {at}", {"why": fault.why, **where}) from None


@dataclass(frozen=True)
class _ReadBy:
    """Says how pydantic reads a part that isn't a model, and what an editor is told of it."""

    read: Callable[[Any], Any]
    types: tuple[str, ...] = ("string",)

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: object) -> dict[str, Any]:
        return {"type": list(self.types)}


Expr = Annotated[Hole, _ReadBy(_expression)]
"""An expression, with or without `${...}` around it."""
Text = Annotated[Leaf, _ReadBy(_leaf)]
"""A text with holes, or one hole alone, whose value may be of any kind."""
Shape = Annotated[Tree, _ReadBy(_tree, ("object", "array", "string"))]
"""A tree in the target's shape, whose keys are its own."""
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
"""A name that the file gives to something."""
Code = Annotated[str, StringConstraints(pattern=r"^erp_[a-z0-9_]{1,60}$")]
"""Why something is refused, as an order's view tells it."""
File = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
"""A document of the mapping's bundle."""
