"""A product, or an order, says which stock goes first; a customer, how long it must keep.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

POLICIES = "allocation_policy in ('first_expiry_first', 'first_in_first_out', 'fewest_locations', 'pick_route')"


def upgrade() -> None:
    op.add_column(
        "lot",
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="when it first came",
        ),
        schema="ledger",
    )
    for schema, table in (("ledger", "order_line"), ("records", "product")):
        op.add_column(
            table,
            sa.Column("allocation_policy", sa.String(), server_default="first_expiry_first", nullable=False),
            schema=schema,
        )
        op.create_check_constraint("allocation_policy", table, POLICIES, schema=schema)
    op.add_column(
        "order_line",
        sa.Column("least_expiry", sa.Date(), nullable=True, comment="what expires before is not taken"),
        schema="ledger",
    )


def downgrade() -> None:
    op.drop_column("order_line", "least_expiry", schema="ledger")
    for schema, table in (("records", "product"), ("ledger", "order_line")):
        op.drop_constraint("allocation_policy", table, schema=schema, type_="check")
        op.drop_column(table, "allocation_policy", schema=schema)
    op.drop_column("lot", "received_at", schema="ledger")
