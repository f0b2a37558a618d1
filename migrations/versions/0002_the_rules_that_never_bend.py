"""The rules that never bend: append-only (I1), chained balances (I2), conserved stock (I4), net amendments (I8).

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# One look at all new rows of a statement: the writer sends a whole batch as one.
CHECK_ENTRIES = """
create function ledger.check_entries() returns trigger language plpgsql as $$
declare
  bad record;
begin
  -- Streams and postings are never deleted, so what is there when an entry arrives stays there: no foreign keys, which
  -- would look each row up once more (a third of the time of an insert).
  select n.stream_id, n.seq, s.stream_id is null or q.posting_id is null as lost,
         n.on_hand <> coalesce(p.on_hand, 0) + n.on_hand_delta
           or n.reserved <> coalesce(p.reserved, 0) + n.reserved_delta
           or (n.seq > 1 and p.stream_id is null)
           or p.recorded_at > n.recorded_at
           or (p.recorded_at = n.recorded_at and p.posting_id <> n.posting_id) as astray
  into bad
  from new_entries n
  left join ledger.entry p on p.stream_id = n.stream_id and p.seq = n.seq - 1
  left join ledger.stream s on s.stream_id = n.stream_id
  left join ledger.posting q on q.posting_id = n.posting_id
  where s.stream_id is null or q.posting_id is null
     or n.on_hand <> coalesce(p.on_hand, 0) + n.on_hand_delta
     or n.reserved <> coalesce(p.reserved, 0) + n.reserved_delta
     or (n.seq > 1 and p.stream_id is null)
     or p.recorded_at > n.recorded_at
     or (p.recorded_at = n.recorded_at and p.posting_id <> n.posting_id)
     or n.tenant <> s.tenant or n.tenant <> q.tenant or n.recorded_at <> q.recorded_at
     or n.serial <> (s.serial_number <> '')
     or n.floor <> case when s.kind = 'supplier' or (s.kind = 'adjustment' and s.serial_number = '') then 1 else 0 end
     or (n.reserved > 0 and not (s.stock_status = 'available' and s.kind in ('storage', 'staging')))
  limit 1;
  if found then
    if bad.lost then
      raise exception 'I2: entry % of stream % has no stream or no posting', bad.seq, bad.stream_id;
    elsif bad.astray then
      raise exception 'I2: entry % of stream % does not follow from the one before', bad.seq, bad.stream_id;
    end if;
    raise exception 'I3: entry % of stream % does not fit its stream or its posting', bad.seq, bad.stream_id;
  end if;

  select n.posting_id, s.sku, s.lot, s.serial_number into bad
  from new_entries n join ledger.stream s on s.stream_id = n.stream_id
  where n.on_hand_delta <> 0
  group by n.posting_id, s.sku, s.lot, s.serial_number
  having sum(n.on_hand_delta) <> 0
  limit 1;
  if found then
    raise exception 'I4: posting % makes % (lot "%", serial "%") appear or vanish',
      bad.posting_id, bad.sku, bad.lot, bad.serial_number;
  end if;

  -- What an amendment releases and takes of a line, and in which order in a stream.
  if not exists (select from new_entries where order_ref <> '' and reserved_delta < 0) then
    return null;
  end if;
  select n.posting_id, n.order_ref, n.line_no into bad
  from new_entries n
  join ledger.posting p on p.posting_id = n.posting_id and p.reason = 'amendment'
  join ledger.stream s on s.stream_id = n.stream_id
  where n.order_ref <> ''
  group by n.posting_id, n.order_ref, n.line_no, s.pool_id, s.lot, s.serial_number
  having min(n.reserved_delta) < 0 and max(n.reserved_delta) > 0
  limit 1;
  if found then
    raise exception 'I8: amendment % releases what it takes again (order %, line %)',
      bad.posting_id, bad.order_ref, bad.line_no;
  end if;

  select n.posting_id, n.stream_id into bad
  from new_entries n
  join ledger.posting p on p.posting_id = n.posting_id and p.reason = 'amendment'
  join new_entries f on f.posting_id = n.posting_id and f.stream_id = n.stream_id and f.seq > n.seq
  where n.reserved_delta > 0 and f.reserved_delta < 0
  limit 1;
  if found then
    raise exception 'I8: amendment % takes before it frees in stream %', bad.posting_id, bad.stream_id;
  end if;
  return null;
end
$$
"""

REFUSE_CHANGE = """
create function ledger.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'I1: % is append-only: % refused', tg_table_name, lower(tg_op);
end
$$
"""

KEEP_IDENTITY = """
create function ledger.keep_identity() returns trigger language plpgsql as $$
begin
  raise exception 'I1: a stream keeps its identity';
end
$$
"""

ROLE = """
do $$
begin
  if not exists (select from pg_roles where rolname = 'stockbridge_app') then
    create role stockbridge_app nologin;
  end if;
end
$$
"""

GRANTS = (
    "grant usage on schema ledger, records to stockbridge_app",
    "grant select on all tables in schema ledger, records to stockbridge_app",
    (
        "grant insert on ledger.pool, ledger.lot, ledger.stream, ledger.posting, ledger.entry, ledger.order_line "
        "to stockbridge_app"
    ),
    # A row lock needs the right to update some column; the foreign keys refuse a real change.
    "grant update (pool_id) on ledger.pool to stockbridge_app",
    "grant update (open) on ledger.stream to stockbridge_app",
    "grant update on ledger.order_line to stockbridge_app",
    "grant insert, update on all tables in schema records to stockbridge_app",
    "revoke insert, update on records.alembic_version from stockbridge_app",
)


def upgrade() -> None:
    for statement in (CHECK_ENTRIES, REFUSE_CHANGE, KEEP_IDENTITY, ROLE):
        op.execute(statement)
    op.execute(
        "create trigger entries_follow after insert on ledger.entry referencing new table as new_entries "
        "for each statement execute function ledger.check_entries()"
    )
    for table in ("entry", "posting"):
        op.execute(
            f"create trigger append_only before update or delete or truncate on ledger.{table} "
            "for each statement execute function ledger.refuse_change()"
        )
    op.execute(
        "create trigger append_only before delete or truncate on ledger.stream "
        "for each statement execute function ledger.refuse_change()"
    )
    op.execute(
        "create trigger keep_identity before update on ledger.stream for each row "
        "when ((old.stream_id, old.identity_hash, old.pool_id, old.tenant, old.sku, old.site, old.location_id, "
        "old.kind, old.lot, old.serial_number, old.stock_status) is distinct from (new.stream_id, new.identity_hash, "
        "new.pool_id, new.tenant, new.sku, new.site, new.location_id, new.kind, new.lot, new.serial_number, "
        "new.stock_status)) execute function ledger.keep_identity()"
    )
    for grant in GRANTS:
        op.execute(grant)


def downgrade() -> None:
    for table in ("stream", "posting", "entry"):
        op.execute(f"drop trigger append_only on ledger.{table}")
    op.execute("drop trigger keep_identity on ledger.stream")
    op.execute("drop trigger entries_follow on ledger.entry")
    for function in ("keep_identity", "refuse_change", "check_entries"):
        op.execute(f"drop function ledger.{function}()")
