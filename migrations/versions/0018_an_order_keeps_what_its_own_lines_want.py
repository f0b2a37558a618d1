"""I8 by sku over the lines of an order: what one line lets go of and another one waits for was never free.

Revision ID: 0018
Revises: 0017
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# The answer of an amendment or a cancellation, which is in the posting's digest, says what each line waits for. Which
# lots have expired is for their site's clock to say, so what may have is not asked about.
LETS_GO: Final = """
  select n.posting_id, n.order_ref, n.stream_id into bad
  from (
    select n.posting_id, n.order_ref, n.stream_id, p.answer, p.recorded_at
    from new_entries n
    join ledger.posting p on p.posting_id = n.posting_id and p.reason in ('amendment', 'cancellation')
      and strpos(p.answer, '"waits_for"') > 0
    where n.order_ref <> ''
    group by n.posting_id, n.order_ref, n.stream_id, p.answer, p.recorded_at
    having sum(n.reserved_delta) < 0
  ) n
  join ledger.stream s on s.stream_id = n.stream_id and s.kind = 'storage'
  left join ledger.lot l on l.tenant = s.tenant and l.sku = s.sku and l.lot = s.lot
  cross join lateral (
    select line ->> 'sku' as sku, line -> 'waits_for' ->> 'site' as site, line -> 'waits_for' ->> 'lot' as lot,
           (line -> 'waits_for' ->> 'least_expiry')::date as least_expiry
    from json_array_elements(n.answer::json -> 'lines') as said (line)
  ) as waiting
  where waiting.sku = s.sku and waiting.site = s.site and (waiting.lot is null or waiting.lot = s.lot)
    and (l.expires_on is null
         or l.expires_on >= greatest(waiting.least_expiry, (n.recorded_at at time zone 'UTC')::date + 1))
  limit 1;
  if found then
    raise exception 'I8: posting % lets go of what order % waits for, in stream %',
      bad.posting_id, bad.order_ref, bad.stream_id;
  end if;
"""

END: Final = "  return null;\nend\n$$"


def _before() -> str:
    function: str = import_module("migrations.versions.0005_writers_ask_less").CHECK_ENTRIES
    return function


def upgrade() -> None:
    op.execute(_before().replace(END, LETS_GO + END))


def downgrade() -> None:
    op.execute(_before())
