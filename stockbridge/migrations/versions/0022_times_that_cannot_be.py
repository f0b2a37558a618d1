"""What carriers date ahead is kept as told.

Revision ID: 0022
Revises: 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "carrier_event",
        sa.Column(
            "told_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the carrier says that it happened, where that can't be",
        ),
        schema="records",
    )
    op.alter_column("carrier_event", "occurred_at", comment="no later than it was received", schema="records")


def downgrade() -> None:
    op.alter_column("carrier_event", "occurred_at", comment=None, schema="records")
    op.drop_column("carrier_event", "told_at", schema="records")
