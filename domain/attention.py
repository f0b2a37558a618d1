"""What a person is needed for, by the name of the step that is stuck, and how that is written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

HOLD_STEP: Final = "hold"
"""What a person is needed for where a fact took what an order held."""


@dataclass(frozen=True)
class Flag:
    """What an order needs a person for: what of its attention stays the same while nothing happens."""

    step: str
    reason: str


@dataclass(frozen=True)
class Ask:
    """Ask for a person: why, which named actions help, and the step that is stuck."""

    reason: str
    actions: tuple[str, ...]
    step: str


@dataclass(frozen=True)
class Attention:
    """What is stuck, why, since when, and which named actions unstick it; `said_id` names what a partner said to it."""

    reason: str
    since: str
    actions: tuple[str, ...]
    step: str
    said_id: str | None = None

    @classmethod
    def of_row(cls, stored: Mapping[str, Any]) -> Attention:
        """Read what was written down."""
        told = (stored["reason"], stored["since"], tuple(stored["actions"]), stored["step"])
        return cls(*told, said_id=stored.get("said_id"))

    def as_row(self) -> dict[str, Any]:
        """Write it down."""
        told = {"reason": self.reason, "since": self.since, "actions": list(self.actions), "step": self.step}
        return told if self.said_id is None else {**told, "said_id": self.said_id}

    @property
    def flag(self) -> Flag:
        """What a person looks at before an act."""
        return Flag(self.step, self.reason)


def parcel_step(tracking_number: str | None) -> str:
    """Name what a person is needed for where a parcel goes wrong."""
    return f"parcel/{tracking_number}"


def replaced_step(shipment_no: str) -> str:
    """Name what a person is needed for where the carrier has a parcel under a label that was replaced."""
    return f"replaced/{shipment_no}"
