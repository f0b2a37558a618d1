"""What a check has found so far, and what of the file was used: what nothing uses is often a misspelt name."""

from __future__ import annotations

from collections import defaultdict
from typing import Final, Literal

from adapters.erp.mapping.file import FileFault, Loaded

Named = Literal["setting", "table", "shape", "door", "table of faults", "call"]
"""What a file gives names to, for all of itself."""


class Findings:
    """Faults as they are found, each once."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._faults: dict[tuple[str, str], FileFault] = {}
        self._used: defaultdict[Named, set[str]] = defaultdict(set)

    def add(self, pointer: str, why: str) -> None:
        """Say that something is wrong. What several places of a file share is said once."""
        fault = self._loaded.fault(pointer, why)
        self._faults.setdefault((fault.pointer, why), fault)

    def uses(self, what: Named, name: str) -> None:
        """Say that a name is used."""
        self._used[what].add(name)

    def used(self, what: Named) -> frozenset[str]:
        """Return the names that were used."""
        return frozenset(self._used[what])

    def in_order(self) -> list[FileFault]:
        """Return all faults in the order of the file."""
        places = {pointer: place for place, pointer in enumerate(self._loaded.document.lines)}
        return sorted(self._faults.values(), key=lambda fault: (fault.line, _place(fault.pointer, places)))


def _place(pointer: str, places: dict[str, int]) -> int:
    while pointer not in places and pointer:
        pointer = pointer.rpartition("/")[0]
    return places.get(pointer, _FIRST)


_FIRST: Final = 0
