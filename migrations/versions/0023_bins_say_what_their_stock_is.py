"""A location says how much it takes, with all below it: so what is below it is found, and what was too much.

Revision ID: 0023
Revises: 0022
"""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_location_parent", "location", ["tenant", "parent"], schema="records")
    op.create_index("ix_discrepancy_posting_id", "discrepancy", ["posting_id"], schema="records")


def downgrade() -> None:
    op.drop_index("ix_discrepancy_posting_id", table_name="discrepancy", schema="records")
    op.drop_index("ix_location_parent", table_name="location", schema="records")
