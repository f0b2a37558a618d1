"""Checkpoints: signed roots over what was recorded, with the leaves that they are over.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLES: Final = ("checkpoint", "checkpoint_tail", "checkpoint_posting")


def upgrade() -> None:
    op.create_index(
        "ix_posting_recorded_at",
        "posting",
        ["recorded_at"],
        schema="ledger",
        postgresql_using="brin",
        postgresql_with={"autosummarize": "on"},
    )
    _create_checkpoint()
    _create_leaves(
        "checkpoint_tail",
        sa.Column("stream_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False, comment="the entry's, as it was"),
        sa.CheckConstraint("octet_length(hash) = 32", name=op.f("ck_checkpoint_tail_hash_is_sha256")),
        sa.PrimaryKeyConstraint("number", "stream_id", name=op.f("pk_checkpoint_tail")),
        sa.UniqueConstraint("stream_id", "seq", name=op.f("uq_checkpoint_tail_stream_id_seq")),
        comment="The latest entry of a stream that had changed when a checkpoint was taken: a leaf of its tree",
    )
    _create_leaves(
        "checkpoint_posting",
        sa.Column("posting_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_checkpoint_posting_digest_is_sha256")),
        sa.PrimaryKeyConstraint("number", "posting_id", name=op.f("pk_checkpoint_posting")),
        sa.UniqueConstraint("posting_id", name=op.f("uq_checkpoint_posting_posting_id")),
        comment="A posting without entries that a checkpoint covers: a leaf of its tree",
    )
    for table in TABLES:
        op.execute(
            f"create trigger append_only before update or delete or truncate on ledger.{table} "
            "for each statement execute function ledger.refuse_change()"
        )
        op.execute(f"grant select, insert on ledger.{table} to stockbridge_app")


def _create_checkpoint() -> None:
    op.create_table(
        "checkpoint",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False, comment="from 1, without a gap"),
        sa.Column(
            "covers_until",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="what was recorded until then is covered, here or before",
        ),
        sa.Column(
            "previous_hash", sa.LargeBinary(), nullable=False, comment="of the checkpoint before; zeros for the first"
        ),
        sa.Column(
            "root", sa.LargeBinary(), nullable=False, comment="of the Merkle tree over the tails, then the postings"
        ),
        sa.Column("tails", sa.BigInteger(), nullable=False, comment="how many it covers"),
        sa.Column("postings", sa.BigInteger(), nullable=False, comment="likewise"),
        sa.Column("public_key", sa.LargeBinary(), nullable=False, comment="Ed25519"),
        sa.Column("signature", sa.LargeBinary(), nullable=False, comment="over the canonical form"),
        sa.Column("hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the canonical form"),
        sa.CheckConstraint("number > 0", name=op.f("ck_checkpoint_number")),
        sa.CheckConstraint("tails >= 0 and postings >= 0", name=op.f("ck_checkpoint_counts")),
        sa.CheckConstraint(
            "octet_length(root) = 32 and octet_length(previous_hash) = 32 and octet_length(hash) = 32",
            name=op.f("ck_checkpoint_hashes_are_sha256"),
        ),
        sa.CheckConstraint(
            "octet_length(public_key) = 32 and octet_length(signature) = 64",
            name=op.f("ck_checkpoint_signature_is_ed25519"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_checkpoint")),
        sa.UniqueConstraint("previous_hash", name=op.f("uq_checkpoint_previous_hash")),
        schema="ledger",
        comment="A signed root over what was recorded since the one before. Never updated, never deleted",
    )


def _create_leaves(table: str, *columns: sa.schema.SchemaItem, comment: str) -> None:
    op.create_table(
        table,
        sa.Column("number", sa.BigInteger(), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(
            ["number"],
            ["ledger.checkpoint.number"],
            name=op.f(f"fk_{table}_number"),
            initially="DEFERRED",
            deferrable=True,
        ),
        schema="ledger",
        comment=comment,
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table, schema="ledger")
    op.drop_index("ix_posting_recorded_at", table_name="posting", schema="ledger")
