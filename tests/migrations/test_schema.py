from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import psycopg
import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import sql

from runtime.embedded.servers import BackingServices
from runtime.migrating import alembic_config, migrate
from runtime.settings import sqlalchemy_url


def test_the_migrations_make_what_the_tables_say(database: BackingServices) -> None:
    engine = sqlalchemy.create_engine(sqlalchemy_url(database.database_admin_url))
    with engine.begin() as connection:
        command.check(alembic_config(database.database_admin_url, connection))
    engine.dispose()


def empty_database(database: BackingServices) -> str:
    name = f"schema_{uuid4().hex[:8]}"
    with psycopg.connect(database.database_admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    return database.database_admin_url.replace("/stockbridge?", f"/{name}?")


def test_the_schema_goes_away_and_comes_back(database: BackingServices) -> None:
    url = empty_database(database)
    migrate(url)
    engine = sqlalchemy.create_engine(sqlalchemy_url(url), poolclass=sqlalchemy.NullPool)
    see_that_doubled_gtins_are_kept(url, engine)
    with engine.begin() as connection:
        command.downgrade(alembic_config(url, connection), "base")
    migrate(url)
    with engine.begin() as connection:
        command.check(alembic_config(url, connection))


ADD_KEY = "insert into records.api_key (key_hash, tenant, source, is_default_source) values (%s, %s, %s, %s)"
KEYS = "select name, coalesce(scope, '?'), source from records.api_key where tenant = 'acme' order by name"


def test_keys_from_before_get_names_and_what_has_ended_is_good_for_nothing_after_a_way_back(
    database: BackingServices,
) -> None:
    url = empty_database(database)
    engine = sqlalchemy.create_engine(sqlalchemy_url(url), poolclass=sqlalchemy.NullPool)

    def move(go: Callable[[Config, str], None], revision: str) -> None:
        with engine.begin() as connection:
            go(alembic_config(url, connection), revision)

    before = ScriptDirectory.from_config(alembic_config(url)).get_revision("0027").down_revision
    move(command.upgrade, str(before))
    with psycopg.connect(url, autocommit=True) as old:
        old.execute(ADD_KEY, (b"2", "acme", None, False))
        old.execute(ADD_KEY, (b"1", "acme", "erp", True))
    move(command.upgrade, "head")
    with psycopg.connect(url, autocommit=True) as new:
        assert new.execute(KEYS).fetchall() == [("environment", "source", "erp"), ("environment-2", "office", None)]
        new.execute(ADD_KEY, (b"3", "acme", "shop", False))  # as a build from before does, beside this one
        assert new.execute(KEYS).fetchall()[2][1:] == ("?", "shop")
        new.execute(
            "insert into records.api_key_act (tenant, name, act, actor, ends_at)"
            " values ('acme', 'environment', 'revoked', 'a test', clock_timestamp())"
        )
    move(command.downgrade, str(before))
    with psycopg.connect(url) as back:
        found = back.execute("select key_hash, source, is_default_source from records.api_key").fetchall()
    assert len(found) == 3
    assert {row[0] for row in found} & {b"1", b"2", b"3"} == {b"2", b"3"}
    assert ("erp", True) in {row[1:] for row in found}, "its orders keep their names"


def see_that_doubled_gtins_are_kept(url: str, engine: sqlalchemy.Engine) -> None:
    """Migrate a catalog in which a GTIN names several packagings: one has it, the others keep it until they drop it."""
    of_gtins = ScriptDirectory.from_config(alembic_config(url)).get_revision("0029")
    doubled = [
        ("acme", "A", None, '[{"uom": "CASE", "factor": 6, "gtin": "00000096385074"}]'),
        ("acme", "B", "96385074", '[{"uom": "CASE", "factor": 6, "gtin": "96385074"}, {"uom": "BOX", "factor": 2}]'),
        ("other", "A", "96385074", "[]"),
    ]
    with engine.begin() as connection:
        command.downgrade(alembic_config(url, connection), of_gtins.down_revision)
        for row in doubled:
            connection.exec_driver_sql(
                "insert into records.product (tenant, sku, gtin, packagings, description, base_uom, tracking) "
                "values (%s, %s, %s, %s, '', 'EA', 'none')",
                row,
            )
    migrate(url)
    with engine.begin() as connection:
        kept = connection.exec_driver_sql(
            "select tenant, sku, uom, doubled from records.product_gtin where gtin = '00000096385074' order by 1, 2, 3"
        )
        assert [tuple(row) for row in kept] == [
            ("acme", "A", "CASE", False),
            ("acme", "B", "CASE", True),
            ("acme", "B", "EA", True),
            ("other", "A", "EA", False),
        ]
        connection.exec_driver_sql("update records.product set gtin = null, packagings = '[]' where sku = 'A'")
        kept = connection.exec_driver_sql("select sku, uom, doubled from records.product_gtin order by 1, 2")
        assert [tuple(row) for row in kept] == [("B", "CASE", False), ("B", "EA", True)]


def test_connections_of_an_older_build_are_off_and_keep_their_addresses(database: BackingServices) -> None:
    url = empty_database(database)
    migrate(url, revision="0030")
    event = (
        "insert into records.carrier_event (tenant, carrier, connection, event_id, tracking_number, status,"
        " vendor_status, heard_by) values ('acme', 'sandbox', %s, 'E-1', 'T', 'in_transit', 'x', 'poll')"
    )
    with psycopg.connect(url, autocommit=True) as old:
        old.execute(ADD_KEY, (b"1", "acme", "erp", True))
        old.execute(ADD_KEY, (b"2", "acme", None, False))
        for name in ("known-2", "known-1"):
            old.execute("insert into records.carrier_connection values (%s, 'sandbox', 'acme')", [name])
            old.execute(event, [name])
    migrate(url)
    with psycopg.connect(url, autocommit=True) as new:
        rows = new.execute("select kind, name, adapter, flow, off_reason from records.connection order by 1").fetchall()
        assert [row[:4] for row in rows] == [("carrier", "sandbox", None, "off"), ("erp", "erp", None, "off")]
        assert all("stockbridge connection add" in row[4] for row in rows)
        ids = new.execute(
            "select public_id from records.connection where kind = 'carrier'"
            " union select public_id from records.connection_former_id where works_until > now()"
        ).fetchall()
        assert {row[0] for row in ids} == {"known-1", "known-2"}
        (length,) = new.execute(
            "select min(length(public_id)) from records.connection where kind = 'erp'"
        ).fetchone() or (0,)
        assert length >= 22
        events = new.execute("select event_id from records.carrier_event order by carrier_event_id").fetchall()
        assert [row[0] for row in events] == ["E-1", "E-1#2"]
        before = "select from records.carrier_connection where tenant = 'acme' and carrier = 'sandbox'"
        assert new.execute(before).fetchall(), "a build from before asks so, beside this one"
