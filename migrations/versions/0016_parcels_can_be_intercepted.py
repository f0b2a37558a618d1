"""A carrier is asked to stop a parcel and send it back: a step like a label and a void. Each says of whom it is asked.

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

OF_TWO_KINDS = "label/<shipment_no>/<n> or void/<shipment_no>/<n>"
OF_THREE_KINDS = "label/<shipment_no>/<n>, void/<shipment_no>/<n> or intercept/<shipment_no>/<parcel_no>/<n>"
OF_LABELS = "a label that is bought again is the next version"
OF_ALL = "what is bought, or asked for, again is the next version"


def upgrade() -> None:
    op.add_column(
        "parcel",
        sa.Column(
            "intercepted_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the carrier said that it sends it back",
        ),
        schema="records",
    )
    for column in (
        sa.Column(
            "parcel_no",
            sa.Integer(),
            nullable=True,
            comment="of an intercept; labels and voids are of all parcels",
        ),
        sa.Column(
            "carrier",
            sa.String(),
            nullable=True,
            comment="of whom it is asked; null where an older build wrote it, and it is the order's",
        ),
        sa.Column(
            "refusal",
            sa.String(),
            nullable=True,
            comment="the carrier's words, where it would not intercept a parcel",
        ),
    ):
        op.add_column("carrier_step", column, schema="records")
    op.execute(
        """
        update records.carrier_step c set carrier = s.carrier from records.shipment s
        where (s.tenant, s.order_ref, s.shipment_no) = (c.tenant, c.order_ref, c.shipment_no)
        """
    )
    describe(OF_THREE_KINDS, OF_ALL)
    op.drop_constraint("ck_carrier_step_kind", "carrier_step", schema="records", type_="check")
    for name, rule in (
        ("kind", "kind in ('label', 'void', 'intercept')"),
        ("of_a_parcel", "(kind = 'intercept') = (parcel_no is not null)"),
        ("refused", "refusal is null or (kind = 'intercept' and state = 'skipped')"),
    ):
        op.create_check_constraint(op.f(f"ck_carrier_step_{name}"), "carrier_step", rule, schema="records")


def downgrade() -> None:
    op.execute("delete from records.carrier_step where kind = 'intercept'")
    for name in ("refused", "of_a_parcel", "kind"):
        op.drop_constraint(f"ck_carrier_step_{name}", "carrier_step", schema="records", type_="check")
    op.create_check_constraint(
        op.f("ck_carrier_step_kind"), "carrier_step", "kind in ('label', 'void')", schema="records"
    )
    describe(OF_TWO_KINDS, OF_LABELS)
    for name in ("refusal", "carrier", "parcel_no"):
        op.drop_column("carrier_step", name, schema="records")
    op.drop_column("parcel", "intercepted_at", schema="records")


def describe(step_id: str, version: str) -> None:
    """Say what the columns hold."""
    for column, kind, comment in (("step_id", sa.String(), step_id), ("version", sa.Integer(), version)):
        op.alter_column(
            "carrier_step", column, existing_type=kind, existing_nullable=False, comment=comment, schema="records"
        )
