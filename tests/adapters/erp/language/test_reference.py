from __future__ import annotations

from pathlib import Path

from adapters.erp.language.functions import FUNCTIONS
from adapters.erp.language.reference import page

PAGE = Path(__file__).parents[4] / "docs" / "erp" / "functions.md"


def test_the_page_of_functions_says_what_they_are() -> None:
    assert PAGE.read_text() == page(), "write it again: stockbridge erp functions > docs/erp/functions.md"


def test_the_page_has_each_function() -> None:
    assert [name for name in FUNCTIONS if f"| `{name}" not in page()] == []
