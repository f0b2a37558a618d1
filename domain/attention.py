"""What a person is needed for, by the name of the step that is stuck, and how that is written down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

HOLD_STEP: Final = "hold"
"""What a person is needed for where a fact took what an order held."""


def parcel_step(tracking_number: str | None) -> str:
    """Name what a person is needed for where a parcel goes wrong."""
    return f"parcel/{tracking_number}"


def replaced_step(shipment_no: str) -> str:
    """Name what a person is needed for where the carrier has a parcel under a label that was replaced."""
    return f"replaced/{shipment_no}"


def attention_row(reason: str, actions: Sequence[str], step: str, since: str) -> dict[str, Any]:
    """Write down what is stuck, why, since when, and which named actions unstick it."""
    return {"reason": reason, "since": since, "actions": list(actions), "step": step}
