"""What a person found out about a discrepancy is kept with it: who, when, why, and which adjustment mended it.

Revision ID: 0026
Revises: 0025
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

SETTLED = (
    "(settlement_no is null) = (settled_by is null) and (settlement_no is null) = (digest is null)"
    " and (settlement_no is null or resolved_at is not null)"
    " and (settlement_no is not null or (reason_code is null and adjustment_no is null))"
)


def columns() -> list[sa.Column[str] | sa.Column[bytes]]:
    """Return the new columns; all are null of what was settled by SQL."""
    return [
        sa.Column(
            "settlement_no",
            sa.String(),
            nullable=True,
            comment="null where it is open, and where it was settled by SQL",
        ),
        sa.Column("settled_by", sa.String(), nullable=True),
        sa.Column(
            "reason_code",
            sa.String(),
            nullable=True,
            comment="null where the reason was told in words, which are kept under an id",
        ),
        sa.Column(
            "adjustment_no", sa.String(), nullable=True, comment="the adjustment or count that mended it, if one did"
        ),
        sa.Column("digest", sa.LargeBinary(), nullable=True, comment="of what was said when it was settled"),
    ]


def upgrade() -> None:
    for column in columns():
        op.add_column("discrepancy", column, schema="records")
    op.create_check_constraint(op.f("ck_discrepancy_settled"), "discrepancy", SETTLED, schema="records")
    op.create_index("ix_discrepancy_all", "discrepancy", ["tenant", "discrepancy_id"], schema="records")
    op.create_index(
        "ix_discrepancy_open",
        "discrepancy",
        ["tenant", "discrepancy_id"],
        schema="records",
        postgresql_where=sa.text("resolved_at is null"),
    )
    name_orders()
    op.execute("revoke update on records.discrepancy from stockbridge_app")
    settling = ", ".join(["resolved_at", *(column.name for column in columns())])
    op.execute(f"grant update ({settling}) on records.discrepancy to stockbridge_app")


def name_orders() -> None:
    """Write down whose goods it was that moved: the order's that the posting is about, if all were one order's."""
    op.execute(
        """
        update records.discrepancy d set order_ref = moved.order_ref
        from (
          select e.posting_id, min(e.order_ref) as order_ref from ledger.entry e
          where e.on_hand_delta <> 0 and e.order_ref <> ''
            and e.posting_id in (select posting_id from records.discrepancy where order_ref is null)
          group by e.posting_id having min(e.order_ref) = max(e.order_ref)
        ) moved
        where moved.posting_id = d.posting_id and d.order_ref is null
        """
    )


def downgrade() -> None:
    op.execute("grant update on records.discrepancy to stockbridge_app")
    for index in ("ix_discrepancy_open", "ix_discrepancy_all"):
        op.drop_index(index, table_name="discrepancy", schema="records")
    op.drop_constraint("ck_discrepancy_settled", "discrepancy", schema="records", type_="check")
    for column in reversed(columns()):
        op.drop_column("discrepancy", column.name, schema="records")
