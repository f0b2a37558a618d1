"""How a text is made harmless between the quotes of a vendor's filter."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from adapters.erp.language.budget import CannotSay

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]")
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9 ._~/@-]")
_IN_SOLR: Final = re.compile(r'([-+&|!(){}\[\]^"~*?:\\/ ])')


def _sql(text: str) -> str:
    if "\\" in text:
        raise CannotSay("there is a backslash in it, which servers read in two ways: say `mysql` if it is one")
    return text.replace("'", "''")


def _mysql(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "''")


def _odata(text: str) -> str:
    return text.replace("'", "''")


def _solr(text: str) -> str:
    return _IN_SOLR.sub(r"\\\1", text)


def _quotable(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _plainest(text: str) -> str:
    if odd := _NOT_PLAIN.search(text):
        raise CannotSay(f"there is {odd[0]!a} in it, which may mean something in a filter")
    return text


DIALECTS: Final[Mapping[str, Callable[[str], str]]] = {
    "sql": _sql,
    "mysql": _mysql,
    "odata": _odata,
    "solr": _solr,
    "double": _quotable,
    "plain": _plainest,
}


def quoted(text: str, dialect: str) -> str:
    """Return the text as it stands between the dialect's quotes. Raises `CannotSay` for what has no place there."""
    if _CONTROL.search(text):
        raise CannotSay("there is a control character in it, which has no place in a filter")
    return DIALECTS[dialect](text)
