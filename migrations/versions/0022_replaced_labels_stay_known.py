"""Every label that was bought stays known with its parcel: one that was replaced may be the one that left.

Revision ID: 0022
Revises: 0021
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

MATCHED_AS = "upper(regexp_replace({}, '[[:space:]]', '', 'g'))"
GOES_BY = "of the label that it goes by; null until that is bought"


def upgrade() -> None:
    op.add_column(
        "parcel",
        sa.Column(
            "packing",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="moves on where it must be packed anew",
        ),
        schema="records",
    )
    describe(GOES_BY)
    op.create_table(
        "label",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("order_ref", sa.String(), nullable=False),
        sa.Column("shipment_no", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, comment="of the step that it was bought by"),
        sa.Column("parcel_no", sa.Integer(), nullable=False),
        sa.Column("carrier", sa.String(), nullable=False),
        sa.Column("service_level", sa.String(), nullable=False),
        sa.Column("packing", sa.Integer(), nullable=False, comment="the parcel's when it was asked for"),
        sa.Column("lines", JSONB(), nullable=False, comment="what the parcel held then"),
        sa.Column(
            "tracking_number", sa.String(), nullable=True, comment="as the carrier writes it; null until it is bought"
        ),
        sa.Column(
            "matched_as",
            sa.String(),
            nullable=True,
            comment="the number without blanks, in capitals: scans are matched by it",
        ),
        sa.Column(
            "document",
            sa.LargeBinary(),
            nullable=True,
            comment="while its parcel goes by another label, which has its own",
        ),
        sa.Column("media_type", sa.String(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("last_heard_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "noted_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when a person took note that it was scanned though it was replaced",
        ),
        sa.CheckConstraint("(tracking_number is null) = (matched_as is null)", name=op.f("ck_label_matched")),
        sa.ForeignKeyConstraint(
            ["tenant", "order_ref", "shipment_no", "parcel_no"],
            [
                "records.parcel.tenant",
                "records.parcel.order_ref",
                "records.parcel.shipment_no",
                "records.parcel.parcel_no",
            ],
            name=op.f("fk_label_tenant_order_ref_shipment_no_parcel_no"),
        ),
        sa.PrimaryKeyConstraint("tenant", "order_ref", "shipment_no", "version", "parcel_no", name=op.f("pk_label")),
        schema="records",
        comment="Every label that was asked for, of each parcel: a scan of one that was replaced finds its parcel, too",
    )
    op.create_index(
        "ix_label_matched_as",
        "label",
        ["tenant", "matched_as"],
        schema="records",
        postgresql_where=sa.text("matched_as is not null"),
    )
    op.execute("grant select, insert, update on records.label to stockbridge_app")
    keep_what_is_bought()
    name_actions_as_updates({"cancel": "cancel_order", "amend the address": "use_address"})


def name_actions_as_updates(names: dict[str, str]) -> None:
    """Let the flags of open orders name what a person may send by that name."""
    for before, after in names.items():
        op.execute(
            f"""
            update records.orders set attention = jsonb_set(attention, '{{actions}}', (
                select jsonb_agg(case action when '{before}' then '{after}' else action end order by n)
                from jsonb_array_elements_text(attention -> 'actions') with ordinality as offered (action, n)
              ))
            where needs_attention and attention -> 'actions' @> '["{before}"]'
            """
        )
    op.execute(
        """
        update records.orders set attention = jsonb_set(attention, '{actions}', (attention -> 'actions') - 'return')
        where needs_attention and attention -> 'actions' @> '["return"]'
        """
    )


def keep_what_is_bought() -> None:
    """Write the labels of open orders. A closed order's parcels are found by the number as it was written."""
    op.execute(
        f"""
        insert into records.label (tenant, order_ref, shipment_no, version, parcel_no, carrier, service_level, packing,
          lines, tracking_number, matched_as)
        select p.tenant, p.order_ref, p.shipment_no, coalesce((
            select max(c.version) from records.carrier_step c
            where (c.tenant, c.order_ref, c.shipment_no, c.kind) = (p.tenant, p.order_ref, p.shipment_no, 'label')
          ), 1), p.parcel_no, s.carrier, s.service_level, p.packing, p.lines, p.tracking_number,
          {MATCHED_AS.format("p.tracking_number")}
        from records.parcel p
        join records.shipment s using (tenant, order_ref, shipment_no)
        join records.orders o using (tenant, order_ref)
        where p.tracking_number is not null and o.closed_at is null
        """
    )
    op.execute(
        f"""
        update records.carrier_event set tracking_number = {MATCHED_AS.format("tracking_number")}
        where order_ref is null and tracking_number <> {MATCHED_AS.format("tracking_number")}
        """
    )


def downgrade() -> None:
    name_actions_as_updates({"cancel_order": "cancel", "use_address": "amend the address"})
    op.drop_table("label", schema="records")
    describe(None)
    op.drop_column("parcel", "packing", schema="records")


def describe(tracking_number: str | None) -> None:
    """Say what the column holds."""
    op.alter_column(
        "parcel",
        "tracking_number",
        existing_type=sa.String(),
        existing_nullable=True,
        comment=tracking_number,
        schema="records",
    )
