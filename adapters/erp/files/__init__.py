"""The mapping files that come with the hub: a folder each, with the contracts that it speaks by and its examples."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent
FILE = "mapping.yaml"


def shipped() -> tuple[str, ...]:
    """Return the names of the mappings that come with the hub."""
    return tuple(sorted(file.parent.name for file in _HERE.glob(f"*/{FILE}")))


def folder(name: str) -> Path:
    """Return the folder of a mapping. Raises `KeyError` where none of that name comes with the hub."""
    if name not in shipped():
        raise KeyError(name)
    return _HERE / name
