from __future__ import annotations

from uuid import uuid4

import psycopg
import sqlalchemy
from alembic import command
from psycopg import sql

from stockbridge.runtime.migrating import alembic_config, migrate
from stockbridge.runtime.services import BackingServices
from stockbridge.runtime.settings import sqlalchemy_url


def test_the_migrations_make_what_the_tables_say(database: BackingServices) -> None:
    engine = sqlalchemy.create_engine(sqlalchemy_url(database.database_admin_url))
    with engine.begin() as connection:
        command.check(alembic_config(database.database_admin_url, connection))
    engine.dispose()


def test_the_schema_goes_away_and_comes_back(database: BackingServices) -> None:
    name = f"schema_{uuid4().hex[:8]}"
    with psycopg.connect(database.database_admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    url = database.database_admin_url.replace("/stockbridge?", f"/{name}?")

    migrate(url)
    engine = sqlalchemy.create_engine(sqlalchemy_url(url), poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        command.downgrade(alembic_config(url, connection), "base")
    migrate(url)
    with engine.begin() as connection:
        command.check(alembic_config(url, connection))
