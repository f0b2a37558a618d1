"""A parcel may be lost, or come back undelivered: its row says how it ended.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

COMMENT = "{reason, resend, lines}: what was written off, by lot and serial"


def upgrade() -> None:
    for column in (
        sa.Column("lost_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("loss", JSONB, nullable=True, comment=COMMENT),
        sa.Column("came_back_at", sa.DateTime(timezone=True), nullable=True, comment="undelivered"),
    ):
        op.add_column("parcel", column, schema="records")
    op.create_check_constraint("lost", "parcel", "(lost_at is null) = (loss is null)", schema="records")
    op.create_check_constraint(
        "ends_once", "parcel", "num_nonnulls(delivered_at, lost_at, came_back_at) <= 1", schema="records"
    )


def downgrade() -> None:
    for constraint in ("ends_once", "lost"):
        op.drop_constraint(constraint, "parcel", schema="records", type_="check")
    for column in ("came_back_at", "loss", "lost_at"):
        op.drop_column("parcel", column, schema="records")
