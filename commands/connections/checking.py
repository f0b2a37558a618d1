"""Whether a connection is whole: its adapter is there, and has the settings and secrets that it needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from commands.connections.adapters import ADAPTERS, Adapter, Needs
from commands.connections.mappings import faults_of
from domain.connections import ConnectionKind, ErpMapping
from domain.errors import Fault
from domain.refusals import MOST_FAULTS, pointer, refusal


@dataclass(frozen=True)
class Wanted:
    """A connection as it is to be: its adapter by name, settings as they are said, and the names of all its secrets."""

    kind: ConnectionKind
    adapter: str
    settings: Mapping[str, Any]
    mapping: ErpMapping | None


@dataclass(frozen=True)
class Whole:
    """A connection whose adapter knows what it must."""

    adapter: Adapter
    doors: frozenset[str]


def check(wanted: Wanted, secrets: Collection[str]) -> Whole:
    """Return the connection, read by its adapter. Raises `Rejected` with a fault for each part that is wrong."""
    adapter = ADAPTERS.get((wanted.kind, wanted.adapter))
    if adapter is None:
        raise refusal([Fault("/adapter", "unknown_adapter", f"is none for {wanted.kind}: {_names(wanted.kind)}")])
    _check_mapping(adapter, wanted.mapping)
    needs = adapter.needs(wanted.mapping)
    faults = [*_secret_faults(adapter, needs, secrets)]
    try:
        needs.settings.model_validate(dict(wanted.settings))
    except ValidationError as error:
        faults += _setting_faults(error)
    if faults:
        raise refusal(faults)
    return Whole(adapter, needs.doors(wanted.settings))


def _check_mapping(adapter: Adapter, mapping: ErpMapping | None) -> None:
    """Refuse a mapping that isn't one: only by one that is can be said what else is missing."""
    if (mapping is not None) != adapter.takes_mapping:
        detail = "must be given: the adapter speaks by it" if adapter.takes_mapping else "the adapter takes none"
        raise refusal([Fault("/mapping", "mapping", detail)])
    if mapping is not None and (faults := faults_of(mapping)):
        raise refusal(faults[:MOST_FAULTS], more=len(faults) > MOST_FAULTS)


def _names(kind: ConnectionKind) -> str:
    known = sorted(name for of, name in ADAPTERS if of is kind)
    return f"there is {', '.join(known)}"


def _secret_faults(adapter: Adapter, needs: Needs, given: Collection[str]) -> Iterator[Fault]:
    for name in sorted(needs.secrets - set(given)):
        yield Fault(pointer(["secrets", name]), "secret_missing", "must be given")
    for name in sorted(set(given) - needs.secrets):
        yield Fault(pointer(["secrets", name]), "unknown_secret", f"is no secret of {adapter.name}")


def _setting_faults(error: ValidationError) -> Iterator[Fault]:
    """Turn what is wrong with settings into faults. What was given is not told: it may be a secret in a wrong place."""
    for details in error.errors(include_url=False, include_input=False, include_context=False):
        yield Fault(pointer(["settings", *details["loc"]]), "setting", _plain(details["msg"]))


def _plain(words: str) -> str:
    return words[:1].lower() + words[1:]
