from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from runtime import migrating
from runtime.embedded.servers import BackingServices, backing_services
from runtime.errors import StartupError

ENVIRONMENT = """
from alembic import context
connection = context.config.attributes["connection"]
context.configure(connection=connection)
with context.begin_transaction():
    context.run_migrations()
"""

# Each run that gets as far as the migration leaves a row; two would fail on the table, too.
MIGRATION = """
from alembic import op
revision, down_revision = "0001", None

def upgrade():
    op.execute("create table migrated as select clock_timestamp() as at")
    op.execute("select pg_sleep(0.5)")
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BackingServices]:
    async with backing_services(tmp_path_factory.mktemp("migrating"), temporal=False) as running:
        yield running


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text(ENVIRONMENT)
    (tmp_path / "versions" / "0001.py").write_text(MIGRATION)
    return tmp_path


@pytest.fixture
def empty_database(services: BackingServices, request: pytest.FixtureRequest) -> str:
    name = f"empty_{request.node.name}"[:60]
    with psycopg.connect(services.database_admin_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload, unused-ignore]
    return services.database_admin_url.replace("/stockbridge?", f"/{name}?")


async def test_two_that_migrate_at_once_do_it_once(empty_database: str, scripts: Path) -> None:
    await asyncio.gather(
        asyncio.to_thread(migrating.migrate, empty_database, scripts=scripts),
        asyncio.to_thread(migrating.migrate, empty_database, scripts=scripts),
    )
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT count(*) FROM migrated").fetchone() == (1,)
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]


def test_a_migration_that_fails_leaves_nothing_behind(empty_database: str, scripts: Path) -> None:
    (scripts / "versions" / "0001.py").write_text(MIGRATION + "    op.execute('select 1/0')\n")
    with pytest.raises(Exception, match="division by zero"):
        migrating.migrate(empty_database, scripts=scripts)
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT to_regclass('migrated')").fetchone() == (None,)


def test_who_waits_for_the_lock_gives_up_in_time(services: BackingServices) -> None:
    url = services.database_admin_url
    with (
        migrating.exclusively(url),
        pytest.raises(StartupError, match="Another process has been migrating"),
        migrating.exclusively(url, limit_s=0.2),
    ):
        pass


def test_the_role_that_logs_in_is_limited(services: BackingServices) -> None:
    with psycopg.connect(services.database_url) as connection:
        row = connection.execute(
            "SELECT rolname, rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls,"
            " pg_has_role(current_user, 'stockbridge_app', 'member') FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert row == ("stockbridge", False, True)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE public.mine (id int)")


def test_a_role_gets_its_password_and_may_be_ensured_again_with_another(services: BackingServices) -> None:
    for password in ("first", "sécond"):
        migrating.ensure_login_role(services.database_admin_url, "app", password)
        with psycopg.connect(services.database_admin_url) as connection:
            row = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'app'").fetchone()
        assert row is not None
        assert row[0].startswith("SCRAM-SHA-256$")


def test_the_owner_is_not_taken_for_the_limited_role(services: BackingServices) -> None:
    with pytest.raises(StartupError, match="Role postgres in DATABASE_URL may do too much"):
        migrating.ensure_login_role(services.database_admin_url, "postgres")


def test_user_and_password_are_read_as_the_driver_reads_them() -> None:
    assert migrating.login_of("postgresql://app:p%40ss@db:5432/x") == ("app", "p@ss")
    assert migrating.login_of("postgresql://app@/x?host=/run/pg") == ("app", None)
    with pytest.raises(StartupError, match="names no user"):
        migrating.login_of("postgresql://db/x")
