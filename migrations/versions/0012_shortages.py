"""What a picker did not find is counted; an order may ship as a whole only, and wait for stock until a deadline.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "count_task",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("task_no", sa.String(), nullable=False, comment="made of the order and the pick that it came from"),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("location_id", sa.String(), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("lot", sa.String(), nullable=False, comment="empty where the sku has none"),
        sa.Column(
            "serial_numbers",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="those that are missing, of a sku that has them",
        ),
        sa.Column("missing", sa.BigInteger(), nullable=False),
        sa.Column("order_ref", sa.String(), nullable=False),
        sa.Column("line_no", sa.Integer(), nullable=False),
        sa.Column("pick_no", sa.String(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("found", sa.BigInteger(), nullable=True, comment="the rest was written off"),
        sa.Column("counted_by", sa.String(), nullable=True),
        sa.CheckConstraint("missing > 0 and found between 0 and missing", name=op.f("ck_count_task_found")),
        sa.CheckConstraint(
            "(done_at is null) = (found is null) and (done_at is null) = (counted_by is null)",
            name=op.f("ck_count_task_done"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "order_ref"],
            ["records.orders.tenant", "records.orders.order_ref"],
            name=op.f("fk_count_task_tenant_order_ref"),
        ),
        sa.PrimaryKeyConstraint("tenant", "task_no", name=op.f("pk_count_task")),
        schema="records",
        comment="What a picker did not find, put aside as inspection until somebody has counted",
    )
    for name, where in (("created_at", None), ("open", sa.text("done_at is null"))):
        op.create_index(
            f"ix_count_task_{name}",
            "count_task",
            ["tenant", "created_at", "task_no"],
            schema="records",
            postgresql_where=where,
        )
    op.add_column(
        "orders",
        sa.Column("ship_complete", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        schema="records",
    )
    op.add_column(
        "orders",
        sa.Column(
            "backorder_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="what still waits for stock then is cancelled; null waits for ever",
        ),
        schema="records",
    )
    op.create_index(
        "ix_orders_backorder_until",
        "orders",
        ["backorder_until"],
        schema="records",
        postgresql_where=sa.text("status = 'backordered' and closed_at is null and backorder_until is not null"),
    )
    op.execute("grant select, insert, update on records.count_task to stockbridge_app")


def downgrade() -> None:
    op.drop_column("orders", "backorder_until", schema="records")
    op.drop_column("orders", "ship_complete", schema="records")
    op.drop_table("count_task", schema="records")
