"""Alembic's environment: the ledger's and the records' tables in one history."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine, text

from ledger.tables import metadata as ledger
from records.tables import metadata as records

config = context.config


def migrate(connection: Connection) -> None:
    connection.execute(text("create schema if not exists ledger"))
    connection.execute(text("create schema if not exists records"))
    connection.execute(text("set lock_timeout = '5s'"))
    context.configure(
        connection=connection,
        target_metadata=[ledger, records],
        include_schemas=True,
        include_name=lambda name, kind, _: kind != "schema" or name in {"ledger", "records"},
        version_table_schema="records",
        compare_server_default=False,
    )
    with context.begin_transaction():
        context.run_migrations()


given = config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    url = config.get_main_option("sqlalchemy.url") or ""
    with create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1)).begin() as own:
        migrate(own)
