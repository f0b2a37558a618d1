"""What every value of a column must be is said by its type: such checks stay prepared, a table's own do not.

For the tables that every request writes. PostgreSQL writes their rows anew, and lets nobody in meanwhile.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

DOMAINS: Final = {
    "one_line": ("varchar", "strpos(value, E'\\n') = 0"),
    "sha256": ("bytea", "octet_length(value) = 32"),
    "quantity": ("bigint", "value >= 0"),
    "positive": ("bigint", "value > 0"),
    "line_number": ("integer", "value > 0"),
    "evidence": ("varchar", "value in ('scanned', 'confirmed', 'inferred')"),
    "shortage_policy": ("varchar", "value in ('backorder', 'reject', 'partial')"),
    "allocation_policy": (
        "varchar",
        "value in ('first_expiry_first', 'first_in_first_out', 'fewest_locations', 'pick_route')",
    ),
}

NAMES_OF_POSTING: Final = ("tenant", "idempotency_key", "reason", "actor")

COLUMNS: Final = {
    "posting": {
        **dict.fromkeys(NAMES_OF_POSTING, "one_line"),
        "request_digest": "sha256",
        "evidence": "evidence",
    },
    "entry": {"seq": "positive", "reserved": "quantity", "order_ref": "one_line", "hash": "sha256"},
    "order_line": {
        "line_no": "line_number",
        "factor": "positive",
        **dict.fromkeys(
            (
                "ordered",
                "reserved",
                "backordered",
                "picked",
                "to_put_back",
                "shipped",
                "delivered",
                "returned",
                "cancelled",
            ),
            "quantity",
        ),
        "shortage_policy": "shortage_policy",
        "allocation_policy": "allocation_policy",
    },
}

BEFORE: Final = {
    "posting": {
        **{f"ck_posting_{c}_one_line": f"strpos({c}, E'\\n') = 0" for c in NAMES_OF_POSTING},
        "ck_posting_request_digest_is_sha256": "octet_length(request_digest) = 32",
        "ck_posting_evidence": "evidence in ('scanned', 'confirmed', 'inferred')",
    },
    "entry": {
        "ck_entry_seq": "seq > 0",
        "ck_entry_reserved_not_negative": "reserved >= 0",
        "ck_entry_order_ref_one_line": "strpos(order_ref, E'\\n') = 0",
        "ck_entry_hash_is_sha256": "octet_length(hash) = 32",
    },
    "order_line": {
        "ck_order_line_nothing_negative": "least(ordered, reserved, backordered, shipped, cancelled) >= 0",
        "ck_order_line_picked_is_reserved": "picked between 0 and reserved and to_put_back >= 0",
        "ck_order_line_delivered_was_shipped": "0 <= returned and returned <= delivered and delivered <= shipped",
        "ck_order_line_shortage_policy": "shortage_policy in ('backorder', 'reject', 'partial')",
        "allocation_policy": DOMAINS["allocation_policy"][1].replace("value", "allocation_policy"),
        "ck_order_line_positive": "factor > 0 and line_no > 0",
    },
}

AFTER: Final = {
    "order_line": {
        "ck_order_line_picked_is_reserved": "picked <= reserved",
        "ck_order_line_delivered_was_shipped": "returned <= delivered and delivered <= shipped",
    },
}


def upgrade() -> None:
    for name, (base, check) in DOMAINS.items():
        op.execute(f"create domain ledger.{name} as {base} constraint ck_{name} check ({check})")
    for table, columns in COLUMNS.items():
        op.execute(
            _changing(
                table,
                dropped=BEFORE[table],
                types={column: f"ledger.{domain}" for column, domain in columns.items()},
                added=AFTER.get(table, {}),
            )
        )


def downgrade() -> None:
    for table, columns in COLUMNS.items():
        op.execute(
            _changing(
                table,
                dropped=AFTER.get(table, {}),
                types={column: DOMAINS[domain][0] for column, domain in columns.items()},
                added=BEFORE[table],
            )
        )
    for name in DOMAINS:
        op.execute(f"drop domain ledger.{name}")


def _changing(table: str, *, dropped: dict[str, str], types: dict[str, str], added: dict[str, str]) -> str:
    """Change a table in one statement, so that its rows are written once."""
    changes = [
        *(f"drop constraint {name}" for name in dropped),
        *(f"alter column {column} type {kind}" for column, kind in types.items()),
        *(f"add constraint {name} check ({check})" for name, check in added.items()),
    ]
    return f"alter table ledger.{table} {', '.join(changes)}"
