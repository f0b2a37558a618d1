"""Examples for the OpenAPI document: those of the contract."""

from __future__ import annotations

from typing import Any, Final

Example = dict[str, Any]

PRODUCT: Final[Example] = {
    "sku": "MUG-WHITE",
    "name": "White mug",
    "description": "White mug of stoneware, 0.3 l, with a handle",
    "category": "Tableware",
    "base_uom": "EA",
    "gtin": "09506000134352",
    "packagings": [
        {"uom": "CASE", "factor": 12, "of": None, "gtin": "09506000134369"},
        {"uom": "PALLET", "factor": 40, "of": "CASE", "gtin": None},
    ],
    "tracking": "none",
    "allocation_policy": "first_expiry_first",
    "adds": [],
    "kit": False,
    "shelf_life_days": None,
    "weight_g": 350,
    "length_mm": 100,
    "width_mm": 90,
    "height_mm": 110,
}

KIT: Final[Example] = {
    "sku": "TEA-SET",
    "description": "A tin of tea and two cups, never on a shelf as such",
    "base_uom": "EA",
    "adds": [{"sku": "TEA", "quantity": 1}, {"sku": "CUP", "quantity": 2}],
    "kit": True,
}

WITH_A_GIFT: Final[Example] = {
    "sku": "GLASS",
    "description": "A coaster comes with each three of them until Christmas",
    "base_uom": "EA",
    "adds": [{"sku": "COASTER", "quantity": 1, "per": 3, "from": "2026-11-20", "until": "2026-12-24"}],
}

ADDRESS: Final[Example] = {
    "name": "Ida Holm",
    "company": None,
    "street": ["Kehrwieder 2"],
    "postal_code": "20457",
    "city": "Hamburg",
    "state": None,
    "country": "DE",
    "phone": None,
    "email": None,
}

SITE: Final[Example] = {
    "location_id": "HAM",
    "type": "site",
    "time_zone": "Europe/Berlin",
    "address": {**ADDRESS, "name": "Stockbridge Hamburg", "street": ["Am Sandtorkai 1"]},
}

BIN: Final[Example] = {
    "location_id": "HAM-A-01-03",
    "site": "HAM",
    "parent": "HAM-A-01",
    "type": "bin",
    "capacity": {"max_units": 400},
}

INBOUND: Final[Example] = {
    "po_no": "PO-88",
    "revision": 1,
    "site": "HAM",
    "supplier": "ACME",
    "order_type": "standard",
    "external_reference": "ACME-4711",
    "order_date": "2026-11-16",
    "expected_date": "2026-12-01",
    "lines": [{"line_no": 1, "sku": "MUG-WHITE", "quantity": 10, "uom": "CASE"}],
}

INBOUND_CANCEL: Final[Example] = {
    "cancel_no": "PX-1",
    "reason": "the supplier has no more",
    "actor": "ida",
    "lines": [{"line_no": 1, "quantity": 2, "uom": "CASE"}],
}

RECEIPT: Final[Example] = {
    "receipt_no": "GR-1",
    "location_id": "HAM-A-01-03",
    "occurred_at": "2026-11-20T09:12:00+01:00",
    "lines": [
        {
            "line_no": 1,
            "quantity": 10,
            "uom": "CASE",
            "lot": "L-2607",
            "expires_on": "2027-07-31",
            "serial_numbers": [],
            "stock_status": "available",
        }
    ],
}

UNORDERED_RECEIPT: Final[Example] = {
    "receipt_no": "GR-2",
    "location_id": "HAM-A-01-03",
    "supplier": "ACME",
    "lines": [{"sku": "MUG-WHITE", "quantity": 1, "uom": "CASE", "lot": "L-2607", "stock_status": "inspection"}],
}

RECEIPT_REVERSAL: Final[Example] = {"reversal_no": "GX-1", "reason": "booked for the wrong purchase order"}

PUSH: Final[Example] = {
    "order_no": "SO-10293",
    "revision": 1,
    "site": "HAM",
    "ordered_at": "2026-11-20T14:03:00+01:00",
    "priority": 0,
    "shortage_policy": "backorder",
    "customer_no": "C-778",
    "requested_delivery": "2026-11-24",
    "carrier": "sandbox",
    "service_level": "ground",
    "note": None,
    "ship_to": ADDRESS,
    "lines": [
        {
            "line_no": 1,
            "sku": "MUG-WHITE",
            "quantity": 2,
            "uom": "CASE",
            "unit_price": {"amount": "4.25", "currency": "EUR"},
            "site": None,
            "lot": None,
        }
    ],
}

REPLACEMENT: Final[Example] = {
    **PUSH,
    "order_no": "SO-10293-X",
    "replaces": {"order_no": "SO-10293", "return_no": "R-1"},
}

PUSHED: Final[Example] = {
    "order_no": "SO-10293",
    "revision": 1,
    "outcome": "accepted",
    "status": "reserved",
    "needs_attention": False,
    "workflow_id": "order/acme/SO-10293",
    "lines": [
        {
            "line_no": 1,
            "main_line_no": None,
            "sku": "MUG-WHITE",
            "site": "HAM",
            "lot": None,
            "uom": "CASE",
            "factor": 12,
            "unit_price": {"amount": "4.25", "currency": "EUR"},
            "ordered": 24,
            "reserved": 24,
            "backordered": 0,
            "picked": 0,
            "to_put_back": 0,
            "shipped": 0,
            "delivered": 0,
            "returned": 0,
            "cancelled": 0,
        }
    ],
}

PICK: Final[Example] = {
    "pick_no": "P-1",
    "lines": [
        {
            "line_no": 1,
            "quantity": 2,
            "uom": "CASE",
            "location_id": "HAM-A-01-03",
            "lot": "L-2607",
            "serial_numbers": [],
        }
    ],
    "short": False,
}

PUT_BACK: Final[Example] = {
    "put_back_no": "B-1",
    "lines": [{"line_no": 1, "quantity": 1, "uom": "CASE", "location_id": "HAM-A-01-03"}],
}

SHIP: Final[Example] = {
    "shipment_no": "SO-10293-1",
    "handed_over": False,
    "parcels": [
        {
            "weight_g": 5400,
            "length_mm": 400,
            "width_mm": 300,
            "height_mm": 200,
            "lines": [{"line_no": 1, "quantity": 24}],
        }
    ],
}

HAND_OVER: Final[Example] = {"handover_no": "H-1", "occurred_at": "2026-11-20T17:30:00+01:00"}

CANCEL: Final[Example] = {"cancel_no": "X-1", "reason": "customer", "lines": None}

INTERCEPT: Final[Example] = {"intercept_no": "I-1", "parcel_no": None, "by": "Mads", "reason": "the customer cancelled"}

LOSS: Final[Example] = {"loss_no": "L-1", "parcel_no": 2, "reason": "lost", "resend": False, "note": "claim 4711"}

RETURN_AUTHORIZATION: Final[Example] = {
    "authorization_no": "RMA-1",
    "by": "ida",
    "reason": "wrong size",
    "valid_until": "2026-12-24T00:00:00Z",
    "lines": [{"line_no": 1, "quantity": 3}],
}

RETURN: Final[Example] = {
    "return_no": "R-1",
    "location_id": "HAM-RET",
    "lines": [{"line_no": 1, "quantity": 3, "lot": "L-2607", "serial_numbers": [], "condition": "inspection"}],
}

OPERATOR_ACT: Final[Example] = {
    "act_no": "O-1",
    "verb": "retry_step",
    "by": "Mads",
    "reason": "the carrier's contract is renewed",
    "target": "label/SO-10293-1/1",
}

STORED_ADDRESS: Final[Example] = {"address_no": "A-1", "ship_to": {**ADDRESS, "street": ["Kehrwieder 3"]}}

OPERATOR_BATCH: Final[Example] = {
    "batch_no": "OPS-17",
    "verb": "retry_step",
    "by": "Ida",
    "reason": "the ERP's posting period is open again",
    "where": {"step": "erp", "reason": "No open posting period"},
    "at_most": 500,
}

MOVE: Final[Example] = {
    "move_no": "M-1",
    "sku": "MUG-WHITE",
    "quantity": 12,
    "uom": "EA",
    "from": {"location_id": "HAM-A-01-03", "lot": "L-2607", "stock_status": "available"},
    "to": {"location_id": "HAM-A-01-04"},
    "serial_numbers": [],
    "reason": None,
}

ADJUSTMENT: Final[Example] = {
    "adjustment_no": "A-1",
    "location_id": "HAM-A-01-03",
    "sku": "MUG-WHITE",
    "lot": None,
    "stock_status": "available",
    "counted": 118,
    "counted_at": "2026-11-20T18:00:00+01:00",
    "reason": "cycle_count",
    "note": "two broken",
}

STATUS_CHANGE: Final[Example] = {"change_no": "S-1", "to": "quarantined", "quantity": 12, "reason": "leaking"}

CONVERSION: Final[Example] = {"conversion_no": "CV-1", "location_id": "HAM-RET", "reason": "it is the returns dock now"}

SETTLEMENT: Final[Example] = {
    "settlement_no": "ST-1",
    "by": "ida",
    "reason": "counted",
    "note": "two were on the wrong shelf",
    "adjustment_no": "A-1",
}

COUNT: Final[Example] = {"counted": 3, "uom": "EA", "by": "ida", "note": "behind the rack", "serial_numbers": []}

TRANSFER: Final[Example] = {
    "transfer_no": "TR-7",
    "to_site": "CPH",
    "lines": [
        {"sku": "MUG-WHITE", "quantity": 2, "uom": "CASE", "location_id": "HAM-A-01-03", "lot": "L-2607"},
    ],
}

TRANSFER_RECEIPT: Final[Example] = {
    "receipt_no": "TG-1",
    "location_id": "CPH-B-02",
    "complete": True,
    "lines": [{"sku": "MUG-WHITE", "quantity": 24, "lot": "L-2607"}],
}

RECALL: Final[Example] = {"recall_no": "RC-1", "sku": "MUG-WHITE", "lot": "L-2607", "reason": "glaze chips"}

LIFT: Final[Example] = {"reason": "the supplier's tests are back"}

NEW_KEY: Final[Example] = {
    "name": "erp",
    "owner": "Team SAP, erp@example.com",
    "scope": "source",
    "source": "erp",
    "expires_at": "2027-11-30T00:00:00Z",
}

NEW_ADMINISTRATOR: Final[Example] = {"name": "ida", "owner": "Ida Holm", "scope": "administrator"}

KEY_ROTATION: Final[Example] = {"grace_s": 86400}

KEY_REVOCATION: Final[Example] = {"reason": "it was in a mail", "actor": "ida"}

NEW_ERP: Final[Example] = {
    "kind": "erp",
    "name": "erp",
    "adapter": "mapping",
    "mapping": "sandbox",
    "settings": {"address": "https://erp.example.com/soap/orders", "user": "stockbridge"},
    "secrets": {"password": "as the ERP knows it"},
    "start_at": "2026-12-01T00:00:00Z",
}

NEW_CARRIER: Final[Example] = {
    "kind": "carrier",
    "name": "sandbox",
    "adapter": "sandbox",
    "settings": {"base_url": "https://carrier.example.com"},
    "secrets": {"token": "what we call it with", "secret": "what it signs callbacks with"},
}

CONNECTION_CHANGE: Final[Example] = {"at_once": 4, "calls_per_second": 10, "reason": "the ERP is slow on Mondays"}

CONNECTION_SECRETS: Final[Example] = {"secrets": {"password": "the new one"}, "actor": "ida"}

CONNECTION_SWITCH: Final[Example] = {"flow": "off", "reason": "the ERP is moved this night"}

CONNECTION_ROTATION: Final[Example] = {"public_id": "mQ2n0dXK5J8c1rVYb7tHq3wEzP6uGfLa", "grace_s": 86400}
