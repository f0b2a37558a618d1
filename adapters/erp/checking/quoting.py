"""What stands between a filter's quotes and could end them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from adapters.erp.checking.expressions import Judge
from adapters.erp.language.expressions import Else, Expression, Literal, Piped
from adapters.erp.language.leaves import Hole, Leaf

_QUOTES: Final = "'\""
_HARMLESS: Final = frozenset({"quoted", "at", "written", "epoch", "key", "b64", "b64url", "numbered"})
"""Functions whose texts hold no quote, whatever comes."""


def unquoted(leaf: Leaf, judge: Judge) -> Iterator[Expression]:
    """Yield each expression of a leaf that has quotes around its hole and gives what may hold one."""
    for place, part in enumerate(leaf.parts):
        if isinstance(part, Hole) and _between_quotes(leaf, place) and not _harmless(part.expression, judge):
            yield part.expression


def _between_quotes(leaf: Leaf, place: int) -> bool:
    before = "".join(part for part in leaf.parts[:place] if isinstance(part, str))
    behind = "".join(part for part in leaf.parts[place:] if isinstance(part, str))
    return any(before.count(quote) % 2 and quote in behind for quote in _QUOTES)


def _harmless(expression: Expression, judge: Judge) -> bool:
    if isinstance(expression, Else):
        return _harmless(expression.value, judge) and _harmless(expression.otherwise, judge)
    if isinstance(expression, Literal) and isinstance(expression.value, str):
        return not set(_QUOTES) & set(expression.value)
    if isinstance(expression, Piped) and expression.function in _HARMLESS:
        return True
    known = judge.infer(expression)
    if "text" not in known.kinds:
        return True
    return bool(known.words) and not any(quote in word for word in known.words or () for quote in _QUOTES)
