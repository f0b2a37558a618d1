"""An answer and an order, each told in a line."""

from __future__ import annotations

import re

import httpx

from tests.workflows.partners import SANDBOX

from .shop import Body


def said(answer: httpx.Response) -> str:
    """Tell an answer in a line: its outcome, or why not."""
    body = answer.json()
    if answer.is_success:
        return str(body.get("outcome") or answer.status_code)
    reasons = sorted({fault["detail"] for fault in body.get("errors") or ()} or {body["detail"]})
    told = f"{answer.status_code} {body['type'].removeprefix('/problems/')}: {' '.join(reasons)}"
    return re.sub(r"which is \S+Z", "which is NOW", told)


SHOWN = ("reserved", "picked", "backordered", "to_put_back", "shipped", "delivered", "returned", "cancelled")


def state_of(view: Body, holds: dict[int, str], labels: str) -> str:
    """Tell an order in a line: its status, its lines and where they are held, its parcels, and what needs a person."""
    parts = [view["status"]]
    for line in view["lines"]:
        quantities = [f"{line[name]} {name}" for name in SHOWN if line[name]]
        if quantities:
            parts.append(f"{line['line_no']} {line['sku'].split('-')[0]}: {', '.join(quantities)}")
    parts += [f"line {line_no} holds {places}" for line_no, places in holds.items()]
    parts += [
        f"parcel {shipment['tracking_status']}, label {labels}{_more(shipment)}" for shipment in view["shipments"]
    ]
    if view["needs_attention"]:
        parts.append(f"needs a person: {view['attention']['reason']} ({', '.join(view['attention']['actions'])})")
    return "; ".join(parts)


def _more(shipment: Body) -> str:
    other = "" if shipment["carrier"] == SANDBOX else f", with {shipment['carrier']}"
    intercepted = ", intercepted" if any(parcel["intercepted_at"] for parcel in shipment["parcels"]) else ""
    return other + intercepted
