"""Refusals as rows and histories have them: an older build may read them, and theirs are read here."""

from __future__ import annotations

import pytest

from domain.errors import Conflict, Fault, Kind, Rejected

WRITTEN = {
    Kind.INVALID: 422,
    Kind.CONFLICT: 409,
    Kind.UNKNOWN: 404,
    Kind.MALFORMED: 400,
    Kind.UNPROVEN: 401,
    Kind.FORBIDDEN: 403,
    Kind.TOO_MANY: 429,
    Kind.BUG: 500,
}


def test_every_kind_is_written_as_builds_that_knew_none_read_it() -> None:
    assert {kind: Rejected("no", "No.", kind=kind).as_json()["status"] for kind in Kind} == WRITTEN


@pytest.mark.parametrize("kind", Kind)
def test_a_refusal_is_read_as_it_was_written(kind: Kind) -> None:
    written = Rejected("no_room", "No room.", [Fault("/lines/0", "no_room", "No room.")], kind).as_json()

    again = Rejected.from_json(written)

    assert (again.code, again.detail, again.faults, again.kind) == (
        "no_room",
        "No room.",
        (Fault("/lines/0", "no_room", "No room."),),
        kind,
    )
    assert again.as_json() == written


def test_what_an_older_build_wrote_is_read() -> None:
    kept = {"code": "already_shipped", "detail": "All of it has left.", "status": 409, "errors": []}
    assert Rejected.from_json(kept).kind is Kind.CONFLICT
    assert Rejected.from_json(kept).as_json() == kept


@pytest.mark.parametrize("kept", [{}, {"status": 418}])
def test_where_no_kind_is_written_that_we_know_it_is_invalid(kept: dict[str, int]) -> None:
    assert Rejected.from_json({"code": "no", "detail": "No.", **kept}).kind is Kind.INVALID


def test_the_same_key_with_other_content_is_a_conflict_with_what_is_there() -> None:
    assert Conflict("PO-1 came before with other content.").kind is Kind.CONFLICT
