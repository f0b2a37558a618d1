"""What carriers date ahead is kept as told; what a count said is kept with its task.

Revision ID: 0020
Revises: 0019
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
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
    op.add_column(
        "count_task",
        sa.Column("digest", sa.LargeBinary(), nullable=True, comment="of what was counted, in the counter's own words"),
        schema="records",
    )


def downgrade() -> None:
    op.drop_column("count_task", "digest", schema="records")
    op.alter_column("carrier_event", "occurred_at", comment=None, schema="records")
    op.drop_column("carrier_event", "told_at", schema="records")
