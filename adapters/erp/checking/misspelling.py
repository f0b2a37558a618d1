"""Words of the format in a tree, misspelt: they look like fields, and without a contract any field may be right."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from adapters.erp.language.trees import Fields, Scalar

_NODES: Final = (("each", "as", "where", "into"), ("when", "then", "else"))
_SHAPE: Final = "shape"
_ALIKE: Final = 0.5


def misspelt(fields: Fields, shapes: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield fields that are one letter or two away from a word, in a tree that is nothing but such words."""
    for words in _NODES:
        odd = [name for name in fields.fields if name not in words]
        if odd and len(odd) < len(fields.fields):
            meant = {name: _nearest(name, [word for word in words if word not in fields.fields]) for name in odd}
            yield from ((name, word) for name, word in meant.items() if word is not None and all(meant.values()))
    for name, tree in fields.fields.items():
        names_a_shape = isinstance(tree, Scalar) and tree.leaf.literal in shapes
        if len(fields.fields) == 1 and names_a_shape and _nearest(name, [_SHAPE]) is not None:
            yield name, _SHAPE


def _nearest(name: str, words: list[str]) -> str | None:
    return next(iter(get_close_matches(name, words, n=1, cutoff=_ALIKE)), None)
