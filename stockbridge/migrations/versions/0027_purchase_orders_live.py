"""Products have a name and a category.

Revision ID: 0027
Revises: 0018
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("name", "category"):
        op.add_column("product", sa.Column(name, sa.String(), nullable=True), schema="records")


def downgrade() -> None:
    for name in ("category", "name"):
        op.drop_column("product", name, schema="records")
