"""What a verification has done so far, kept in a file, so that one that was interrupted can go on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from domain.errors import StockbridgeError
from ledger.verifying.verification_parts import Count, Kind, Part


class OtherLedgerError(StockbridgeError):
    """The file is of the verification of another ledger."""


class Record:
    """A file with a line for the ledger and one for each part that was checked and found sound.

    A line is on disk before the next part is taken for done; one that was cut off by a crash does not count.
    """

    def __init__(self, path: Path, ledger: str) -> None:
        self._path = path
        self.done = dict(_read(path, ledger)) if path.exists() else {}
        draft = path.with_name(path.name + ".new")
        self._file = draft.open("w", encoding="utf-8")
        self._write({"ledger": ledger}, *(asdict(part) | asdict(count) for part, count in self.done.items()))
        draft.replace(path)

    def add(self, part: Part, count: Count) -> None:
        """Remember that a part is sound."""
        self._write(asdict(part) | asdict(count))

    def _write(self, *lines: dict[str, Any]) -> None:
        self._file.writelines(json.dumps(line) + "\n" for line in lines)
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self, *, finished: bool) -> None:
        """Close the file; remove it when there is nothing to go on with."""
        self._file.close()
        if finished:
            self._path.unlink()


def _read(path: Path, ledger: str) -> Iterator[tuple[Part, Count]]:
    lines = list(_lines(path))
    if lines and lines[0].get("ledger") != ledger:
        raise OtherLedgerError(f"{path} is of the verification of another ledger. Name another file.")
    for said in lines[1:]:
        part = Part(Kind(said["kind"]), said["low"], said["high"], said["tenant"])
        yield part, Count(said["entries"], said["rows"])


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return
