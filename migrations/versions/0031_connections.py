"""Connections to ERPs and carriers are rows of their tenant, with sealed secrets; events are keyed by them.

Revision ID: 0031
Revises: 0030
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

NOW = sa.text("clock_timestamp()")
INSTANT = sa.DateTime(timezone=True)
OF_A_CONNECTION = ["records.connection.tenant", "records.connection.kind", "records.connection.name"]

# A migration knows no secret: until the connection is added with them, what is to leave waits, and callbacks are
# answered 503, so that their sender tries again.
TAKE_OVER_ERPS = """
insert into records.connection
  (tenant, kind, name, public_id, settings, flow, off_reason, start_at, at_once, calls_per_second, timeout_s)
select distinct on (tenant, source) tenant, 'erp', source,
  translate(rtrim(encode(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), 'base64'), '='), '+/', '-_'),
  '{}'::jsonb, 'off',
  'Its address and secrets were in the environment of an older build: stockbridge connection add erp ' || source
    || ' --tenant ' || tenant || ' ...',
  clock_timestamp(), 8, 50, 10
from records.api_key where source is not null
"""
TAKE_OVER_CARRIERS = """
insert into records.connection
  (tenant, kind, name, public_id, settings, flow, off_reason, at_once, calls_per_second, timeout_s)
select distinct on (tenant, carrier) tenant, 'carrier', carrier, connection, '{}'::jsonb, 'off',
  'Its address and secrets were in the environment of an older build: stockbridge connection add carrier ' || carrier
    || ' --tenant ' || tenant || ' ...',
  50, 50, 10
from records.carrier_connection order by tenant, carrier, connection
"""
# Which of several was in the environment, nobody can say: all of them go on to be heard.
TAKE_OVER_OTHER_IDS = """
insert into records.connection_former_id (public_id, tenant, kind, name, works_until)
select o.connection, o.tenant, 'carrier', o.carrier, 'infinity'
from records.carrier_connection o
where not exists (select from records.connection c where c.public_id = o.connection)
"""
# A build from before this asks here whether a carrier is known, while this one takes its place.
FOR_THE_BUILD_BEFORE = """
create view records.carrier_connection as
select public_id as connection, name as carrier, tenant from records.connection where kind = 'carrier'
"""
# What was heard once by a poll and once by a callback, since the connection had no name yet: both stay.
TELL_DOUBLES_APART = """
update records.carrier_event e set event_id = e.event_id || '#' || e.carrier_event_id
from (
  select carrier_event_id, row_number() over (partition by tenant, carrier, event_id order by carrier_event_id) as n
  from records.carrier_event
) d
where d.carrier_event_id = e.carrier_event_id and d.n > 1
"""


def upgrade() -> None:
    make_connections()
    make_what_belongs_to_them()
    op.execute(TAKE_OVER_ERPS)
    op.execute(TAKE_OVER_CARRIERS)
    op.execute(TAKE_OVER_OTHER_IDS)
    op.drop_table("carrier_connection", schema="records")
    op.execute(FOR_THE_BUILD_BEFORE)
    key_events_by_connection()
    grant()


def make_connections() -> None:
    op.create_table(
        "erp_mapping",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the body and its contracts"),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column(
            "contracts",
            postgresql.JSONB(),
            nullable=False,
            comment="{file: text}: WSDLs, schemas, OpenAPI documents",
        ),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_erp_mapping_digest_is_sha256")),
        sa.PrimaryKeyConstraint("tenant", "digest", name=op.f("pk_erp_mapping")),
        schema="records",
        comment="Mappings by what is in them: never changed, never deleted",
    )
    op.execute("create sequence records.connection_revision")
    op.create_table(
        "connection",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column(
            "name",
            sa.String(),
            nullable=False,
            comment="the source of an ERP's orders, or what orders name as their carrier",
        ),
        sa.Column("public_id", sa.String(), nullable=False, comment="random: it alone stands in inbound paths"),
        sa.Column(
            "adapter",
            sa.String(),
            nullable=True,
            comment="null: an older build had it in its environment; it is added before it works again",
        ),
        sa.Column("settings", postgresql.JSONB(), nullable=False, comment="nothing secret"),
        sa.Column("mapping", sa.LargeBinary(), nullable=True),
        sa.Column("flow", sa.String(), nullable=False),
        sa.Column("off_reason", sa.String(), nullable=True),
        sa.Column("before_off", sa.String(), nullable=True, comment="the flow that it may go back to at once"),
        sa.Column("start_at", INSTANT, nullable=True, comment="an ERP's: what was closed there before never enters"),
        sa.Column("at_once", sa.Integer(), nullable=False, comment="most calls at a time, of each worker"),
        sa.Column("calls_per_second", sa.Double(), nullable=False, comment="most calls, over all workers"),
        sa.Column("timeout_s", sa.Double(), nullable=False, comment="longest silence of the other side"),
        sa.Column(
            "revision",
            sa.BigInteger(),
            server_default=sa.text("nextval('records.connection_revision')"),
            nullable=False,
            comment="another one with each change: running processes watch it",
        ),
        sa.Column("made_at", INSTANT, server_default=NOW, nullable=False),
        sa.Column("changed_at", INSTANT, server_default=NOW, nullable=False),
        sa.CheckConstraint("kind in ('erp', 'carrier')", name=op.f("ck_connection_kind")),
        sa.CheckConstraint("flow in ('off', 'observe', 'inbound', 'both')", name=op.f("ck_connection_flow")),
        sa.CheckConstraint("(flow = 'off') = (off_reason is not null)", name=op.f("ck_connection_off_has_a_reason")),
        sa.CheckConstraint("before_off is null or flow = 'off'", name=op.f("ck_connection_before_off")),
        sa.CheckConstraint(
            "adapter is not null or flow = 'off'", name=op.f("ck_connection_without_an_adapter_it_is_off")
        ),
        sa.CheckConstraint("(kind = 'erp') = (start_at is not null)", name=op.f("ck_connection_an_erp_starts")),
        sa.CheckConstraint("at_once > 0 and calls_per_second > 0 and timeout_s > 0", name=op.f("ck_connection_limits")),
        sa.ForeignKeyConstraint(
            ["tenant", "mapping"],
            ["records.erp_mapping.tenant", "records.erp_mapping.digest"],
            name=op.f("fk_connection_tenant_mapping"),
        ),
        sa.PrimaryKeyConstraint("tenant", "kind", "name", name=op.f("pk_connection")),
        sa.UniqueConstraint("public_id", name=op.f("uq_connection_public_id")),
        schema="records",
        comment="Accounts at ERPs and carriers. Its name and kind never change",
    )


def make_what_belongs_to_them() -> None:
    op.create_table(
        "connection_former_id",
        sa.Column("public_id", sa.String(), nullable=False),
        *_of_a_connection(),
        sa.Column("works_until", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "kind", "name"], OF_A_CONNECTION, name=op.f("fk_connection_former_id_tenant_kind_name")
        ),
        sa.PrimaryKeyConstraint("public_id", name=op.f("pk_connection_former_id")),
        schema="records",
        comment="Public ids that connections had before, and may still be reached under",
    )
    op.create_table(
        "connection_secret",
        *_of_a_connection(),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False, comment="of the sealing key that opens it"),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column(
            "ciphertext",
            sa.LargeBinary(),
            nullable=False,
            comment="AES-256-GCM, bound to tenant, kind, name and field",
        ),
        sa.Column("set_at", INSTANT, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "kind", "name"], OF_A_CONNECTION, name=op.f("fk_connection_secret_tenant_kind_name")
        ),
        sa.PrimaryKeyConstraint("tenant", "kind", "name", "field", name=op.f("pk_connection_secret")),
        schema="records",
    )
    op.create_table(
        "connection_act",
        sa.Column("act_no", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *_of_a_connection(),
        sa.Column("act", sa.String(), nullable=False),
        sa.Column("at", INSTANT, server_default=NOW, nullable=False),
        sa.Column("actor", sa.String(), nullable=False, comment="who did it, as the sender says"),
        sa.Column(
            "by_key",
            sa.String(),
            nullable=True,
            comment="the name of the key that it was asked with; null at the command line",
        ),
        sa.Column("what", postgresql.JSONB(), nullable=False, comment="what was changed; of secrets their names alone"),
        sa.Column("reason", sa.String(), nullable=True),
        sa.CheckConstraint(
            "act in ('added', 'changed', 'secrets_set', 'switched', 'rotated', 'resealed', 'tested', 'removed')",
            name=op.f("ck_connection_act_act"),
        ),
        sa.PrimaryKeyConstraint("act_no", name=op.f("pk_connection_act")),
        schema="records",
        comment="What was done to connections; it stays when one is removed",
    )
    op.create_index("ix_connection_act_connection", "connection_act", ["tenant", "kind", "name"], schema="records")


def _of_a_connection() -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in ("tenant", "kind", "name")]


def key_events_by_connection() -> None:
    op.execute(TELL_DOUBLES_APART)
    op.drop_constraint("uq_carrier_event_connection_event_id", "carrier_event", schema="records")
    op.alter_column(
        "carrier_event",
        "connection",
        nullable=True,
        comment="as a build before 0031 named it; null since",
        schema="records",
    )
    op.alter_column("carrier_event", "carrier", comment="the connection's name", schema="records")
    op.create_unique_constraint(
        op.f("uq_carrier_event_tenant_carrier_event_id"),
        "carrier_event",
        ["tenant", "carrier", "event_id"],
        schema="records",
    )


def grant() -> None:
    op.execute(
        "grant select, insert, update, delete on "
        "records.connection, records.connection_secret, records.connection_former_id to stockbridge_app"
    )
    op.execute("grant select, insert on records.connection_act, records.erp_mapping to stockbridge_app")
    op.execute("grant usage on sequence records.connection_revision to stockbridge_app")
    op.execute("grant select on records.carrier_connection to stockbridge_app")


def downgrade() -> None:
    op.drop_constraint("uq_carrier_event_tenant_carrier_event_id", "carrier_event", schema="records")
    op.execute(
        "update records.carrier_event set connection = 'since-0031/' || tenant || '/' || carrier "
        "where connection is null"
    )
    op.alter_column(
        "carrier_event", "carrier", comment=None, existing_comment="the connection's name", schema="records"
    )
    op.alter_column(
        "carrier_event",
        "connection",
        nullable=False,
        comment=None,
        existing_comment="as a build before 0031 named it; null since",
        schema="records",
    )
    op.create_unique_constraint(
        op.f("uq_carrier_event_connection_event_id"), "carrier_event", ["connection", "event_id"], schema="records"
    )
    op.execute("drop view records.carrier_connection")
    op.create_table(
        "carrier_connection",
        sa.Column("connection", sa.String(), nullable=False, comment="unguessable: it is the callback's address"),
        sa.Column("carrier", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("connection", name=op.f("pk_carrier_connection")),
        schema="records",
    )
    op.execute(
        "insert into records.carrier_connection (connection, carrier, tenant) "
        "select public_id, name, tenant from records.connection where kind = 'carrier' union "
        "select public_id, name, tenant from records.connection_former_id where kind = 'carrier'"
    )
    op.execute("grant select, insert, update on records.carrier_connection to stockbridge_app")
    for table in ("connection_act", "connection_secret", "connection_former_id", "connection"):
        op.drop_table(table, schema="records")
    op.execute("drop sequence records.connection_revision")
    op.drop_table("erp_mapping", schema="records")
