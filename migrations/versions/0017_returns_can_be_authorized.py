"""The office says what may come back of an order before it does.

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "return_authorization",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("order_ref", sa.String(), nullable=False),
        sa.Column("authorization_no", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="of what was asked"),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column(
            "valid_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="what comes back later does not come by it; null is for ever",
        ),
        sa.Column(
            "authorized_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "order_ref"],
            ["records.orders.tenant", "records.orders.order_ref"],
            name=op.f("fk_return_authorization_tenant_order_ref"),
        ),
        sa.PrimaryKeyConstraint("tenant", "order_ref", "authorization_no", name=op.f("pk_return_authorization")),
        schema="records",
        comment="What the office lets come back of an order. Append-only: what came is in the inbox",
    )
    op.create_table(
        "return_authorization_line",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("order_ref", sa.String(), nullable=False),
        sa.Column("authorization_no", sa.String(), nullable=False),
        sa.Column("line_no", sa.Integer(), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False, comment="in base units"),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_return_authorization_line_quantity")),
        sa.ForeignKeyConstraint(
            ["tenant", "order_ref", "authorization_no"],
            [
                "records.return_authorization.tenant",
                "records.return_authorization.order_ref",
                "records.return_authorization.authorization_no",
            ],
            name=op.f("fk_return_authorization_line_tenant_order_ref_authorization_no"),
        ),
        sa.PrimaryKeyConstraint(
            "tenant", "order_ref", "authorization_no", "line_no", name=op.f("pk_return_authorization_line")
        ),
        schema="records",
        comment="How much of each line an authorization is for. Append-only",
    )
    for table in ("return_authorization", "return_authorization_line"):
        op.execute(f"grant select, insert on records.{table} to stockbridge_app")


def downgrade() -> None:
    op.drop_table("return_authorization_line", schema="records")
    op.drop_table("return_authorization", schema="records")
