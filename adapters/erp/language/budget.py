"""What an evaluation may cost, counted as it goes, and how it says that there is no answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from adapters.erp.language.values import MOST_DEPTH, Result, begins_visibly, is_there, kind_of, shown

_READ_IN_A_STEP: Final = 256
"""Characters that are searched or compared by Python itself; what is done character by character is a step each."""


class CannotSay(Exception):  # noqa: N818 - the language's own word
    """An expression has no value for this data. `why` is for a person.

    `position` is the column in the expression or its leaf, `pointer` where that stands in the file, once it is known.
    It is `spent` where there might be a value, but it costs more than it may.
    """

    def __init__(
        self, why: str, position: int | None = None, pointer: str | None = None, *, spent: bool = False
    ) -> None:
        super().__init__(why)
        self.spent = spent
        self.why = why
        self.position = position
        self.pointer = pointer


@dataclass
class Budget:
    """What an evaluation, or many that share it, may use: steps, characters of text made, items of lists made.

    What was used is counted beside it, and is never more than that.
    """

    steps: int = 300_000
    characters: int = 8_000_000
    items: int = 200_000
    steps_used: int = field(default=0, init=False)
    characters_used: int = field(default=0, init=False)
    items_used: int = field(default=0, init=False)

    def step(self, steps: int = 1) -> None:
        """Count steps. Raises `CannotSay` where there are not so many left, as the others here."""
        used = self.steps_used + steps
        if used > self.steps:
            raise CannotSay(f"it takes more than {self.steps} steps", spent=True)
        self.steps_used = used

    def sees(self, value: Result) -> bool:
        """Say whether a value is there, as `is_there` does: at a text it looks until it sees something."""
        if isinstance(value, str) and not begins_visibly(value):
            self.step(len(value))
        return is_there(value)

    def reads(self, *texts: str) -> None:
        """Count the steps that it takes to look through texts."""
        self.step(sum(len(text) // _READ_IN_A_STEP for text in texts) + 1)

    def writes(self, characters: int) -> None:
        """Count characters of text, before it is made wherever its length is known."""
        used = self.characters_used + characters
        if used > self.characters:
            raise CannotSay(f"it makes more than {self.characters} characters", spent=True)
        self.characters_used = used

    def writes_whole(self, value: Result) -> None:
        """Count the characters of all that is in a value, as if it were made anew."""
        self.writes(len(value) if isinstance(value, str) else self._size_of(value, 0))

    def _size_of(self, value: Result, depth: int) -> int:
        """Return about how long a value is as JSON. It takes a step for each value inside."""
        if depth > MOST_DEPTH:
            raise CannotSay(f"it has more than {MOST_DEPTH} levels")
        if isinstance(value, str):
            return len(value) + 2
        if isinstance(value, list):
            self.step(len(value))
            return 2 + sum(self._size_of(item, depth + 1) + 2 for item in value)
        if isinstance(value, Mapping):
            self.step(len(value))
            return 2 + sum(len(name) + 6 + self._size_of(inner, depth + 1) for name, inner in value.items())
        return 1

    def makes(self, items: int) -> None:
        """Count items of a list."""
        used = self.items_used + items
        if used > self.items:
            raise CannotSay(f"it makes lists of more than {self.items} items", spent=True)
        self.items_used = used
        self.step(items)


def a(value: Result) -> str:
    """Return the kind of a value in words for a person."""
    return shown(kind_of(value))
