"""Expressions: what a consultant writes in a leaf of a mapping file, as a tree that can be walked, and how it is read.

    order.lines                       a path: the first name is one in scope, the others are inside of it
    row.'@odata.etag', body[1]        a name with odd characters; a place in a list, from 0
    'text' 'it''s' 12 -1.50 true false null [a, 'b']
    a == b   != < <= > >=   a in [..]   a not in [..]   a is there   a is not there
    not a    a and b    a or b    a ?? b    a + b   a - b   a * b   (a)
    a | upper    a | cut(5)           a function, of what stands before it

From loose to tight: `or`, `and`, `not`, comparisons (also `in` and `is there`), `??`, `+ -`, `*`, `|`. So
`a | has('x') and b == c ?? d` is `(a | has('x')) and (b == (c ?? d))`. A comparison of a comparison has to have
brackets. So has what people read in two ways: a pipe behind the second operand of `??`, `+`, `-` or `*`, as in
`a ?? b | upper`.
"""

from __future__ import annotations

from adapters.erp.language.nodes import (
    And,
    Arithmetic,
    Comparison,
    Else,
    Expression,
    IsThere,
    ListOf,
    Literal,
    Membership,
    Not,
    Or,
    Path,
    Piped,
    inside,
    paths,
    walk,
)
from adapters.erp.language.parsing import LONGEST, MOST_NESTED, MOST_NODES, Faulty, parse

__all__ = [
    "LONGEST",
    "MOST_NESTED",
    "MOST_NODES",
    "And",
    "Arithmetic",
    "Comparison",
    "Else",
    "Expression",
    "Faulty",
    "IsThere",
    "ListOf",
    "Literal",
    "Membership",
    "Not",
    "Or",
    "Path",
    "Piped",
    "inside",
    "parse",
    "paths",
    "walk",
]
