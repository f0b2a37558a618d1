"""A product says what comes along with it.

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


def downgrade() -> None:
    op.drop_column("product", "adds", schema="records")
