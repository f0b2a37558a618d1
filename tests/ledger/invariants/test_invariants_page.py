"""The page of the invariants names constraints, queries and tests; each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.proving import checkpoint_queries
from ledger.verifying import verification_queries

PAGE = (Path(__file__).parents[3] / "docs/invariants.md").read_text()
NAMES = re.findall(r"`([^`]+)`", PAGE)
CONSTRAINTS = sorted({name for name in NAMES if re.match(r"(ck|uq|pk)_", name)})
QUERIES = sorted({name for name in NAMES if re.fullmatch(r"[A-Z_]+", name)})
TESTS = sorted({name for name in NAMES if name.startswith(("test_", "::test_"))})


@pytest.mark.parametrize("name", CONSTRAINTS)
async def test_a_named_constraint_exists(engine: AsyncEngine, name: str) -> None:
    query = text(
        """
        select count(*) from (select conname as name from pg_constraint union select relname from pg_class) all_names
        where name like :pattern
        """
    )
    async with engine.connect() as connection:
        pattern = name.replace("_", r"\_").replace("*", "%")
        assert await connection.scalar(query, {"pattern": pattern})


@pytest.mark.parametrize("name", QUERIES)
def test_a_named_query_exists(name: str) -> None:
    assert hasattr(verification_queries, name) or hasattr(checkpoint_queries, name)


@pytest.mark.parametrize("name", TESTS)
def test_a_named_test_exists(name: str) -> None:
    file, _, function = name.partition("::")
    files = list(Path(__file__).parents[1].rglob(file or "test_*.py"))
    pattern = re.compile(rf"def {function.rstrip('*')}")
    assert any(not function or pattern.search(path.read_text()) for path in files)


def test_every_rule_has_its_row() -> None:
    assert re.findall(r"^\| (I\d) \|", PAGE, re.MULTILINE) == [f"I{number}" for number in range(1, 9)]
