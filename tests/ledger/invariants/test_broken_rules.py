"""A rule of each invariant is broken on purpose, and random stories find it: PostgreSQL refuses it, or it shows.

Each is broken in the code that runs for every request, so that a few dozen stories are enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import psycopg
import pytest

from domain.errors import InvariantViolated, Rejected
from domain.stock import PlaceKind
from ledger.book import NOBODY, Draft, Entry, Holder, Stream, Tail
from ledger.canonical import entry_hash
from ledger.outcomes import Outcome
from ledger.requests import Request
from ledger.rules import reserving
from ledger.writing import chaining, decide_batch
from ledger.writing.writer import LedgerWriter
from runtime.embedded.servers import BackingServices
from tests.ledger.copies import named, new_database

from .stories import tell

Break = Callable[[pytest.MonkeyPatch, str], None]

_move, _entries, _decide, _advance, _post = (
    Draft.move,
    Draft.entries,
    decide_batch._decide,
    chaining._advance,
    LedgerWriter.post,
)


def i1_what_was_written_is_changed(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    async def post(self: LedgerWriter, request: Request, *more: Any) -> Outcome:
        outcome = await _post(self, request, *more)
        with psycopg.connect(url) as connection:
            connection.execute("set session_replication_role = replica")
            which = [request.tenant, outcome.posting_id]
            connection.execute("update ledger.posting set reason = '-' where tenant = %s and posting_id <> %s", which)
        return outcome

    monkeypatch.setattr(LedgerWriter, "post", post)


def i2_numbers_have_gaps(monkeypatch: pytest.MonkeyPatch, _url: str) -> None:
    def advance(tail: Tail, entry: Entry) -> Any:
        tail.seq += 1
        return _advance(tail, entry)

    monkeypatch.setattr(chaining, "_advance", advance)


def i3_promised_stock_is_promised_again(monkeypatch: pytest.MonkeyPatch, _url: str) -> None:
    monkeypatch.setattr(Draft, "free", Draft.on_hand)


def i4_receipts_come_from_nowhere(monkeypatch: pytest.MonkeyPatch, _url: str) -> None:
    def move(self: Draft, stream: Stream, on_hand: int, reserved: int, holder: Holder = NOBODY) -> None:
        if stream.key.place.kind is not PlaceKind.SUPPLIER:
            _move(self, stream, on_hand, reserved, holder)

    monkeypatch.setattr(Draft, "move", move)


def i5_a_key_is_not_remembered(monkeypatch: pytest.MonkeyPatch, _url: str) -> None:
    monkeypatch.setattr(decide_batch, "_decide", lambda asked, book, _first, now: _decide(asked, book, None, now))


def i6_a_hash_leaves_a_field_out(monkeypatch: pytest.MonkeyPatch, _url: str) -> None:
    monkeypatch.setattr(chaining, "entry_hash", lambda *fields: entry_hash(*fields[:-1], 0))


def i7_what_is_released_is_nobodys(monkeypatch: pytest.MonkeyPatch, _url: str) -> None:
    def move(self: Draft, stream: Stream, on_hand: int, reserved: int, holder: Holder = NOBODY) -> None:
        _move(self, stream, on_hand, reserved, NOBODY if reserved < 0 else holder)

    monkeypatch.setattr(Draft, "move", move)


def i8_an_increase_lets_go_first(monkeypatch: pytest.MonkeyPatch, _url: str) -> None:
    def entries(self: Draft) -> list[Entry]:
        found: list[Entry] = []
        for stream, holder, on_hand, reserved in _entries(self):
            held = self.book.holds[self.tenant, *holder].get(stream, 0) if reserved > 0 else 0
            if held:
                found.append((stream, holder, 0, -held))
            found.append((stream, holder, on_hand, reserved + held))
        return found

    monkeypatch.setattr(Draft, "entries", entries)


def i8_a_line_lets_go_of_what_another_waits_for(monkeypatch: pytest.MonkeyPatch, _url: str) -> None:
    monkeypatch.setattr(reserving, "serve_own_lines", lambda *_: None)


def expired_stock_is_promised(monkeypatch: pytest.MonkeyPatch, _url: str) -> None:
    monkeypatch.setattr(Draft, "expired", lambda *_: False)


FOUND_SOON: Final = {i8_an_increase_lets_go_first: 3, i8_a_line_lets_go_of_what_another_waits_for: 3}
"""Which stories come soonest to what happens seldom."""

OTHERS: Final = (5, 6, 7)
"""Which are told where those did not: the same number tells others once there is other code for Hypothesis to read."""


@pytest.fixture(scope="module")
def url(database: BackingServices) -> str:
    """Return the address of a database that may be ruined."""
    return named(database.database_admin_url, new_database(database))


@pytest.mark.parametrize(
    ("breaking", "says"),
    [
        (i1_what_was_written_is_changed, "I1: posting .* is not what it was"),
        (i2_numbers_have_gaps, "I2: entry 2 of stream .* does not follow"),
        (i3_promised_stock_is_promised_again, "ck_entry_never_oversold"),
        (i4_receipts_come_from_nowhere, "I4: posting .* makes .* appear"),
        (i5_a_key_is_not_remembered, "uq_posting_tenant|since the count was compared|I5"),
        (i6_a_hash_leaves_a_field_out, "I6: the hash of entry"),
        (i7_what_is_released_is_nobodys, "I7: .* holds"),
        (i8_an_increase_lets_go_first, "uq_entry_net_per_line"),
        (i8_a_line_lets_go_of_what_another_waits_for, "I8: |the_ledger_shows_what_the_model_does"),
        (expired_stock_is_promised, "expired: posting .* promises"),
    ],
)
def test_a_rule_that_is_broken_is_found(monkeypatch: pytest.MonkeyPatch, url: str, breaking: Break, says: str) -> None:
    breaking(monkeypatch, url)
    with pytest.raises((AssertionError, InvariantViolated, Rejected, pytest.fail.Exception), match=says):
        tell_until_found(url, FOUND_SOON.get(breaking, 1))


def tell_until_found(url: str, first: int) -> None:
    for number in (first, *OTHERS):
        tell(url, number, 400, shrinking=False)


def test_where_no_rule_is_broken_nothing_is_found(url: str) -> None:
    tell(url, 1, 20, shrinking=False)
