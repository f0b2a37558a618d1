"""Keys have names, owners and scopes; they end, and who made and revoked them is kept.

Revision ID: 0027
Revises: 0026
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

NOW = sa.text("clock_timestamp()")
INSTANT = sa.DateTime(timezone=True)

# A build from before this makes keys known without a name or a scope, so that both can do without it.
COLUMNS = (
    sa.Column("name", sa.String(), server_default=sa.text("'key-' || gen_random_uuid()"), nullable=True),
    sa.Column(
        "scope",
        sa.String(),
        nullable=True,
        comment="null, from an older build: source where there is one, else office",
    ),
    sa.Column("owner", sa.String(), nullable=True, comment="whom it is for; null where it came by the environment"),
    sa.Column("created_at", INSTANT, nullable=True, comment="null: before this was kept"),
    sa.Column("expires_at", INSTANT, nullable=True, comment="as it was made; what ends it sooner is an act"),
    sa.Column("last_used_at", INSTANT, nullable=True, comment="to a minute"),
    sa.Column("replaces", sa.String(), nullable=True, comment="the key that it is the successor of"),
)
CHECKS = {
    "scope": "scope in ('source', 'floor', 'office', 'administrator')",
    "a_source_is_a_scope": "(scope = 'source') = (source is not null)",
    "replaces_another": "replaces <> name",
}


def upgrade() -> None:
    for column in COLUMNS:
        op.add_column("api_key", column, schema="records")
    op.alter_column("api_key", "created_at", server_default=NOW, schema="records")
    name_what_is_there()
    op.alter_column("api_key", "name", nullable=False, schema="records")
    op.create_unique_constraint(op.f("uq_api_key_tenant_name"), "api_key", ["tenant", "name"], schema="records")
    op.create_unique_constraint(op.f("uq_api_key_tenant_replaces"), "api_key", ["tenant", "replaces"], schema="records")
    op.create_foreign_key(
        op.f("fk_api_key_tenant_replaces"),
        "api_key",
        "api_key",
        ["tenant", "replaces"],
        ["tenant", "name"],
        source_schema="records",
        referent_schema="records",
    )
    for name, condition in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_api_key_{name}"), "api_key", condition, schema="records")
    keep_acts()


def name_what_is_there() -> None:
    op.execute(
        """
        update records.api_key k set scope = case when k.source is null then 'office' else 'source' end,
          name = 'environment' || case when n.number > 1 then '-' || n.number else '' end
        from (
          select key_hash,
            row_number() over (partition by tenant order by not is_default_source, source, key_hash) as number
          from records.api_key
        ) n where n.key_hash = k.key_hash
        """
    )


def keep_acts() -> None:
    op.create_table(
        "api_key_act",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("act", sa.String(), nullable=False),
        sa.Column("at", INSTANT, server_default=NOW, nullable=False),
        sa.Column("actor", sa.String(), nullable=False, comment="who did it, as the sender says"),
        sa.Column(
            "by_key",
            sa.String(),
            nullable=True,
            comment="the name of the key that it was asked with; null at the command line",
        ),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("ends_at", INSTANT, nullable=True, comment="when the key ends by this act"),
        sa.CheckConstraint("act in ('made', 'rotated', 'revoked')", name=op.f("ck_api_key_act_act")),
        sa.CheckConstraint("(act = 'made') = (ends_at is null)", name=op.f("ck_api_key_act_ends")),
        sa.ForeignKeyConstraint(
            ["tenant", "name"],
            ["records.api_key.tenant", "records.api_key.name"],
            name=op.f("fk_api_key_act_tenant_name"),
        ),
        sa.PrimaryKeyConstraint("tenant", "name", "act", name=op.f("pk_api_key_act")),
        schema="records",
        comment="What was done to keys, each once: a key that was revoked stays so",
    )
    # A key is what it was made as. So who has the limited role can't give it another scope, or let it live again.
    op.execute("revoke update on records.api_key from stockbridge_app")
    op.execute("grant update (last_used_at) on records.api_key to stockbridge_app")
    op.execute("grant select, insert on records.api_key_act to stockbridge_app")


def downgrade() -> None:
    lock_out_what_has_ended()
    op.drop_table("api_key_act", schema="records")
    op.execute("revoke update (last_used_at) on records.api_key from stockbridge_app")
    op.execute("grant update on records.api_key to stockbridge_app")
    for name in CHECKS:
        op.drop_constraint(op.f(f"ck_api_key_{name}"), "api_key", schema="records")
    op.drop_constraint(op.f("fk_api_key_tenant_replaces"), "api_key", schema="records")
    for column in reversed(COLUMNS):
        op.drop_column("api_key", column.name, schema="records")


def lock_out_what_has_ended() -> None:
    """Let no key match what has ended, or is an administrator's: without these columns it would be as good as others.

    Its row stays, for the names of its source's orders.
    """
    op.execute(
        """
        update records.api_key k set key_hash = sha256(key_hash)
        where scope = 'administrator' or expires_at is not null
          or exists (
            select from records.api_key_act a
            where (a.tenant, a.name) = (k.tenant, k.name) and a.ends_at is not null)
        """
    )
