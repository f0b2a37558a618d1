"""Polls: what changed comes whole, whatever happens between its pages, and what wasn't asked for is noticed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from adapters.erp.engine.adapter import MappedErp
from adapters.erp.language.values import from_json, to_json
from adapters.erp.port import Found, Page, Polling
from domain.errors import Rejected, Unavailable
from tests.adapters.erp.engine.inbound.conftest import HOOK
from tests.adapters.erp.engine.inbound.mappings import POLL, polled
from tests.adapters.erp.engine.inbound.shelf import KEY, START, Shelf

Reach = Callable[[str], MappedErp]
BY_NUMBER = "{rows: 10, size: rows, number: page}"
BY_ROWS = "{rows: 10, size: rows, skip: skip}"
BY_LINK = "{rows: 10, size: rows, next: answer.next}"
WAYS = (BY_NUMBER, BY_ROWS, BY_LINK)
MOST_PAGES = 60


def a_pass(erp: MappedErp, since: datetime = START) -> list[Found]:
    """Return all that a pass tells, in its order."""
    found: list[Found] = []
    following = None
    for _ in range(MOST_PAGES):
        page = erp.page("orders", since, following)
        found += page.found
        if page.following is None:
            return found
        following = page.following
    raise AssertionError("it has no end")


def ids(found: list[Found]) -> set[str]:
    return {each.their_id for each in found}


def test_it_says_how_often_it_is_polled(reach: Reach) -> None:
    assert reach(polled()).polling() == {"orders": Polling(30, 120, 86_400)}


def test_what_is_not_polled_is_refused(reach: Reach) -> None:
    with pytest.raises(Rejected, match="polls no products"):
        reach(polled()).page("products", START, None)


def test_an_answer_without_pages_is_one(reach: Reach, shelf: Shelf) -> None:
    shelf.fill(25)
    assert ids(list(reach(polled()).page("orders", START, None).found)) == set(shelf.rows)
    assert reach(polled()).page("orders", START, None).following is None


def test_only_what_changed_since_then_is_asked_for(reach: Reach, shelf: Shelf) -> None:
    shelf.fill(25)
    since = (START + timedelta(minutes=20)).astimezone()
    assert len(a_pass(reach(polled(BY_NUMBER)), since)) == 5
    assert "since=2026-01-05T08%3A20%3A00Z" in shelf.asked[0]


@pytest.mark.parametrize("pages", WAYS)
@pytest.mark.parametrize("number", [0, 9, 10, 11, 35])
def test_every_page_comes_once(reach: Reach, shelf: Shelf, pages: str, number: int) -> None:
    shelf.fill(number)
    found = a_pass(reach(polled(pages)))
    assert [each.their_id for each in found] == [f"D-{each}" for each in range(number)]


@pytest.mark.parametrize("pages", WAYS)
def test_an_erp_that_gives_fewer_at_once_than_it_is_asked_for_loses_none(
    reach: Reach, shelf: Shelf, pages: str
) -> None:
    shelf.fill(35)
    shelf.most = 4
    assert ids(a_pass(reach(polled(pages)))) == set(shelf.rows)


@pytest.mark.parametrize("pages", WAYS)
def test_what_moves_up_between_two_pages_is_not_lost(reach: Reach, shelf: Shelf, pages: str) -> None:
    shelf.fill(45)
    moved = iter(f"D-{each}" for each in range(45))

    def change_one_that_was_read(number: int) -> None:
        if 1 <= number <= 6:
            shelf.put(next(moved), 1000 + number)

    shelf.before = change_one_that_was_read
    assert ids(a_pass(reach(polled(pages)))) == {f"D-{each}" for each in range(45)}


@pytest.mark.parametrize("pages", WAYS)
def test_what_is_deleted_between_two_pages_takes_nothing_with_it(reach: Reach, shelf: Shelf, pages: str) -> None:
    shelf.fill(45)
    shelf.before = lambda number: (
        [shelf.rows.pop(f"D-{each}", None) for each in range(3)] and None if number == 1 else None
    )
    assert {f"D-{each}" for each in range(3, 45)} <= ids(a_pass(reach(polled(pages))))


def test_what_moves_beyond_the_last_page_is_not_lost(reach: Reach, shelf: Shelf) -> None:
    shelf.fill(11)
    shelf.before = lambda number: shelf.drop("D-0") if number == 1 else None
    found = a_pass(reach(polled(BY_NUMBER)))
    assert "D-10" in ids(found)


def test_pages_that_stay_are_read_once_each(reach: Reach, shelf: Shelf) -> None:
    shelf.fill(25)
    a_pass(reach(polled("{rows: 10, size: rows, number: page, stay: true}")))
    assert len(shelf.asked) == 4


def test_what_changed_comes_later_in_the_pass_as_it_is_now(reach: Reach, shelf: Shelf) -> None:
    shelf.fill(15)
    shelf.before = lambda number: shelf.put("D-3", 500) if number == 1 else None
    of_it = [each.stamp for each in a_pass(reach(polled(BY_NUMBER))) if each.their_id == "D-3"]
    assert of_it == [START + timedelta(minutes=3), START + timedelta(minutes=500)]


def test_a_caller_that_asks_again_with_an_overlap_has_everything_as_it_is_in_the_end(
    reach: Reach, shelf: Shelf
) -> None:
    shelf.fill(40)
    erp = reach(polled(BY_LINK))
    known: dict[str, Found] = {}
    clock = iter(range(3600, 7200))
    ever = iter(range(10_000))
    shelf.before = lambda _: shelf.put(f"D-{next(ever) % 40}", next(clock) / 60)
    since = START
    for passes in range(4):
        if passes == 3:
            shelf.before = lambda _: None
        found = a_pass(erp, since)
        for each in found:
            if each.their_id not in known or known[each.their_id].stamp <= each.stamp:
                known[each.their_id] = each
        since = max(each.stamp for each in found) - timedelta(seconds=120)
    assert {id_: each.row for id_, each in known.items()} == shelf.rows


@pytest.mark.parametrize("pages", ["", *WAYS])
def test_a_filter_that_was_ignored_refuses_the_page(reach: Reach, shelf: Shelf, pages: str) -> None:
    shelf.fill(25)
    shelf.ignores = {"since"}
    with pytest.raises(Rejected) as refused:
        reach(polled(pages)).page("orders", START + timedelta(minutes=1), None)
    assert refused.value.code == "erp_filter_ignored"
    assert "/inbound/orders/poll/still" in refused.value.detail
    assert "D-0" in str(refused.value.said)


@pytest.mark.parametrize(
    ("row", "where"),
    [
        ({"changed": "2026-01-05T09:00:00Z"}, "/inbound/orders/poll/id"),
        ({"id": " ", "changed": "2026-01-05T09:00:00Z"}, "/inbound/orders/poll/id"),
        ({"id": "x" * 201, "changed": "2026-01-05T09:00:00Z"}, "/inbound/orders/poll/id"),
        ({"id": "D-1", "changed": ""}, "/inbound/orders/poll/stamp"),
        ({"id": "D-1", "changed": "2026-01-05T09:00:00"}, "/inbound/orders/poll/stamp"),
        ({"id": "D-1", "changed": "yesterday"}, "/inbound/orders/poll/stamp"),
        ({"id": "D-1", "changed": "9999-12-31T23:59:59-10:00"}, "/inbound/orders/poll/stamp"),
    ],
)
def test_a_row_that_says_no_id_or_no_stamp_is_named(
    reach: Reach, shelf: Shelf, row: dict[str, str], where: str
) -> None:
    shelf.put("D-0", 100)
    shelf.rows["odd"] = {"id": None, **row}
    shelf.ignores = {"since"}
    poll = POLL.replace("still: (row.changed | time) >= since", "still: true")
    with pytest.raises(Rejected) as refused:
        reach(polled(poll=poll)).page("orders", START, None)
    assert refused.value.code == "erp_mapping"
    assert where in refused.value.detail
    assert str(refused.value.said).startswith("row ")


def test_an_answer_without_rows_is_named(reach: Reach) -> None:
    with pytest.raises(Rejected, match="/inbound/orders/poll/rows"):
        reach(polled(poll=POLL.replace("answer.docs", "answer.dogs"))).page("orders", START, None)


def test_a_page_that_comes_again_ends_the_pass(reach: Reach, shelf: Shelf) -> None:
    shelf.fill(25)
    shelf.ignores = {"page"}
    erp = reach(polled(BY_NUMBER))
    first = erp.page("orders", START, None)
    with pytest.raises(Rejected) as refused:
        erp.page("orders", START, first.following)
    assert refused.value.code == "erp_pages_repeat"


def test_an_erp_that_has_no_such_page_has_no_more(reach: Reach, shelf: Shelf) -> None:
    shelf.fill(10)
    shelf.instead[1] = (404, "application/json", b"{}")
    assert len(a_pass(reach(polled(BY_NUMBER)))) == 10


@pytest.mark.parametrize(
    ("status", "media", "body"),
    [
        (200, "text/html", b"<!DOCTYPE html><html>Log in</html>"),
        (401, "application/json", b"{}"),
        (401, "text/html", b"<html>Log in</html>"),
        (302, "text/html", b""),
        (500, "text/html", b"<html>Oh no</html>"),
        (200, "application/json", b'{"docs": ['),
    ],
)
def test_what_is_no_page_is_asked_for_again(reach: Reach, shelf: Shelf, status: int, media: str, body: bytes) -> None:
    shelf.fill(25)
    shelf.instead[1] = (status, media, body)
    erp = reach(polled(BY_NUMBER))
    first = erp.page("orders", START, None)
    with pytest.raises(Unavailable):
        erp.page("orders", START, first.following)
    assert [each.their_id for each in erp.page("orders", START, first.following).found][:10] == [
        f"D-{each}" for each in range(10, 20)
    ]


@pytest.mark.parametrize(
    "link",
    ["http://169.254.169.254/api/docs", "http://127.0.0.1:1/api/docs", "//evil.example.org/", "/other", "file:///etc"],
)
def test_a_link_that_leads_away_is_not_followed(reach: Reach, shelf: Shelf, link: str) -> None:
    shelf.fill(25)
    shelf.link = lambda _: link
    with pytest.raises(Rejected) as refused:
        reach(polled(BY_LINK)).page("orders", START, None)
    assert refused.value.code == "egress_refused"


@pytest.mark.parametrize("link", ["?page=1&rows=10", "/api/docs?page=1&rows=10", "docs?page=1&rows=10"])
def test_a_link_may_be_relative(reach: Reach, shelf: Shelf, link: str) -> None:
    shelf.fill(15)
    shelf.link = lambda _: link
    assert len(a_pass(reach(polled(BY_LINK)))) == 15


@pytest.mark.parametrize("secret", [KEY, HOOK])
def test_a_link_with_our_secret_in_it_is_refused(reach: Reach, shelf: Shelf, secret: str) -> None:
    shelf.fill(25)
    shelf.link = lambda link: f"{link}&key={secret}"
    with pytest.raises(Rejected) as refused:
        reach(polled(BY_LINK)).page("orders", START, None)
    assert refused.value.code == "erp_link"
    assert secret not in str(refused.value)


@pytest.mark.parametrize("pages", WAYS)
def test_where_it_goes_on_names_no_address(reach: Reach, shelf: Shelf, pages: str) -> None:
    shelf.fill(25)
    following = reach(polled(pages)).page("orders", START, None).following
    assert following is not None
    assert "127.0.0.1" not in following
    assert "http" not in following
    assert KEY not in following
    assert following.isprintable()


@pytest.mark.parametrize("following", ["", "{}", "null", "nonsense", '{"mapping": "x"}'])
def test_where_another_mapping_was_the_pass_begins_anew(reach: Reach, shelf: Shelf, following: str) -> None:
    shelf.fill(25)
    erp = reach(polled(BY_NUMBER))
    other = reach(polled(BY_ROWS)).page("orders", START, None).following
    for kept in (following, other):
        assert erp.page("orders", START, kept) == Page(
            erp.page("orders", START, None).found, erp.page("orders", START, None).following
        )


def test_a_row_is_as_it_will_be_when_it_is_read_again(reach: Reach, shelf: Shelf) -> None:
    shelf.put("D-0", 3, price=1.10, large=10**30, text="Tée\u2028", none=None, more=[{"yes": True}])
    (found,) = reach(polled()).page("orders", START, None).found
    assert from_json(to_json(found.row)) == found.row
    assert found.stamp == datetime(2026, 1, 5, 8, 3, tzinfo=UTC)
