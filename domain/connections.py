"""Connections: accounts at ERPs and carriers. What they are, what goes through them, and what may be asked of them.

An ERP connection's name is the `source` of its orders, a carrier's is what an order names as its `carrier`: neither
ever changes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, Final

from pydantic import Field, JsonValue, SecretStr, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from domain.api_keys import DAY_S, LONGEST_GRACE_S
from domain.commands import Instant, Key, Shape
from domain.errors import Kind, Rejected
from domain.texts import Name, Phrase

LONGEST_MAPPING: Final = 512 * 1024
LONGEST_CONTRACT: Final = 8 * 1024 * 1024
MOST_CONTRACTS: Final = 200
"""NetSuite's contract has some fifty files, of two and a half megabytes together."""
MOST_SETTINGS: Final = 100
LONGEST_SECRET: Final = 64 * 1024
"""A certificate with its chain and key is a secret, too."""


class ConnectionKind(StrEnum):
    """With whom a connection is."""

    ERP = "erp"
    CARRIER = "carrier"


class Flow(StrEnum):
    """What goes through a connection. Each one lets through what the one before it does, and more.

    `observe`: what comes in is mapped and shown, nothing enters or leaves. `inbound`: what comes in enters. `both`: we
    tell and ask the other side, too.
    """

    OFF = "off"
    OBSERVE = "observe"
    INBOUND = "inbound"
    BOTH = "both"

    def lets(self, least: Flow) -> bool:
        """Say whether what needs `least` goes through."""
        return _STEPS.index(self) >= _STEPS.index(least)


_STEPS: Final = tuple(Flow)

FIRST: Final = {ConnectionKind.ERP: Flow.OBSERVE, ConnectionKind.CARRIER: Flow.BOTH}
"""How a connection begins, unless it is said. A carrier says nothing before it was asked: there is nothing to watch."""


def check_switch(now: Flow, before_off: Flow | None, to: Flow) -> None:
    """Refuse a switch that leaves out a step. Back is always allowed, and so is to what it was before it was off."""
    reached = now if before_off is None else max(now, before_off, key=_STEPS.index)
    if _STEPS.index(to) > max(_STEPS.index(reached), _STEPS.index(now) + 1):
        following = _STEPS[_STEPS.index(now) + 1]
        raise Rejected(
            "step_left_out",
            f"From {now} a connection goes to {following} first, and from there on: see what that does before.",
            kind=Kind.CONFLICT,
        )


def what_waits(kind: ConnectionKind, name: str, flow: Flow) -> str:
    """Say in words why nothing is sent through a connection."""
    whose = "The ERP" if kind is ConnectionKind.ERP else "The carrier"
    how = "is switched off" if flow is Flow.OFF else f"is switched to {flow}"
    return f"{whose} {name} {how}: nothing leaves, and what it is to hear waits."


def unknown(kind: ConnectionKind, name: str) -> Rejected:
    """Refuse what is to go through a connection that there is not."""
    if kind is ConnectionKind.ERP:
        return Rejected("unknown_source", f"No ERP is connected for the source {name}.")
    return Rejected("unknown_carrier", f"There is no carrier {name}.")


@dataclass(frozen=True)
class ErpMapping:
    """A mapping as it is kept: its text, and the contracts that it speaks by, by the names of their files."""

    text: str
    contracts: Mapping[str, str]

    @property
    def digest(self) -> bytes:
        """What names it: the SHA-256 of all that is in it."""
        return sha256(json.dumps([self.text, dict(self.contracts)], sort_keys=True).encode()).digest()


AtOnce = Annotated[int, Field(ge=1, le=200, strict=True, description="Most calls at a time, of each worker")]
Rate = Annotated[float, Field(gt=0, le=10_000, description="Most calls a second, over all workers")]
Timeout = Annotated[float, Field(gt=0, le=300, description="Longest silence of the other side, in seconds")]
Settings = Annotated[dict[Key, JsonValue], Field(max_length=MOST_SETTINGS)]
Secrets = Annotated[
    dict[Key, Annotated[SecretStr, Field(min_length=1, max_length=LONGEST_SECRET)]], Field(max_length=MOST_SETTINGS)
]
MappingText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LONGEST_MAPPING,
        description="A mapping, as its file has it; or the name of one that comes with the hub",
    ),
]
Contracts = Annotated[
    dict[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,254}$")],
        Annotated[str, Field(max_length=LONGEST_CONTRACT)],
    ],
    Field(max_length=MOST_CONTRACTS, description="The WSDLs, schemas and OpenAPI documents that the mapping names"),
]

AT_ONCE: Final = {ConnectionKind.ERP: 8, ConnectionKind.CARRIER: 50}
"""An ERP call takes a thread, a carrier's none."""


class NewConnection(Shape):
    """A connection that is to be added."""

    kind: ConnectionKind
    name: Annotated[Key, Field(description="The source of the ERP's orders, or what orders name as their carrier")]
    adapter: Annotated[Key, Field(description="What speaks to it")]
    settings: Annotated[Settings, Field(description="What the adapter must know; nothing secret", default_factory=dict)]
    secrets: Annotated[Secrets, Field(description="What nobody may know; never shown again", default_factory=dict)]
    mapping: MappingText | None = None
    contracts: Contracts | None = None
    flow: Annotated[Flow | None, Field(description="An ERP begins with `observe`, a carrier with `both`")] = None
    start_at: Annotated[
        Instant | None, Field(description="An ERP's: what was closed there before never enters", validate_default=True)
    ] = None
    at_once: AtOnce | None = None
    calls_per_second: Rate = 50
    timeout_s: Timeout = 10
    actor: Name | None = None
    reason: Phrase | None = None

    @field_validator("start_at")
    @classmethod
    def _goes_with_the_kind(cls, start_at: datetime | None, info: ValidationInfo) -> datetime | None:
        if "kind" in info.data and (info.data["kind"] is ConnectionKind.ERP) != (start_at is not None):
            raise PydanticCustomError("start_at", "an ERP says from when on its documents count, a carrier does not")
        return start_at

    @field_validator("flow")
    @classmethod
    def _is_some_flow(cls, flow: Flow | None) -> Flow | None:
        if flow is Flow.OFF:
            raise PydanticCustomError("added_off", "a connection is added to be used: switch it off afterwards")
        return flow

    @property
    def begins(self) -> Flow:
        """How it begins."""
        return self.flow or FIRST[self.kind]

    @property
    def limits(self) -> dict[str, Any]:
        """Its limits, by the names of their columns."""
        return {
            "at_once": self.at_once or AT_ONCE[self.kind],
            "calls_per_second": self.calls_per_second,
            "timeout_s": self.timeout_s,
        }


class ConnectionChange(Shape):
    """What is to be changed of a connection; what is left out stays. `settings` are all of them, as they are to be.

    With another address, adapter, or a mapping that speaks to other doors, all secrets are given again.
    """

    adapter: Key | None = None
    settings: Settings | None = None
    secrets: Secrets | None = None
    mapping: MappingText | None = None
    contracts: Contracts | None = None
    start_at: Instant | None = None
    at_once: AtOnce | None = None
    calls_per_second: Rate | None = None
    timeout_s: Timeout | None = None
    actor: Name | None = None
    reason: Phrase | None = None


class SecretsGiven(Shape):
    """Secrets of a connection, in place of what it has under these names. Others stay."""

    secrets: Annotated[Secrets, Field(min_length=1)]
    actor: Name | None = None
    reason: Phrase | None = None


class ConnectionSwitch(Shape):
    """What is to go through a connection from now on."""

    flow: Flow
    reason: Phrase
    actor: Name | None = None


class ConnectionRotation(Shape):
    """A connection is to have another public id, and to be reached under the old one for a while."""

    public_id: Annotated[str, Field(max_length=128, description="The one that is to be replaced")]
    grace_s: Annotated[
        int, Field(ge=0, le=LONGEST_GRACE_S, strict=True, description="How long the old one still works; 0: no more")
    ] = DAY_S
    reason: Phrase | None = None
    actor: Name | None = None
