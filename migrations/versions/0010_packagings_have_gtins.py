"""A product is found by the GTIN of its base unit or of a packaging.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

WITH_GTIN, WITH_NESTING = "[{uom, factor, gtin}]", "[{uom, factor, of, gtin}]"


def upgrade() -> None:
    op.add_column(
        "product", sa.Column("gtin", sa.String(), nullable=True, comment="of the base unit"), schema="records"
    )
    op.alter_column("product", "packagings", schema="records", comment=WITH_NESTING, existing_comment=WITH_GTIN)
    op.create_index(
        "ix_product_gtin",
        "product",
        ["tenant", "gtin"],
        schema="records",
        postgresql_where=sa.text("gtin is not null"),
    )
    op.create_index(
        "ix_product_packagings_gtin",
        "product",
        [sa.text("jsonb_path_query_array(packagings, '$[*].\"gtin\"')")],
        schema="records",
        postgresql_using="gin",
    )


def downgrade() -> None:
    op.drop_index("ix_product_packagings_gtin", table_name="product", schema="records")
    op.drop_index("ix_product_gtin", table_name="product", schema="records")
    op.alter_column("product", "packagings", schema="records", comment=WITH_GTIN, existing_comment=WITH_NESTING)
    op.drop_column("product", "gtin", schema="records")
