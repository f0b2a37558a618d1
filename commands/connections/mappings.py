"""Mappings of connections: what is meant by one, whether it is one, and what a connection must know by it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, create_model
from pydantic_core import PydanticCustomError

from adapters.erp.checking.check import check
from adapters.erp.contracts.bundle import Bundle, NotBundled, UnusableContract
from adapters.erp.engine.connected import time_zone
from adapters.erp.files import FILE, folder, shipped
from adapters.erp.language.expressions import paths
from adapters.erp.mapping.file import BadMapping, FileFault, Loaded, SettingKind, load
from domain.commands import Shape
from domain.connections import ErpMapping
from domain.errors import Fault

Address = Annotated[str, Field(pattern=r"^https?://[^\s/@]+[^\s@]*$", max_length=2000)]
_Line = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"\S")]
_Whole = Annotated[str, Field(pattern=r"^-?[0-9]{1,18}$")]


def _is_a_zone(name: str) -> str:
    try:
        return time_zone(name)
    except ValueError:
        raise PydanticCustomError("setting", "must be a time zone such as Europe/Berlin") from None


_Zone = Annotated[_Line, AfterValidator(_is_a_zone)]
_READ_AS: Final[Mapping[SettingKind, Any]] = {"text": _Line, "url": Address, "whole": _Whole, "time_zone": _Zone}
_EXAMPLES: Final = "examples/"


def meant(text: str, contracts: Mapping[str, str] | None) -> ErpMapping:
    """Return the mapping that is meant: a file's text with its contracts, or one that comes with the hub, by its name.

    What comes with the hub is taken as it is now: a later build's does not change what a connection speaks by. Where
    its contracts aren't ours to hand on, they are given beside its name.
    """
    if text not in shipped():
        return ErpMapping(text, contracts or {})
    files = Bundle.from_folder(folder(text)).files
    own = {name: content.decode() for name, content in files.items() if name != FILE and _is_contract(name)}
    return ErpMapping(files[FILE].decode(), {**own, **(contracts or {})})


def _is_contract(name: str) -> bool:
    return not name.startswith(_EXAMPLES)


def faults_of(mapping: ErpMapping) -> list[Fault]:
    """Say what is wrong with a mapping, as `stockbridge erp check` does; but for its examples, which stay with it."""
    try:
        return [_fault(each) for each in check(loaded(mapping), bundle_of(mapping), {}) if not _of_examples(each)]
    except BadMapping as bad:
        return [_fault(each) for each in bad.faults]
    except (NotBundled, UnusableContract) as error:
        return [Fault("/contracts", "mapping", str(error))]


def _of_examples(fault: FileFault) -> bool:
    return fault.pointer.startswith("/examples")


def _fault(fault: FileFault) -> Fault:
    return Fault("/mapping", "mapping", str(fault))


@lru_cache(maxsize=64)
def _loaded(text: str) -> Loaded:
    return load(text)


def loaded(mapping: ErpMapping) -> Loaded:
    """Return a mapping, read. Raises `BadMapping`."""
    return _loaded(mapping.text)


def bundle_of(mapping: ErpMapping) -> Bundle:
    """Return a mapping's contracts."""
    return Bundle({name: text.encode() for name, text in mapping.contracts.items()})


def settings_of(mapping: ErpMapping) -> type[Shape]:
    """Return the shape of what a connection must know by a mapping."""
    kinds = loaded(mapping).file.settings.items()
    fields: dict[str, Any] = {
        f"field_{number}": (_READ_AS[kind], Field(alias=name))
        for number, (name, kind) in enumerate(kinds)
        if kind != "secret"
    }
    return create_model("MappedSettings", __base__=Shape, **fields)


def secrets_of(mapping: ErpMapping) -> frozenset[str]:
    """Return the names of the secrets that a connection must have by a mapping."""
    return frozenset(name for name, kind in loaded(mapping).file.settings.items() if kind == "secret")


def doors_of(mapping: ErpMapping, settings: Mapping[str, Any]) -> frozenset[str]:
    """Return what decides where secrets go: how a mapping's doors are written, and the settings in their addresses."""
    tree = loaded(mapping).document.tree
    assert isinstance(tree, dict)
    written = json.dumps([tree.get("doors"), tree.get("shapes")], sort_keys=True)
    addresses = [door.address for door in loaded(mapping).file.doors.values()]
    named = {
        path.names[1]
        for address in addresses
        for expression in address.expressions
        for path in paths(expression)
        if path.names[0] == "settings" and len(path.names) > 1
    }
    return frozenset({written, *(f"{name}={settings.get(str(name))}" for name in named)})
