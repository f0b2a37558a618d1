"""What partners say when they do not do what was asked has a table of its own, and goes when the person goes.

Revision ID: 0030
Revises: 0029
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

NOW = sa.text("clock_timestamp()")

# Whoever erases a person's data erases what partners said of the orders that went to them: their words, where a parcel
# was scanned, and who signed for it.
ERASE_WHAT_PARTNERS_SAID = """
create function records.erase_what_partners_said() returns trigger language plpgsql as $$
begin
  if not exists (select from erased where data is null) then
    return null;  -- a note was said again
  end if;
  with concerned as materialized (
    select o.tenant, o.order_ref from erased e join records.orders o using (tenant, address_id) where e.data is null
    union
    select r.tenant, r.order_ref from erased e join records.order_revision r using (tenant, address_id)
    where e.data is null
  ), words as (
    update records.partner_words w set words = null from concerned c
    where (w.tenant, w.order_ref) = (c.tenant, c.order_ref) and w.words is not null
  ), scans as (
    update records.carrier_event s set vendor_status = s.status, location = null, signed_by = null from concerned c
    where (s.tenant, s.order_ref) = (c.tenant, c.order_ref)
  ), proofs as (
    update records.shipment s set proof_of_delivery = s.proof_of_delivery || '{"signed_by": null, "location": null}'
    from concerned c where (s.tenant, s.order_ref) = (c.tenant, c.order_ref) and s.proof_of_delivery is not null
  )
  update records.erp_message m set payload = m.payload || '{"signed_by": null}' from concerned c
  where (m.tenant, m.order_ref) = (c.tenant, c.order_ref) and m.payload ? 'signed_by';
  return null;
end
$$
"""


def upgrade() -> None:
    op.create_table(
        "partner_words",
        sa.Column("words_id", sa.Uuid(), nullable=False, comment="made of tenant, order and step"),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("order_ref", sa.String(), nullable=False),
        sa.Column(
            "step",
            sa.String(),
            nullable=False,
            comment="a carrier_step's step_id, erp/<number>, track/<tracking number>, or restored",
        ),
        sa.Column("partner", sa.String(), nullable=False, comment="a carrier, or the source of an ERP"),
        sa.Column("code", sa.String(), nullable=False, comment="ours, for what it comes to"),
        sa.Column(
            "words", sa.String(), nullable=True, comment="as they were said last; null once erased, and then for good"
        ),
        sa.Column("first_said_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.CheckConstraint("char_length(words) <= 4000", name=op.f("ck_partner_words_bounded")),
        sa.PrimaryKeyConstraint("words_id", name=op.f("pk_partner_words")),
        schema="records",
        comment="What partners said when they did not do what was asked. It may be about people, and is nowhere else",
    )
    op.create_index("ix_partner_words_order", "partner_words", ["tenant", "order_ref"], schema="records")
    op.alter_column(
        "carrier_step",
        "refusal",
        comment="why the carrier would not intercept a parcel, in our words",
        existing_comment="the carrier's words, where it would not intercept a parcel",
        schema="records",
    )
    op.execute(ERASE_WHAT_PARTNERS_SAID)
    op.execute(
        "create trigger erased after update on records.address referencing new table as erased "
        "for each statement execute function records.erase_what_partners_said()"
    )
    op.execute(
        "grant select, insert, update (partner, code, words, said_at) on records.partner_words to stockbridge_app"
    )


def downgrade() -> None:
    op.execute("drop trigger erased on records.address")
    op.execute("drop function records.erase_what_partners_said()")
    op.alter_column(
        "carrier_step",
        "refusal",
        comment="the carrier's words, where it would not intercept a parcel",
        existing_comment="why the carrier would not intercept a parcel, in our words",
        schema="records",
    )
    op.drop_table("partner_words", schema="records")
