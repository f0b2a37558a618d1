from __future__ import annotations

from datetime import UTC, datetime

from domain.stock import Place, StreamKey
from ledger.book import Book, Stream
from ledger.writing.pool_cache import MOST_OF_A_POOL, KeptPools

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def book_of(sku: str, streams: int) -> Book:
    found = [Stream.new(StreamKey("acme", sku, Place(f"A-{n}", "HAM"))) for n in range(streams)]
    book = Book([found[0].pool_id], (), ())
    for stream in found:
        stream.on_hand, stream.stored = 1, True
        book.add_stream(stream)
    return book


def test_the_pools_that_were_written_longest_ago_make_room() -> None:
    kept = KeptPools(most=10)
    books = {sku: book_of(sku, 4) for sku in ("MUG", "CUP", "PLATE")}
    for book in books.values():
        kept.keep(book, dict.fromkeys(book.pools, 1), NOW)

    assert [all(pool_id in kept for pool_id in book.pools) for book in books.values()] == [False, True, True]

    taken = kept.take(books["CUP"].pools)
    assert [len(pool.streams) for pool in taken.values()] == [4]
    kept.keep(books["MUG"], dict.fromkeys(books["MUG"].pools, 2), NOW)
    assert all(pool_id in kept for sku in ("MUG", "PLATE") for pool_id in books[sku].pools)


def test_a_pool_with_very_many_streams_is_read_each_time() -> None:
    kept = KeptPools()
    book = book_of("SERIAL", MOST_OF_A_POOL + 1)

    kept.keep(book, dict.fromkeys(book.pools, 1), NOW)

    assert not any(pool_id in kept for pool_id in book.pools)


def test_a_new_stream_is_not_kept_before_postgresql_told_of_its_lot() -> None:
    kept = KeptPools()
    book = book_of("MUG", 2)
    next(iter(book.streams.values())).stored = False

    kept.keep(book, dict.fromkeys(book.pools, 1), NOW)

    assert not any(pool_id in kept for pool_id in book.pools)
