"""An order may be sent in place of another one, for a return of that.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

COLUMNS = {
    "replaces": "the order_no of its ERP's order in whose place it is sent",
    "replaces_return": "the return of that order that it is for",
}
CHECKS = {
    "replaces_another": "replaces <> order_no",
    "a_return_is_of_what_it_replaces": "replaces is not null or replaces_return is null",
}


def upgrade() -> None:
    for name, comment in COLUMNS.items():
        op.add_column("orders", sa.Column(name, sa.String(), nullable=True, comment=comment), schema="records")
    op.create_foreign_key(
        op.f("fk_orders_tenant_source_replaces"),
        "orders",
        "orders",
        ["tenant", "source", "replaces"],
        ["tenant", "source", "order_no"],
        source_schema="records",
        referent_schema="records",
    )
    for name, condition in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_orders_{name}"), "orders", condition, schema="records")
    op.create_index(
        "ix_orders_replaces",
        "orders",
        ["tenant", "source", "replaces"],
        schema="records",
        postgresql_where=sa.text("replaces is not null"),
    )


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column("orders", name, schema="records")
