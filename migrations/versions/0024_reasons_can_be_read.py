"""Adjustments are listed.

Revision ID: 0024
Revises: 0023
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_posting_adjustment",
        "posting",
        ["tenant", "recorded_at", "posting_id"],
        schema="ledger",
        postgresql_where=sa.text("reason = 'adjustment'"),
    )


def downgrade() -> None:
    op.drop_index("ix_posting_adjustment", table_name="posting", schema="ledger")
