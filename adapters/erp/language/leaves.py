"""Leaves of a mapping file: texts with expressions in holes, `${...}`. `$${` stands for `${` itself.

A leaf that is one hole and nothing else has its value, of whatever kind. A mixed one is text; each of its holes must
give text or a number, which is written plainly: how a vendor writes yes, no or a time, the expression has to say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, TypeAlias

from adapters.erp.language.budget import CannotSay, a
from adapters.erp.language.evaluating import Run, Scope, compiled
from adapters.erp.language.expressions import Expression, Faulty, parse
from adapters.erp.language.values import Result, plain

LONGEST: Final = 8000
MOST_HOLES: Final = 20

_HOLE: Final = "${"
_ESCAPE: Final = "$${"
_BLANKS: Final = " \t\r\n"


@dataclass(frozen=True)
class Hole:
    """An expression in a leaf. `start` is the column of what is inside of the hole, in the whole leaf.

    The leaf stands at `pointer` of the file.
    """

    expression: Expression
    start: int
    run: Run = field(compare=False, repr=False)
    pointer: str = ""

    def value(self, scope: Scope) -> Result:
        """Return what the expression gives. Raises `CannotSay`, with its place in the file."""
        try:
            return self.run(scope)
        except CannotSay as error:
            place = self.start + (error.position or 0)
            raise CannotSay(error.why, place, self.pointer, spent=error.spent) from None

    def text(self, scope: Scope) -> str:
        """Return what the expression gives as a part of a text. Raises `CannotSay` unless it is text or a number."""
        value = self.value(scope)
        if isinstance(value, Decimal):
            return plain(value)
        if not isinstance(value, str):
            why = f"inside of a text, a hole gives text or a number, not {a(value)}"
            raise CannotSay(why, self.start, self.pointer)
        return value


Part: TypeAlias = "str | Hole"


@dataclass(frozen=True)
class Leaf:
    """A scalar of the file: its literal parts and its holes, in their order."""

    parts: tuple[Part, ...]
    pointer: str = ""

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """The expressions in its holes."""
        return tuple(hole.expression for hole in self.holes)

    @property
    def holes(self) -> tuple[Hole, ...]:
        """Its holes, which know where they stand."""
        return tuple(part for part in self.parts if isinstance(part, Hole))

    @property
    def literal(self) -> str | None:
        """The text of a leaf without holes, None of one that has any."""
        return None if self.holes else "".join(map(str, self.parts))

    @property
    def only_hole(self) -> Hole | None:
        """The hole of a leaf that is nothing else."""
        only = self.parts[0] if len(self.parts) == 1 else None
        return only if isinstance(only, Hole) else None

    def value(self, scope: Scope) -> Result:
        """Return the value, or `MISSING`, which only a leaf that is one hole may give. Raises `CannotSay`."""
        only = self.parts[0] if len(self.parts) == 1 else None
        if isinstance(only, Hole):
            return only.value(scope)
        return only if only is not None else self.text(scope, _as_it_is)

    def text(self, scope: Scope, encode: Callable[[str], str]) -> str:
        """Return the text, each hole's encoded for the place where it goes; what the file itself says is not.

        Raises `CannotSay` where a hole gives neither text nor a number.
        """
        pieces = [part if isinstance(part, str) else encode(part.text(scope)) for part in self.parts]
        if len(pieces) > 1:
            scope.budget.writes(sum(map(len, pieces)))
        return "".join(pieces)


def _as_it_is(text: str) -> str:
    return text


def parse_leaf(text: str, pointer: str) -> Leaf:
    """Read a scalar that stands at a JSON pointer of the file. Raises `Faulty`, with the column in the whole scalar."""
    if len(text) > LONGEST:
        raise Faulty(f"a text of the file has at most {LONGEST} characters", LONGEST, pointer)
    parts: list[Part] = []
    at, literal = 0, ""
    while (start := text.find(_HOLE, at)) >= 0:
        if text.startswith(_ESCAPE, start - 1) and start > at:
            literal += text[at : start - 1] + _HOLE
            at = start + len(_HOLE)
            continue
        literal += text[at:start]
        parts += [literal] if literal else []
        end = _end_of_hole(text, start + len(_HOLE), pointer)
        parts.append(_hole(text[start + len(_HOLE) : end], start + len(_HOLE), pointer))
        at, literal = end + 1, ""
    literal += text[at:]
    if len(parts) > MOST_HOLES and sum(isinstance(part, Hole) for part in parts) > MOST_HOLES:
        raise Faulty(f"a text of the file has at most {MOST_HOLES} holes", 0, pointer)
    return Leaf((*parts, literal) if literal or not parts else tuple(parts), pointer)


def _end_of_hole(text: str, start: int, pointer: str) -> int:
    quoted = False
    for place in range(start, len(text)):
        quoted ^= text[place] == "'"
        if text[place] == "}" and not quoted:
            return place
    raise Faulty("a hole has no end: its `}` is missing", start - len(_HOLE), pointer)


def _hole(inside: str, start: int, pointer: str) -> Hole:
    try:
        expression = parse(inside)
    except Faulty as fault:
        raise Faulty(fault.why, start + fault.position, pointer) from None
    return Hole(expression, start, compiled(expression), pointer)


def parse_condition(text: str, pointer: str) -> Hole:
    """Read a scalar that is an expression anyhow, such as `when`: it may stand in `${...}`, and need not.

    Raises `Faulty`.
    """
    if not text.strip(_BLANKS).startswith(_HOLE):
        return _hole(text, 0, pointer)
    before = len(text) - len(text.lstrip(_BLANKS))
    only = parse_leaf(text.strip(_BLANKS), pointer).only_hole
    if only is None:
        raise Faulty("an expression stands here, alone", before, pointer)
    return Hole(only.expression, only.start + before, only.run, pointer)


def says_yes(condition: Hole, scope: Scope) -> bool:
    """Return what a condition says. Raises `CannotSay` where it gives anything but yes or no."""
    answer = condition.value(scope)
    if not isinstance(answer, bool):
        raise CannotSay(f"a condition gives yes/no, not {a(answer)}", condition.start, condition.pointer)
    return answer
