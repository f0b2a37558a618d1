"""An operator may act on many orders at once.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "operator_batch",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("batch_no", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=True, comment="whose orders it is for; null is anybody's"),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="of what was asked"),
        sa.Column("request", JSONB(), nullable=False, comment="what was asked, and which orders it was for"),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column(
            "accepted_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("tenant", "batch_no", name=op.f("pk_operator_batch")),
        schema="records",
        comment="One act of an operator for many orders. Append-only: what became of it is in the inbox",
    )
    op.create_table(
        "operator_batch_order",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("batch_no", sa.String(), nullable=False),
        sa.Column("order_ref", sa.String(), nullable=False),
        sa.Column("inbox_id", sa.BigInteger(), nullable=False, comment="the act as this order decides it"),
        sa.ForeignKeyConstraint(
            ["tenant", "batch_no"],
            ["records.operator_batch.tenant", "records.operator_batch.batch_no"],
            name=op.f("fk_operator_batch_order_tenant_batch_no"),
        ),
        sa.ForeignKeyConstraint(
            ["inbox_id"], ["records.inbox.inbox_id"], name=op.f("fk_operator_batch_order_inbox_id")
        ),
        sa.PrimaryKeyConstraint("tenant", "batch_no", "order_ref", name=op.f("pk_operator_batch_order")),
        schema="records",
        comment="The orders of a batch, as its query found them when it was accepted. Append-only",
    )
    for table in ("operator_batch", "operator_batch_order"):
        op.execute(f"grant select, insert on records.{table} to stockbridge_app")


def downgrade() -> None:
    op.drop_table("operator_batch_order", schema="records")
    op.drop_table("operator_batch", schema="records")
