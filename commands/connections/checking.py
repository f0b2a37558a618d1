"""Whether a connection is whole: its adapter is there, and has the settings and secrets that it needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from commands.connections.adapters import ADAPTERS, Adapter
from domain.commands import Shape
from domain.connections import ConnectionKind
from domain.errors import Fault
from domain.refusals import pointer, refusal


@dataclass(frozen=True)
class Wanted:
    """A connection as it is to be: its adapter by name, settings as they are said, and the names of all its secrets."""

    kind: ConnectionKind
    adapter: str
    settings: Mapping[str, Any]
    mapping: str | None


@dataclass(frozen=True)
class Whole:
    """A connection whose adapter knows what it must."""

    adapter: Adapter
    settings: Shape
    doors: frozenset[str]


def check(wanted: Wanted, secrets: Collection[str]) -> Whole:
    """Return the connection, read by its adapter. Raises `Rejected` with a fault for each part that is wrong."""
    adapter = ADAPTERS.get((wanted.kind, wanted.adapter))
    if adapter is None:
        raise refusal([Fault("/adapter", "unknown_adapter", f"is none for {wanted.kind}: {_names(wanted.kind)}")])
    faults = [*_secret_faults(adapter, secrets)]
    if (wanted.mapping is not None) != adapter.takes_mapping:
        detail = "must be given: the adapter speaks by it" if adapter.takes_mapping else "the adapter takes none"
        faults.append(Fault("/mapping", "mapping", detail))
    try:
        settings = adapter.settings.model_validate(dict(wanted.settings))
    except ValidationError as error:
        faults += _setting_faults(error)
    if faults:
        raise refusal(faults)
    return Whole(adapter, settings, adapter.doors(settings, wanted.mapping))


def _names(kind: ConnectionKind) -> str:
    known = sorted(name for of, name in ADAPTERS if of is kind)
    return f"there is {', '.join(known)}"


def _secret_faults(adapter: Adapter, given: Collection[str]) -> Iterator[Fault]:
    for name in sorted(adapter.secrets - set(given)):
        yield Fault(pointer(["secrets", name]), "secret_missing", "must be given")
    for name in sorted(set(given) - adapter.secrets):
        yield Fault(pointer(["secrets", name]), "unknown_secret", f"is no secret of {adapter.name}")


def _setting_faults(error: ValidationError) -> Iterator[Fault]:
    """Turn what is wrong with settings into faults. What was given is not told: it may be a secret in a wrong place."""
    for details in error.errors(include_url=False, include_input=False, include_context=False):
        yield Fault(pointer(["settings", *details["loc"]]), "setting", _plain(details["msg"]))


def _plain(words: str) -> str:
    return words[:1].lower() + words[1:]
