"""How an expression is read, and what is said of a text that isn't one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import Any, Final, TypeAlias, cast

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedToken
from lark.exceptions import VisitError

from adapters.erp.language.functions import FUNCTIONS
from adapters.erp.language.grammar import GRAMMAR
from adapters.erp.language.nodes import (
    And,
    Arithmetic,
    Comparator,
    Comparison,
    Else,
    Expression,
    IsThere,
    ListOf,
    Literal,
    Membership,
    Not,
    Operator,
    Or,
    Path,
    Piped,
    inside,
)
from domain.characters import named

LONGEST: Final = 2000
MOST_NESTED: Final = 32
MOST_NODES: Final = 300
LONGEST_NUMBER: Final = 40


class Faulty(ValueError):  # noqa: N818 - the file is
    """A text of a mapping file isn't of the language.

    `position` is the column, from 0, and `pointer` the place in the file, where that is known.
    """

    def __init__(self, why: str, position: int = 0, pointer: str | None = None) -> None:
        super().__init__(f"{why} (column {position})")
        self.why = why
        self.position = position
        self.pointer = pointer


@lru_cache(maxsize=8192)
def parse(text: str) -> Expression:
    """Read an expression. Raises `Faulty`, also for one that is too long, too deep, or has too much in it."""
    if len(text) > LONGEST:
        raise Faulty(f"an expression has at most {LONGEST} characters", LONGEST)
    _check_brackets(text)
    try:
        expression = _whole(cast("_Read", _parser().parse(text)))
    except UnexpectedCharacters as error:
        raise _odd_character(text, cast("int", error.pos_in_stream)) from None
    except UnexpectedToken as error:
        raise _odd_token(text, error) from None
    except VisitError as error:
        if isinstance(error.orig_exc, Faulty):
            raise error.orig_exc from None
        raise
    _check_size(expression)
    return expression


_TEXT_OR_BRACKET: Final = re.compile(r"'[^']*+'?|[(\[]|[)\]]")


def _check_brackets(text: str) -> None:
    depth = 0
    for found in _TEXT_OR_BRACKET.finditer(text):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(found[0], 0)
        if depth > MOST_NESTED:
            raise Faulty(f"more than {MOST_NESTED} brackets stand in each other", found.start())


def _check_size(expression: Expression) -> None:
    waiting, nodes = [(expression, 1)], 0
    while waiting:
        node, depth = waiting.pop()
        nodes += 1
        if depth > MOST_NESTED:
            raise Faulty(f"more than {MOST_NESTED} operations stand in each other", node.position)
        if nodes > MOST_NODES:
            raise Faulty(f"an expression has at most {MOST_NODES} parts", node.position)
        waiting.extend((each, depth + 1) for each in inside(node))


@dataclass(frozen=True)
class _Group:
    """What stands in brackets, until it is known what for."""

    expression: Expression


_Read: TypeAlias = "Expression | _Group"


def _whole(read: _Read) -> Expression:
    return read.expression if isinstance(read, _Group) else read


def _one_way(read: _Read, operator: Token) -> Expression:
    """Return the second operand of an operator that people take for looser, or tighter, than a pipe."""
    if isinstance(read, Piped):
        ways = f"`(... {operator} ...) | {read.function}` or `... {operator} (... | {read.function})`"
        why = f"it can be read in two ways: write {ways}"
        raise Faulty(why, read.position)
    return _whole(read)


def _number(token: Token) -> Decimal:
    whole, _, rest = token.partition(".")
    if len(whole) + len(rest) > LONGEST_NUMBER:
        raise Faulty(f"a number has at most {LONGEST_NUMBER} digits", _at(token))
    if len(whole) > 1 and whole.startswith("0"):
        raise Faulty(f"a number does not begin with 0: is it the text '{token}'?", _at(token))
    return Decimal(token)


def _text(token: Token) -> str:
    return token[1:-1].replace("''", "'")


def _at(token: Token) -> int:
    return token.start_pos or 0


class _Reading(Transformer[Token, Any]):
    """Makes the tree from the bottom up, while lark reads."""

    def path(self, read: list[Token | Path]) -> Path:
        first, *more = read
        if not isinstance(first, Path):
            return Path((str(first),), _at(first))
        name = more[0]
        assert isinstance(name, Token)
        return Path((*first.names, _text(name) if name.type == "TEXT" else str(name)), first.position)

    def place(self, read: list[Token | Path]) -> Path:
        path, number = read
        assert isinstance(path, Path)
        assert isinstance(number, Token)
        if "." in number:
            raise Faulty("a place in a list is a whole number", _at(number))
        return Path((*path.names, int(_number(number))), path.position)

    def text(self, read: list[Token]) -> Literal:
        return Literal(_text(read[0]), _at(read[0]))

    def number(self, read: list[Token]) -> Literal:
        return Literal(_number(read[0]), _at(read[0]))

    def negative(self, read: list[Token]) -> Literal:
        number = _number(read[1])
        return Literal(-number if number else number, _at(read[0]))

    def yes(self, read: list[Token]) -> Literal:
        return Literal(value=True, position=_at(read[0]))

    def no(self, read: list[Token]) -> Literal:
        return Literal(value=False, position=_at(read[0]))

    def null(self, read: list[Token]) -> Literal:
        return Literal(None, _at(read[0]))

    def group(self, read: list[_Read]) -> _Group:
        return _Group(_whole(read[0]))

    def list_of(self, read: list[Token | _Read]) -> ListOf:
        bracket, *items = read
        assert isinstance(bracket, Token)
        return ListOf(_all(items), _at(bracket))

    def either(self, read: list[_Read | Token]) -> Or:
        left, operator, right = _infix(read)
        return Or(_whole(left), _whole(right), _at(operator))

    def both(self, read: list[_Read | Token]) -> And:
        left, operator, right = _infix(read)
        return And(_whole(left), _whole(right), _at(operator))

    def negation(self, read: list[Token | _Read]) -> Not:
        operator, value = read
        assert isinstance(operator, Token)
        return Not(_all([value])[0], _at(operator))

    def compared(self, read: list[_Read | Token]) -> Comparison:
        left, operator, right = _infix(read)
        return Comparison(_whole(left), _COMPARATORS[operator], _whole(right), _at(operator))

    def member(self, read: list[_Read | Token]) -> Membership:
        value, operator, among = _infix(read)
        return Membership(_whole(value), _whole(among), _at(operator))

    def no_member(self, read: list[_Read | Token]) -> Not:
        value, negation, operator, among = read
        member = self.member([value, operator, among])
        return Not(member, negation.start_pos or 0 if isinstance(negation, Token) else 0)

    def there(self, read: list[_Read | Token]) -> IsThere:
        value, operator, _ = _infix(read[:2] + read[:1])
        return IsThere(_whole(value), position=_at(operator))

    def not_there(self, read: list[_Read | Token]) -> IsThere:
        value, operator, _ = _infix(read[:2] + read[:1])
        return IsThere(_whole(value), negated=True, position=_at(operator))

    def fallback(self, read: list[_Read | Token]) -> Else:
        value, operator, otherwise = _infix(read)
        return Else(_whole(value), _one_way(otherwise, operator), _at(operator))

    def sum(self, read: list[_Read | Token]) -> Arithmetic:
        return _arithmetic(read)

    def product(self, read: list[_Read | Token]) -> Arithmetic:
        return _arithmetic(read)

    def piped(self, read: list[_Read | Token]) -> Piped:
        value, _, name, *arguments = read
        assert isinstance(name, Token)
        piped = Piped(_all([value])[0], str(name), _all(arguments), _at(name))
        _check_function(piped)
        return piped


_COMPARATORS: Final[Mapping[str, Comparator]] = {"==": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_OPERATORS: Final[Mapping[str, Operator]] = {"+": "+", "-": "-", "*": "*"}


def _infix(read: list[_Read | Token]) -> tuple[_Read, Token, _Read]:
    left, operator, right = read
    assert isinstance(operator, Token)
    assert not isinstance(left, Token)
    assert not isinstance(right, Token)
    return left, operator, right


def _arithmetic(read: list[_Read | Token]) -> Arithmetic:
    left, operator, right = _infix(read)
    return Arithmetic(_whole(left), _OPERATORS[operator], _one_way(right, operator), _at(operator))


def _all(read: list[Token | _Read]) -> tuple[Expression, ...]:
    return tuple(_whole(each) for each in read if not isinstance(each, Token))


def _check_function(piped: Piped) -> None:
    function = FUNCTIONS.get(piped.function)
    if function is None:
        near = get_close_matches(piped.function[:40], FUNCTIONS, n=1)
        meant = f": is `{near[0]}` meant?" if near else f"; there are {', '.join(sorted(FUNCTIONS))}"
        raise Faulty(f"there is no function `{piped.function}`{meant}", piped.position)
    if why := function.refuses_number_of(len(piped.arguments)):
        raise Faulty(why, piped.position)
    for argument, said in zip(function.arguments, piped.arguments, strict=False):
        if isinstance(said, Literal) and (why := argument.refuses(said.value)):
            raise Faulty(f"`{piped.function}`: {why}", said.position)


@cache
def _parser() -> Lark:
    """Return the parser. Its tables are made at first use: many a command needs no expression."""
    return Lark(GRAMMAR, parser="lalr", lexer="contextual", transformer=_Reading())


# -- what is wrong with it -------------------------------------------------------------------------------------------

_HINTS: Final[Mapping[str, str]] = {
    "=": "values are compared by `==`",
    '"': "a text stands in single quotes",
    "'": "a text has no end: its second quote is missing",
    "&": "both of two is `and`",
    "!": "it is not so is `not`, and not equal is `!=`",
    "?": "what else, where nothing is there, is `??`",
    "/": "there is no division",
    "{": "there are no trees in expressions",
    "$": "`${` stands around a whole expression, not inside of one",
    "`": "a text stands in single quotes",
}
_EXPECTED: Final = (
    ("a value", {"NAME", "TEXT", "NUMBER", "TRUE", "FALSE", "NULL", "LIST", "LPAR", "MINUS"}),
    ("a name", {"NAME"}),
    ("`)`", {"RPAR"}),
    ("`]`", {"RSQB"}),
    ("`,`", {"COMMA"}),
    ("`in`", {"IN"}),
    ("`there`", {"THERE"}),
    ("an operator such as `==`, `and` or `|`", {"PIPE"}),
    ("the end", {"$END"}),
)


def _odd_character(text: str, position: int) -> Faulty:
    odd = text[position]
    if hint := _HINTS.get(odd):
        return Faulty(hint, position)
    shown = f"`{odd}`" if odd.isascii() and odd.isprintable() else named(odd)
    return Faulty(f"{shown} has no meaning here", position)


def _odd_token(text: str, error: UnexpectedToken) -> Faulty:
    wanted = set(error.accepts or error.expected)
    words: list[str] = []
    for meaning, names in _EXPECTED:
        if names <= wanted:
            words.append(meaning)
            wanted -= names
    expected = f": expected {' or '.join(words)}" if words else ""
    if error.token.type == "$END":
        return Faulty(f"it is not complete{expected}", len(text))
    found = str(error.token)
    hint = "; another comparison needs brackets" if error.token.type == "COMPARED" else ""
    return Faulty(f"`{found[:40]}` can't stand here{expected}{hint}", _at(error.token))
