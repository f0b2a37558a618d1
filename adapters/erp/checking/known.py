"""What is known of a value before there is one: its kinds, its fields, its items.

It says what a value may be (of an answer, of what the hub says), and just as well what a place takes (of a contract's
request, of the hub's own shapes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Final

from adapters.erp.language.functions.function import NOTHING
from adapters.erp.language.values import KINDS


@dataclass(frozen=True)
class Known:
    """What a value may be. Without fields, or an item, nothing is known of those.

    `open` trees may have fields that aren't among these. `words` are all texts that it may be, where they are few.
    `required` are the fields that a place needs.
    """

    kinds: frozenset[str] = KINDS
    fields: Mapping[str, Known] | None = None
    open: bool = False
    item: Known | None = None
    words: frozenset[str] | None = None
    required: frozenset[str] = frozenset()

    @property
    def something(self) -> frozenset[str]:
        """The kinds that it may be of where it is there."""
        return self.kinds - NOTHING

    @property
    def names(self) -> frozenset[str] | None:
        """The names of all fields; None where there may be others."""
        return None if self.fields is None or self.open else frozenset(self.fields)


ANY: Final = Known()
NONE: Final = Known(frozenset({"missing"}))


class Fields(Mapping[str, Known]):
    """Fields of which each is looked at when it is asked for: a contract may go in circles."""

    def __init__(self, makers: Mapping[str, Callable[[], Known]]) -> None:
        self._makers = makers
        self._made: dict[str, Known] = {}

    def __getitem__(self, name: str) -> Known:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def of_kinds(*kinds: str) -> Known:
    """Return a value of one of these kinds, of which nothing else is known."""
    return Known(frozenset(kinds))


def words(*said: str) -> Known:
    """Return a text that is one of these."""
    return Known(frozenset({"text"}), words=frozenset(said))


def list_of(item: Known) -> Known:
    """Return a list."""
    return Known(frozenset({"list"}), item=item)


def tree(fields: Mapping[str, Known], *, open: bool = False, required: frozenset[str] = frozenset()) -> Known:
    """Return a tree."""
    return Known(frozenset({"tree"}), fields, open, required=required)


def perhaps(known: Known) -> Known:
    """Return what may be null or missing, too."""
    return replace(known, kinds=known.kinds | NOTHING)


def there(known: Known) -> Known:
    """Return what it is where it is there."""
    return replace(known, kinds=known.something)


def any_of(*several: Known) -> Known:
    """Return what is one of several: of their fields it may have each."""
    return reduce(_either, {id(each): each for each in several}.values()) if several else NONE


def _either(one: Known, other: Known) -> Known:
    trees = [each for each in (one, other) if "tree" in each.kinds]
    lists = [each.item for each in (one, other) if "list" in each.kinds]
    texts = [each.words for each in (one, other) if "text" in each.kinds]
    return Known(
        one.kinds | other.kinds,
        _merged(trees),
        any(each.open for each in trees),
        None if None in lists else any_of(*(item for item in lists if item)) if lists else None,
        None if None in texts else frozenset().union(*(said for said in texts if said)) if texts else None,
        frozenset.intersection(*(each.required for each in trees)) if trees else frozenset(),
    )


def _merged(trees: list[Known]) -> Mapping[str, Known] | None:
    if not trees or any(each.fields is None for each in trees):
        return None
    names = {name for each in trees for name in each.fields or {}}
    return Fields({name: partial(_field_of, trees, name) for name in sorted(names)})


def _field_of(trees: list[Known], name: str) -> Known:
    having = [each.fields[name] for each in trees if each.fields is not None and name in each.fields]
    return any_of(*having) if len(having) == len(trees) else perhaps(any_of(*having))
