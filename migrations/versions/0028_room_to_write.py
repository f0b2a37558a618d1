"""A probe finds out whether there is room to write; and a posting's long answer is read once, not for each entry.

Revision ID: 0028
Revises: 0027
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

# As in 0018, but: the answers that say what a line waits for are read once each, not with every stream that lets go.
LETS_GO: Final = """
  with waiting as materialized (
    select p.posting_id, p.recorded_at, line ->> 'sku' as sku, line -> 'waits_for' ->> 'site' as site,
           line -> 'waits_for' ->> 'lot' as lot, (line -> 'waits_for' ->> 'least_expiry')::date as least_expiry
    from ledger.posting p
    cross join lateral json_array_elements(p.answer::json -> 'lines') as said (line)
    where p.posting_id in (select posting_id from new_entries where order_ref <> '' and reserved_delta < 0)
      and p.reason in ('amendment', 'cancellation') and strpos(p.answer, '"waits_for"') > 0
  )
  select n.posting_id, n.order_ref, n.stream_id into bad
  from (
    select posting_id, order_ref, stream_id from new_entries where order_ref <> ''
    group by posting_id, order_ref, stream_id having sum(reserved_delta) < 0
  ) n
  join ledger.stream s on s.stream_id = n.stream_id and s.kind = 'storage'
  join waiting w on w.posting_id = n.posting_id and w.sku = s.sku and w.site = s.site
  left join ledger.lot l on l.tenant = s.tenant and l.sku = s.sku and l.lot = s.lot
  where (w.lot is null or w.lot = s.lot)
    and (l.expires_on is null
         or l.expires_on >= greatest(w.least_expiry, (w.recorded_at at time zone 'UTC')::date + 1))
  limit 1;
  if found then
    raise exception 'I8: posting % lets go of what order % waits for, in stream %',
      bad.posting_id, bad.order_ref, bad.stream_id;
  end if;
"""

# An update of one row finds room in its own page though there is none left for another one, so a megabyte goes to a
# file of the server's beside it, which is gone when the statement ends. The role needs no more rights than a writer's.
TRY_WRITE: Final = """
create function records.try_write() returns void language sql set work_mem = '64kB' as $$
  with room as materialized (
    select repeat(md5(number::text), 32) as padding from generate_series(1, 1024) as numbers (number)
  )
  insert into records.write_probe (one, octets, written_at)
  select true, sum(octet_length(padding)), clock_timestamp() from room
  on conflict (one) do update set octets = excluded.octets, written_at = excluded.written_at
$$
"""


def upgrade() -> None:
    before, end = _before()
    op.execute(before.replace(end, LETS_GO + end))
    op.create_table(
        "write_probe",
        sa.Column("one", sa.Boolean(), nullable=False),
        sa.Column("octets", sa.BigInteger(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("one", name=op.f("ck_write_probe_one")),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_write_probe")),
        schema="records",
        comment="When somebody last found out that there is room to write",
    )
    op.execute("grant select, insert, update on records.write_probe to stockbridge_app")
    op.execute(TRY_WRITE)


def downgrade() -> None:
    op.execute("drop function records.try_write()")
    op.drop_table("write_probe", schema="records")
    before, end = _before()
    lets_go: str = import_module("migrations.versions.0018_an_order_keeps_what_its_own_lines_want").LETS_GO
    op.execute(before.replace(end, lets_go + end))


def _before() -> tuple[str, str]:
    function: str = import_module("migrations.versions.0005_writers_ask_less").CHECK_ENTRIES
    end: str = import_module("migrations.versions.0018_an_order_keeps_what_its_own_lines_want").END
    return function, end
