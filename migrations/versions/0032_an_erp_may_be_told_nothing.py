"""An ERP may be told nothing of a message, may have to make something first, and is told by a mapping that is named.

Revision ID: 0032
Revises: 0031
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

CHECK = "ck_erp_message_done_has_a_document"


def upgrade() -> None:
    op.add_column(
        "erp_message",
        sa.Column(
            "nothing_told",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="such a message makes no document there",
        ),
        schema="records",
    )
    op.add_column(
        "erp_message",
        sa.Column(
            "waits_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the ERP was first without what it is to make before; null: it isn't",
        ),
        schema="records",
    )
    op.add_column(
        "erp_message",
        sa.Column(
            "mapping_digest",
            sa.String(),
            nullable=True,
            comment="SHA-256 of the mapping by which the last attempt was made, in hex",
        ),
        schema="records",
    )
    _check("state <> 'done' or document_no is not null or nothing_told")


def downgrade() -> None:
    # A build from before knows no message without a document.
    op.execute("update records.erp_message set state = 'skipped' where state = 'done' and document_no is null")
    _check("state <> 'done' or document_no is not null")
    for column in ("mapping_digest", "waits_since", "nothing_told"):
        op.drop_column("erp_message", column, schema="records")


def _check(condition: str) -> None:
    op.drop_constraint(op.f(CHECK), "erp_message", schema="records", type_="check")
    op.create_check_constraint(op.f(CHECK), "erp_message", condition, schema="records")
