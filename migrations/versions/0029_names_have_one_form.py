"""Names have one form: those that were stored before are found as they are. A GTIN names one packaging of one sku.

Revision ID: 0029
Revises: 0028
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

# In 14 digits, as GS1 compares them. Packagings that share one already keep it: only who comes later is refused.
TOLD = """
  select lpad(p.gtin, 14, '0') as gtin, p.base_uom as uom from (select {product}.*) p where p.gtin is not null
  union
  select lpad(packaging ->> 'gtin', 14, '0'), packaging ->> 'uom'
  from jsonb_array_elements({product}.packagings) packaging where packaging ->> 'gtin' is not null
"""

KEEP_GTINS = f"""
create function records.keep_gtins() returns trigger language plpgsql as $$
declare
  freed text;
begin
  for freed in
    delete from records.product_gtin g
    where g.tenant = new.tenant and g.sku = new.sku
      and (g.gtin, g.uom) not in ({TOLD.format(product="new")})
    returning g.gtin
  loop
    update records.product_gtin g set doubled = false
    where (g.tenant, g.gtin, g.sku, g.uom) = (
        select d.tenant, d.gtin, d.sku, d.uom from records.product_gtin d
        where d.tenant = new.tenant and d.gtin = freed and d.doubled order by d.sku, d.uom limit 1
      )
      and not exists (
        select from records.product_gtin o where o.tenant = new.tenant and o.gtin = freed and not o.doubled
      );
  end loop;
  insert into records.product_gtin (tenant, gtin, sku, uom)
  select new.tenant, told.gtin, new.sku, told.uom from ({TOLD.format(product="new")}) told order by told.gtin, told.uom
  on conflict (tenant, gtin, sku, uom) do nothing;
  return null;
end
$$
"""

COPY_GTINS = f"""
insert into records.product_gtin (tenant, gtin, sku, uom, doubled)
select tenant, gtin, sku, uom, row_number() over (partition by tenant, gtin order by sku, uom) > 1
from (
  select product.tenant, product.sku, told.* from records.product, lateral ({TOLD.format(product="product")}) told
) claimed
"""


def upgrade() -> None:
    op.create_index("ix_stream_odd_lot", "stream", ["tenant", "lot"], schema="ledger", postgresql_where=odd("lot"))
    op.create_index(
        "ix_stream_odd_serial_number",
        "stream",
        ["tenant", "serial_number"],
        schema="ledger",
        postgresql_where=odd("serial_number"),
    )
    op.create_index(
        "ix_order_line_odd_lot", "order_line", ["tenant", "lot"], schema="ledger", postgresql_where=odd("lot")
    )
    op.create_table(
        "product_gtin",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("gtin", sa.String(), nullable=False, comment="in 14 digits"),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("uom", sa.String(), nullable=False),
        sa.Column(
            "doubled",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="another packaging had it already, before that was refused",
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "sku"],
            ["records.product.tenant", "records.product.sku"],
            name=op.f("fk_product_gtin_tenant_sku"),
        ),
        sa.PrimaryKeyConstraint("tenant", "gtin", "sku", "uom", name=op.f("pk_product_gtin")),
        schema="records",
        comment="Which packaging a GTIN names: one, but for what was doubled before. A trigger of product keeps it",
    )
    op.create_index(
        "uq_product_gtin_one_packaging",
        "product_gtin",
        ["tenant", "gtin"],
        unique=True,
        schema="records",
        postgresql_where=sa.text("not doubled"),
    )
    op.create_index("ix_product_gtin_tenant_sku", "product_gtin", ["tenant", "sku"], schema="records")
    op.execute("grant select, insert, delete, update (doubled) on records.product_gtin to stockbridge_app")
    op.execute("lock table records.product in share row exclusive mode")
    op.execute(COPY_GTINS)
    op.execute(KEEP_GTINS)
    op.execute(
        "create trigger keep_gtins after insert or update of gtin, packagings, base_uom on records.product "
        "for each row execute function records.keep_gtins()"
    )


def odd(column: str) -> sa.TextClause:
    """Choose the names that are not of visible ASCII characters alone."""
    return sa.text(f"{column} ~ '[^!-~]'")


def downgrade() -> None:
    op.execute("drop trigger keep_gtins on records.product")
    op.execute("drop function records.keep_gtins()")
    op.drop_table("product_gtin", schema="records")
    op.drop_index("ix_order_line_odd_lot", table_name="order_line", schema="ledger")
    op.drop_index("ix_stream_odd_serial_number", table_name="stream", schema="ledger")
    op.drop_index("ix_stream_odd_lot", table_name="stream", schema="ledger")
