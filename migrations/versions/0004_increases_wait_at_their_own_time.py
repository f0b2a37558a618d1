"""An increase of a line waits at its own time, behind who came before it.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

QUEUED_LATER = "JSON: the part of backordered that increases added, each with its time; the rest waits at queued_at"
QUEUED_AT = "when the demand was first accepted: its place in the queue"
BEFORE = "when the waiting demand was first accepted: its place"


def upgrade() -> None:
    op.add_column(
        "order_line",
        sa.Column("queued_later", sa.String(), server_default="[]", nullable=False, comment=QUEUED_LATER),
        schema="ledger",
    )
    op.create_check_constraint(
        "only_what_waits_is_queued", "order_line", "backordered > 0 or queued_later = '[]'", schema="ledger"
    )
    op.alter_column("order_line", "queued_at", schema="ledger", comment=QUEUED_AT, existing_comment=BEFORE)


def downgrade() -> None:
    op.alter_column("order_line", "queued_at", schema="ledger", comment=BEFORE, existing_comment=QUEUED_AT)
    op.drop_constraint("only_what_waits_is_queued", "order_line", schema="ledger", type_="check")
    op.drop_column("order_line", "queued_later", schema="ledger")
