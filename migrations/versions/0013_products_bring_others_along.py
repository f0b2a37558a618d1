"""A product says what comes along with it, or what it is a kit of.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "product",
        sa.Column(
            "adds",
            JSONB(),
            server_default=sa.text("'[]'"),
            nullable=False,
            comment="[{sku, quantity, per, from, until}]: what comes along with so many of it, in orders of those days",
        ),
        schema="records",
    )
    op.add_column(
        "product",
        sa.Column(
            "kit",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="never stocked: what it adds are its components",
        ),
        schema="records",
    )
    op.create_check_constraint(
        "a_kit_is_its_components", "product", "not kit or tracking = 'none' and adds <> '[]'", schema="records"
    )


def downgrade() -> None:
    op.drop_constraint("a_kit_is_its_components", "product", schema="records", type_="check")
    op.drop_column("product", "kit", schema="records")
    op.drop_column("product", "adds", schema="records")
