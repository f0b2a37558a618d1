"""Purchase orders are amended and cancelled, receipts kept and taken back; products have a name and a category.

Revision ID: 0021
Revises: 0020
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

SAID = "Purchase orders as they should be now. The row is the lock of what is expected and what arrived of it"
DIGEST = "of what the first revision said"
POSITIVE = "ck_inbound_line_positive"
ONE = sa.text("1")


def upgrade() -> None:
    for name in ("name", "category"):
        op.add_column("product", sa.Column(name, sa.String(), nullable=True), schema="records")
    _let_orders_live()
    _let_lines_be_cancelled()
    _keep_what_was_said()
    _keep_receipts()
    for table in ("inbound_revision", "inbound_cancel", "goods_receipt", "goods_receipt_reversal"):
        op.execute(f"grant select, insert on records.{table} to stockbridge_app")


def _let_orders_live() -> None:
    for column in (
        sa.Column("revision", sa.Integer(), server_default=ONE, nullable=False, comment="the latest that was accepted"),
        sa.Column("order_date", sa.Date(), nullable=True),
        sa.Column("expected_date", sa.Date(), nullable=True, comment="a plan"),
        sa.Column("external_reference", sa.String(), nullable=True),
        sa.Column("order_type", sa.String(), nullable=True),
        sa.Column("first_revision", sa.Integer(), server_default=ONE, nullable=False),
    ):
        op.add_column("inbound_order", column, schema="records")
    op.create_check_constraint(
        op.f("ck_inbound_order_revision"), "inbound_order", "revision >= first_revision", schema="records"
    )
    op.alter_column("inbound_order", "digest", schema="records", comment=DIGEST)
    op.create_table_comment("inbound_order", SAID, schema="records")


def _let_lines_be_cancelled() -> None:
    op.add_column(
        "inbound_line",
        sa.Column(
            "cancelled",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="of what is expected",
        ),
        schema="records",
    )
    op.drop_constraint(POSITIVE, "inbound_line", schema="records", type_="check")
    for name, rule in (
        (POSITIVE, "expected >= 0 and received >= 0 and factor > 0"),
        ("ck_inbound_line_cancelled", "cancelled between 0 and expected"),
    ):
        op.create_check_constraint(op.f(name), "inbound_line", rule, schema="records")


def _keep_what_was_said() -> None:
    op.create_table(
        "inbound_revision",
        *_of_an_order("revision", sa.Integer()),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="of what it said"),
        _now("accepted_at"),
        *_keys("inbound_revision", "revision"),
        schema="records",
        comment="The revisions of purchase orders after their first ones. Append-only",
    )
    op.create_table(
        "inbound_cancel",
        *_of_an_order("cancel_no", sa.String()),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="of what was asked"),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("lines", JSONB(), nullable=False, comment="{line_no: quantity}: how much of each, in base units"),
        _now("cancelled_at"),
        *_keys("inbound_cancel", "cancel_no"),
        schema="records",
        comment="What of purchase orders is not expected any more, and why. Append-only",
    )


def _keep_receipts() -> None:
    op.add_column(
        "location",
        sa.Column(
            "receipts_without_order",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="whether a site takes goods in that no purchase order names",
        ),
        schema="records",
    )
    op.create_table(
        "goods_receipt",
        *_of_a_receipt(),
        sa.Column("location_id", sa.String(), nullable=False),
        sa.Column("supplier", sa.String(), nullable=True, comment="as was said where no purchase order says it"),
        sa.Column("lines", JSONB(), nullable=False, comment="as they were answered, in base units"),
        *_of_a_posting("goods_receipt"),
        schema="records",
        comment="What arrived, as it was said. Append-only",
    )
    op.create_table(
        "goods_receipt_reversal",
        *_of_a_receipt(),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("reversal_no", "reason", "actor")),
        *_of_a_posting("goods_receipt_reversal"),
        schema="records",
        comment="Which receipts were taken back, and why. Append-only",
    )


def _of_a_receipt() -> list[sa.Column[Any]]:
    return [
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("po_no", sa.String(), nullable=False, comment="empty where no purchase order was named"),
        sa.Column("receipt_no", sa.String(), nullable=False),
    ]


def _of_a_posting(table: str) -> list[sa.Column[Any] | sa.Constraint]:
    return [
        sa.Column("posting_id", sa.Uuid(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "po_no", "receipt_no", name=op.f(f"pk_{table}")),
    ]


def _of_an_order(name: str, kind: sa.types.TypeEngine[Any]) -> list[sa.Column[Any]]:
    named = [sa.Column(column, sa.String(), nullable=False) for column in ("tenant", "po_no")]
    return [*named, sa.Column(name, kind, nullable=False)]


def _now(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False)


def _keys(table: str, name: str) -> list[sa.Constraint]:
    return [
        sa.ForeignKeyConstraint(
            ["tenant", "po_no"],
            ["records.inbound_order.tenant", "records.inbound_order.po_no"],
            name=op.f(f"fk_{table}_tenant_po_no"),
        ),
        sa.PrimaryKeyConstraint("tenant", "po_no", name, name=op.f(f"pk_{table}")),
    ]


def downgrade() -> None:
    op.drop_column("location", "receipts_without_order", schema="records")
    for table in ("goods_receipt_reversal", "goods_receipt", "inbound_cancel", "inbound_revision"):
        op.drop_table(table, schema="records")
    op.execute(
        "update records.inbound_line set expected = greatest(expected - cancelled, 1) "
        "where expected < 1 or cancelled > 0"
    )
    op.drop_column("inbound_line", "cancelled", schema="records")
    op.drop_constraint(POSITIVE, "inbound_line", schema="records", type_="check")
    op.create_check_constraint(
        op.f(POSITIVE), "inbound_line", "expected > 0 and received >= 0 and factor > 0", schema="records"
    )
    op.drop_table_comment("inbound_order", schema="records", existing_comment=SAID)
    op.alter_column("inbound_order", "digest", schema="records", comment=None, existing_comment=DIGEST)
    for name in ("first_revision", "order_type", "external_reference", "expected_date", "order_date", "revision"):
        op.drop_column("inbound_order", name, schema="records")
    for name in ("category", "name"):
        op.drop_column("product", name, schema="records")
