"""The texts of the public contract: names, which have one form, and words, which are kept as they came.

Which characters they may hold is said in `domain/characters.py`. What was accepted before that was said is still read.
"""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from domain.characters import CONTROLS, first_control, first_unseen, first_untold, is_blank, is_kept, meant_by, named
from domain.stock import LONGEST_LOT


def _as_meant(value: Any) -> Any:
    """Take a name in its one form, before it is measured."""
    if not isinstance(value, str):
        return value
    name = meant_by(value)
    if value and not name:
        raise _blank()
    return name


def _name(value: str) -> str:
    unseen = first_control(value) or (None if is_kept(value) else first_unseen(value))
    if unseen is not None:
        raise _forbidden(unseen)
    return value


def a_line(value: str) -> str:
    """Refuse what a line of words must not hold."""
    odd = first_control(value) or (None if is_kept(value) else first_untold(value))
    if odd is not None:
        raise _forbidden(odd)
    return value


def _text(value: str) -> str:
    odd = "\x00" if "\x00" in value else None if is_kept(value) else first_untold(value)
    if odd is not None:
        raise _forbidden(odd)
    return value


def _something(value: str) -> str:
    if is_blank(value) and not is_kept(value):
        raise _blank()
    return value


def _somewhere(lines: tuple[str, ...]) -> tuple[str, ...]:
    if all(is_blank(line) and not is_kept(line) for line in lines):
        raise _blank()
    return lines


def _forbidden(character: str) -> PydanticCustomError:
    words, name = "must not hold {name}", {"name": named(character)}
    if unicodedata.category(character) in CONTROLS:
        return PydanticCustomError("control_character", words, name)
    return PydanticCustomError("forbidden_character", words, name)


def _blank() -> PydanticCustomError:
    return PydanticCustomError("blank", "has nothing in it that can be seen")


_Named = (BeforeValidator(_as_meant), AfterValidator(_name))
_Told = (BeforeValidator(_as_meant), AfterValidator(a_line), AfterValidator(_something))
Lot = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_LOT), *_Named]
Serial = Annotated[str, StringConstraints(min_length=1, max_length=64), *_Named]
Text = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_text)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200), *_Named]
Phrase = Annotated[str, StringConstraints(min_length=1, max_length=200), *_Told]
"""A code, or words in a line, which may need characters that a name must not hold. Its ends are those of a name."""
AnyLine = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(a_line)]
"""A line as it came: of an address, where it may be left blank."""
Line = Annotated[AnyLine, AfterValidator(_something)]
Street = Annotated[tuple[AnyLine, ...], Field(min_length=1, max_length=4), AfterValidator(_somewhere)]
PostalCode = Annotated[
    str, StringConstraints(min_length=1, max_length=16), AfterValidator(a_line), AfterValidator(_something)
]
