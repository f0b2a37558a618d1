"""Bringing the schema up to date, and the limited role with it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import sqlalchemy
from alembic import command
from alembic.config import Config
from psycopg import conninfo, sql

import migrations
from runtime.errors import StartupError
from runtime.settings import sqlalchemy_url

SCRIPTS = Path(migrations.__file__).parent
GROUP_ROLE = "stockbridge_app"
"""The role that a migration makes and grants to: it may do what API, worker and relay must, and cannot log in."""
LOGIN_ROLE = "stockbridge"
LOCK_KEY = 0x5354_4F43_4B42_5244  # "STOCKBRD"
LOCK_LIMIT_S = 300.0


def migrate(admin_url: str, *, revision: str = "head", scripts: Path = SCRIPTS) -> None:
    """Bring the schema at `admin_url` (plain form, the owner's) to `revision`.

    Two processes may do so at once: the second waits for the first and then finds nothing to do.
    """
    with exclusively(admin_url):
        engine = sqlalchemy.create_engine(sqlalchemy_url(admin_url), poolclass=sqlalchemy.NullPool)
        with engine.begin() as connection:  # Alembic commits nothing on a connection it is given
            command.upgrade(alembic_config(admin_url, connection, scripts), revision)


def alembic_config(admin_url: str, connection: sqlalchemy.Connection | None = None, scripts: Path = SCRIPTS) -> Config:
    """Return Alembic's configuration for our scripts; `env.py` uses `connection` where one is given."""
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", sqlalchemy_url(admin_url).replace("%", "%%"))
    if connection is not None:
        config.attributes["connection"] = connection
    return config


@contextlib.contextmanager
def exclusively(admin_url: str, limit_s: float = LOCK_LIMIT_S) -> Iterator[None]:
    """Hold the database's migration lock. It ends with the connection, so a killed process leaves none.

    The lock is tried for, not waited for in the server: a waiting statement's snapshot would block
    `CREATE INDEX CONCURRENTLY` in the process that holds the lock.
    """
    deadline = time.monotonic() + limit_s
    with psycopg.connect(admin_url, autocommit=True) as connection:
        while not _taken(connection):
            if time.monotonic() >= deadline:
                raise StartupError(f"Another process has been migrating the database for over {limit_s:.0f} s.")
            time.sleep(0.1)
        yield


def _taken(connection: psycopg.Connection) -> bool:
    """Try for the lock once."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY]).fetchone()
    return row is not None and bool(row[0])


def ensure_login_role(admin_url: str, name: str = LOGIN_ROLE, password: str | None = None) -> None:
    """Make the role that API, worker and relay log in as, or bring its password and membership up to date.

    It gets its rights from `stockbridge_app` alone: a role of that name that may do more is refused, because the
    ledger's rule that nothing is updated or deleted rests on it.
    """
    with exclusively(admin_url), psycopg.connect(admin_url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT rolsuper OR rolcreaterole OR rolbypassrls FROM pg_roles WHERE rolname = %s", [name]
        ).fetchone()
        if found is not None and found[0]:
            raise StartupError(f"Role {name} in DATABASE_URL may do too much: name a limited role, not the owner.")
        role, group = sql.Identifier(name), sql.Identifier(GROUP_ROLE)
        if found is None:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
        if password is not None:
            secret = _verifier(connection, name, password)
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(secret)))
        connection.execute(sql.SQL("GRANT {} TO {}").format(group, role))
        database = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, role))


def _verifier(connection: psycopg.Connection, name: str, password: str) -> str:
    """Return the password as the server stores it, so that the plain one never enters a statement or a log."""
    encoded = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
    return encoded.decode()


def login_of(url: str) -> tuple[str, str | None]:
    """Return user and password as a PostgreSQL address names them."""
    parts = conninfo.conninfo_to_dict(url)
    user, password = parts.get("user"), parts.get("password")
    if not user:
        raise StartupError("DATABASE_URL names no user: postgresql://USER:PASSWORD@HOST/DATABASE")
    return str(user), str(password) if password else None
