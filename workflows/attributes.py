"""What an operator finds and reads an order by in the Temporal UI."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

from domain.messages import ErpStep, OrderWork
from workflows.markdown import code, escaped

TENANT: Final = SearchAttributeKey.for_keyword("Tenant")
ORDER_STATUS: Final = SearchAttributeKey.for_keyword("OrderStatus")
NEEDS_ATTENTION: Final = SearchAttributeKey.for_bool("NeedsAttention")
SKUS: Final = SearchAttributeKey.for_keyword_list("Skus")
CARRIER: Final = SearchAttributeKey.for_keyword("Carrier")
TRACKING_NUMBER: Final = SearchAttributeKey.for_keyword_list("TrackingNumber")

MOST_BYTES: Final = 1900
"""Past 2,048 bytes in a list the server terminates the workflow."""


_IN_THE_HOUSE: Final = frozenset({"reserved", "picking", "picked", "labeled"})
"""Of these the first is a milestone: an order goes through them in an hour, and each change is a billed action."""


def milestone_of(work: OrderWork) -> tuple[Any, ...]:
    """Return what is worth telling Temporal: when it changes, all attributes are brought up to date."""
    stage = "in the house" if work.status in _IN_THE_HOUSE else work.status
    skus = sorted({line.sku for line in work.lines})
    return stage, work.needs_attention, work.tracking_numbers, work.carrier, skus


def attributes_of(tenant: str, work: OrderWork) -> list[SearchAttributeUpdate[Any]]:
    """Build an order's search attributes, each list kept under `MOST_BYTES`."""
    updates: list[SearchAttributeUpdate[Any]] = [
        TENANT.value_set(tenant),
        ORDER_STATUS.value_set(work.status),
        NEEDS_ATTENTION.value_set(work.needs_attention),
        SKUS.value_set(fitting(sorted({line.sku for line in work.lines}))),
        TRACKING_NUMBER.value_set(fitting(work.tracking_numbers)),
    ]
    if work.carrier:
        updates.append(CARRIER.value_set(work.carrier))
    return updates


def fitting(values: Iterable[str]) -> list[str]:
    """Keep as many of the values as fit."""
    kept: list[str] = []
    size = 0
    for value in values:
        size += len(value.encode()) + 8
        if size > MOST_BYTES:
            break
        kept.append(value)
    return kept


COLUMNS: Final = ("ordered", "reserved", "backordered", "picked", "shipped", "delivered", "cancelled")


_NAMES_A_STEP: Final = frozenset({"skip_step", "resend_to_erp"})


def template_of(action: str, work: OrderWork) -> str:
    """Write what an operator sends as the update of an action, for them to fill in who and why."""
    said = {"by": "your name", "reason": "why"}
    if action in _NAMES_A_STEP and work.attention:
        said["target"] = work.attention["step"]
    if action == "use_address":
        said["address_id"] = "as POST /api/orders/.../addresses named it"
    return json.dumps(said)


def details_of(work: OrderWork, untold: Sequence[ErpStep], blocked: Iterable[str]) -> str:
    """Tell an operator where the order is, in Markdown."""
    rows = [
        f"| {line.line_no} | {escaped(line.sku)} | " + " | ".join(str(line.quantities[name]) for name in COLUMNS) + " |"
        for line in work.lines[:50]
    ]
    place = f"site {escaped(work.site)}, carrier {escaped(work.carrier)}"
    parts = [f"**{work.status}**, revision {work.revision}, {place}"]
    if work.needs_attention and work.attention:
        parts += _attention(work, work.attention)
    elif stuck := ", ".join(map(code, sorted(blocked))):
        parts.append(f"Waits for a person: {stuck}")
    if rows:
        head = "| line | sku | " + " | ".join(COLUMNS) + " |"
        parts.append("\n".join([head, "|---" * (len(COLUMNS) + 2) + "|", *rows]))
    if work.tracking_numbers:
        parts.append("Parcels: " + ", ".join(map(escaped, work.tracking_numbers[:20])))
    if untold:
        parts.append("The ERP is still to hear: " + ", ".join(f"{s.number} {s.kind}" for s in untold[:20]))
    if work.carrier_steps:
        parts.append("At the carrier: " + ", ".join(code(s.step_id) for s in work.carrier_steps[:20]))
    return "\n\n".join(parts)


def _attention(work: OrderWork, attention: Mapping[str, Any]) -> list[str]:
    """Tell why a person is needed, and what to do. What a partner said is told elsewhere: it may be about people."""
    actions = (f"- {code(action)} {code(template_of(action, work))}" for action in attention["actions"])
    said_id = attention.get("said_id")
    return [
        f"**Needs attention** since {attention.get('since')}: {escaped(attention['reason'])}",
        *([f"What was said to us is in the order's view, as `attention.said` ({code(said_id)})."] if said_id else ()),
        "What unsticks it, as an update of that name with this JSON:",
        "\n".join(actions),
    ]
