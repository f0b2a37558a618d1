"""What the check of checkpoints asks PostgreSQL.

It computes roots and digests by its own `sha256()` here, from the canonical form (docs/canonical-form.md); who took the
checkpoints computed them in Python.
"""

from __future__ import annotations

from typing import Final

from ledger.verifying.verification_queries import POSTING_DIGEST
from postgres.statements import composed

# All checkpoints, with the hash that the row claims.
CHECKPOINTS: Final = """
select number, covers_until, previous_hash, root, tails, postings, public_key, signature, hash
from ledger.checkpoint order by number
"""

# The root of each checkpoint of a range of numbers that has leaves, from the leaves. Two hashes that stand side by side
# become one, level by level; one that stands alone at the end goes up as it is (RFC 6962, section 2.1).
ROOTS: Final = """
with recursive leaf (number, kind, id, hash) as (
  select number, 1, stream_id,
         sha256('\\x00'::bytea || convert_to(concat_ws(E'\\n', 'tail', stream_id, seq, encode(hash, 'hex')), 'UTF8'))
  from ledger.checkpoint_tail where number between %(low)s and %(high)s
  union all
  select number, 2, posting_id,
         sha256('\\x00'::bytea || convert_to(concat_ws(E'\\n', 'posting', posting_id, encode(digest, 'hex')), 'UTF8'))
  from ledger.checkpoint_posting where number between %(low)s and %(high)s
), tree (number, tails, postings, level) as (
  select number, count(*) filter (where kind = 1), count(*) filter (where kind = 2), array_agg(hash order by kind, id)
  from leaf group by number
  union all
  select number, tails, postings, (
    select array_agg(case cardinality(pair) when 1 then pair[1] else sha256('\\x01'::bytea || pair[1] || pair[2]) end
                     order by place)
    from (
      select (place - 1) / 2 as place, array_agg(hash order by place) as pair
      from unnest(level) with ordinality as hashes (hash, place) group by 1
    ) pairs
  ) from tree where cardinality(level) > 1
)
select number, tails, postings, level[1] from tree where cardinality(level) = 1
"""

# Leaves of checkpoints that are not there: those in a gap of the numbers show by the gap.
LEAVES_BEYOND: Final = """
select least(
  (select min(number) from ledger.checkpoint_tail where number > %(last)s),
  (select min(number) from ledger.checkpoint_posting where number > %(last)s)
)
"""

# Is what a checkpoint covers still there, as it was? The first of each stream that is not.
TAILS: Final = """
select distinct on (t.stream_id) t.stream_id, t.seq, e.posting_id, t.number
from ledger.checkpoint_tail t left join ledger.entry e on e.stream_id = t.stream_id and e.seq = t.seq
where t.stream_id between %(low)s and %(high)s and e.hash is distinct from t.hash
order by t.stream_id, t.seq
"""
POSTINGS: Final = composed(
    """
select c.posting_id, c.number, p.posting_id is null
from ledger.checkpoint_posting c left join ledger.posting p on p.posting_id = c.posting_id
where p.posting_id is null or encode(c.digest, 'hex') <> {digest}
order by c.posting_id
""",
    digest=POSTING_DIGEST,
)

# Is all that was recorded at or before the newest checkpoint covered? The first of each stream that is not.
UNCOVERED_ENTRIES: Final = """
select s.stream_id, covered.seq + 1, e.posting_id
from ledger.stream s
cross join lateral (
  select coalesce(max(c.seq), 0) as seq from ledger.checkpoint_tail c where c.stream_id = s.stream_id
) covered
join ledger.entry e on e.stream_id = s.stream_id and e.seq = covered.seq + 1
where s.stream_id between %(low)s and %(high)s and e.recorded_at <= %(until)s
order by s.stream_id
"""
UNCOVERED_POSTINGS: Final = """
select p.posting_id from ledger.posting p
where p.recorded_at <= %(until)s
  and not exists (select from ledger.entry e where e.posting_id = p.posting_id)
  and not exists (select from ledger.checkpoint_posting c where c.posting_id = p.posting_id)
order by p.posting_id
"""
