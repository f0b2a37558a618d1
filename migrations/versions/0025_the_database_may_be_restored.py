"""The database may be restored from a backup, and be behind what Temporal, the ERP and the carriers know.

Revision ID: 0025
Revises: 0024
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

NOW = sa.text("clock_timestamp()")


def upgrade() -> None:
    op.create_table(
        "restoration",
        sa.Column(
            "epoch",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="by the clock, in seconds: no two lives have the same",
        ),
        sa.Column("restored_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column(
            "looked_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the partners and Temporal had been asked what they know of each open order",
        ),
        sa.Column(
            "finished_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when all had been said again: what was intended before is asked for by reference first",
        ),
        sa.PrimaryKeyConstraint("epoch", name=op.f("pk_restoration")),
        schema="records",
        comment="Each time that the database was restored from a backup, as it was told",
    )
    op.create_table(
        "missing_row",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("order_ref", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "order_ref", "what", name=op.f("pk_missing_row")),
        schema="records",
        comment="What others name and the database has not: nothing is sent until a restore is told of",
    )
    op.create_table(
        "known_elsewhere",
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("order_ref", sa.String(), nullable=False),
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False, comment="the partner's or Temporal's name of it"),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True, comment="when it was undone"),
        sa.CheckConstraint("partner in ('carrier', 'erp', 'temporal')", name=op.f("ck_known_elsewhere_partner")),
        sa.ForeignKeyConstraint(["epoch"], ["records.restoration.epoch"], name=op.f("fk_known_elsewhere_epoch")),
        sa.PrimaryKeyConstraint("epoch", "tenant", "order_ref", "partner", "name", name=op.f("pk_known_elsewhere")),
        schema="records",
        comment="What only others knew after a restore; a person looks at what nobody has said again",
    )
    op.execute("grant select, update (looked_at) on records.restoration to stockbridge_app")
    op.execute("grant select, insert, update (found_at) on records.missing_row to stockbridge_app")
    op.execute("grant select, insert, update (settled_at) on records.known_elsewhere to stockbridge_app")


def downgrade() -> None:
    for table in ("known_elsewhere", "missing_row", "restoration"):
        op.drop_table(table, schema="records")
