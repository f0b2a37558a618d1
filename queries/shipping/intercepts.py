"""How an intercept stands, and why a carrier would not."""

from __future__ import annotations

from typing import Literal

from records.partner_words import PartnerWords
from records.shipping import shipments
from records.shipping.shipments import Step

InterceptState = Literal["asked", "accepted", "refused", "skipped"]


def refusal_of(step: Step, said: PartnerWords | None) -> str | None:
    """Say why the carrier does not intercept a parcel: in its words, unless they are erased."""
    refusal: str | None = step.refusal
    return said.words if refusal and said and said.words else refusal


def state_of(step: Step) -> InterceptState:
    """Say how an intercept stands. One that is skipped without a refusal was given up by an operator."""
    if step.state in shipments.OPEN:
        return "asked"
    if step.state == "done":
        return "accepted"
    return "refused" if step.refusal else "skipped"
