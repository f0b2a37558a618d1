"""Damage done to a copy of a ledger by a superuser, with the triggers off; verify finds it and says where."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio

from domain.stock import StockStatus
from ledger.verifying import verification_queries as queries
from ledger.verifying.verification import Report, rebuild, verify
from ledger.verifying.verification_record import OtherLedgerError
from ledger.writing.writer import LedgerWriter
from runtime.cli import ledger_checks
from runtime.embedded.servers import BackingServices
from runtime.settings import Settings
from tests.ledger import copies
from tests.ledger.copies import copied, database_of_its_own
from tests.ledger.warehouse import BIN, OTHER_BIN, Warehouse

TENANT = "acme"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def story(database: BackingServices) -> AsyncIterator[str]:
    """A database of its own, with a story in its ledger; closed, so that it can be copied."""
    async with database_of_its_own(database) as (name, engine):
        await _tell(Warehouse(LedgerWriter(engine), engine, TENANT))
    yield name


async def _tell(warehouse: Warehouse) -> None:
    for request in (
        warehouse.receipt("MUG", 20),
        warehouse.receipt("MUG", 5, OTHER_BIN),
        warehouse.receipt("PHONE", 2, serials=("S1", "S2")),
        warehouse.order("SO-1", (1, "MUG", 8), (2, "PHONE", 1)),
        warehouse.order("SO-2", (1, "MUG", 30)),
        warehouse.order("SO-1", (1, "MUG", 6), (2, "PHONE", 1)),
        warehouse.pick("SO-1", 1, "MUG", 6),
        warehouse.pick("SO-1", 2, "PHONE", 1),
        warehouse.issue("SO-1", "SH-1", (1, "MUG", 6), (2, "PHONE", 1)),
        warehouse.deliver("SO-1", "SH-1", (1, "MUG", 6)),
        warehouse.give_back("SO-1", 1, "MUG", 2),
        warehouse.restate("MUG", 2, StockStatus.DAMAGED),
        warehouse.adjust("MUG", 3),
        warehouse.order("SO-2", (1, "MUG", 11)),
        warehouse.pick("SO-2", 1, "MUG", 5, place=BIN, short=True),
        warehouse.order("SO-3", (1, "CUP", 4)),
        warehouse.receipt("PLATE", 5),
        warehouse.order("SO-4", (1, "PLATE", 2)),
    ):
        await warehouse.post(request)


class Copy(copies.Copy):
    """A copy of the story that may be damaged."""

    def one(self, query: str) -> tuple[object, ...]:
        """Return the first row."""
        return self.rows(query)[0]

    def mug(self) -> UUID:
        """Return the stream of mugs in the first bin, the busiest."""
        return Warehouse.stream(Warehouse(None, None, TENANT), "MUG").stream_id  # type: ignore[arg-type]


@pytest.fixture
def copy(database: BackingServices, story: str) -> Iterator[Copy]:
    with copied(database, story) as there:
        yield Copy(there.url)


def _places(report: Report) -> set[tuple[UUID | None, int | None]]:
    return {(finding.stream_id, finding.seq) for finding in report.findings}


def _rules(report: Report) -> set[str]:
    return {finding.rule for finding in report.findings}


def test_an_undamaged_ledger_is_verified(copy: Copy) -> None:
    parts: list[float] = []
    report = verify(copy.url, lambda _part, done: parts.append(done))

    assert report.findings == []
    assert str(report).startswith(f"ledger verified: {report.entries} entries in {report.streams} streams, ")
    assert (report.postings, report.entries > 30, parts[-1]) == (18, True, 1.0)


@pytest.mark.parametrize("column", ["on_hand_delta", "reserved_delta", "on_hand", "reserved"])
def test_a_changed_quantity_is_found(copy: Copy, column: str) -> None:
    copy.damage(f"update ledger.entry set {column} = {column} + 1 where stream_id = '{copy.mug()}' and seq = 4")

    report = verify(copy.url)

    assert (copy.mug(), 4) in _places(report)
    assert {"I2", "I6"} <= _rules(report)


def test_a_changed_quantity_with_all_balances_after_it_is_found(copy: Copy) -> None:
    copy.damage(
        f"update ledger.entry set on_hand_delta = on_hand_delta + 1 where stream_id = '{copy.mug()}' and seq = 1",
        f"update ledger.entry set on_hand = on_hand + 1 where stream_id = '{copy.mug()}'",
    )

    report = verify(copy.url)

    assert (copy.mug(), 1) in _places(report)
    assert "I4" in _rules(report)


def test_an_entry_that_was_deleted_in_the_middle_is_found(copy: Copy) -> None:
    copy.damage(f"delete from ledger.entry where stream_id = '{copy.mug()}' and seq = 4")

    report = verify(copy.url)

    assert (copy.mug(), 4) in _places(report)
    assert any("missing" in finding.words for finding in report.findings)


@pytest.mark.parametrize("reason", ["reservation", "goods_receipt", "pick"])
def test_the_last_entry_of_a_stream_is_missed_when_it_was_deleted(copy: Copy, reason: str) -> None:
    stream_id, seq = copy.one(
        f"""select stream_id, seq from ledger.entry e join ledger.posting p using (posting_id)
            where reason = '{reason}'
              and not exists (select from ledger.entry l where l.stream_id = e.stream_id and l.seq > e.seq) limit 1"""
    )
    copy.damage(f"delete from ledger.entry where stream_id = '{stream_id}' and seq = {seq}")

    assert (stream_id, seq) in _places(verify(copy.url))


def test_a_deleted_posting_is_found(copy: Copy) -> None:
    stream_id, seq, posting_id = copy.one("select stream_id, seq, posting_id from ledger.entry order by 1, 2 limit 1")
    copy.damage(f"delete from ledger.posting where posting_id = '{posting_id}'")

    assert (stream_id, seq) in _places(verify(copy.url))


def test_a_swapped_pair_is_found(copy: Copy) -> None:
    mug = copy.mug()
    copy.damage(
        f"update ledger.entry set seq = 1000 where stream_id = '{mug}' and seq = 3",
        f"update ledger.entry set seq = 3 where stream_id = '{mug}' and seq = 4",
        f"update ledger.entry set seq = 4 where stream_id = '{mug}' and seq = 1000",
    )

    assert {(mug, 3), (mug, 4)} <= _places(verify(copy.url))


def test_an_entry_that_was_put_in_by_hand_is_found(copy: Copy) -> None:
    mug = copy.mug()
    copy.damage(
        f"""insert into ledger.entry
            select stream_id, seq + 1, posting_id, tenant, '', 0, 1, 0, on_hand + 1, reserved, floor, serial,
                   recorded_at, sha256('x')
            from ledger.entry where stream_id = '{mug}' order by seq desc limit 1"""
    )
    (seq,) = copy.one(f"select max(seq) from ledger.entry where stream_id = '{mug}'")

    report = verify(copy.url)

    assert (mug, seq) in _places(report)
    assert any("put in" in finding.words for finding in report.findings)


@pytest.mark.parametrize(
    "change",
    [
        "sku = 'OTHER'",
        "location_id = 'Z-99'",
        "lot = 'L-1'",
        "stock_status = 'quarantined'",
        "tenant = 'rival'",
        "site = 'X'",
    ],
)
def test_a_relabeled_stream_is_found(copy: Copy, change: str) -> None:
    copy.damage(f"update ledger.stream set {change} where stream_id = '{copy.mug()}'")

    report = verify(copy.url)

    assert (copy.mug(), 1) in _places(report)
    assert "I6" in _rules(report)


def test_a_relabeled_stream_with_a_new_identity_hash_is_found(copy: Copy) -> None:
    copy.damage(
        f"update ledger.stream set sku = 'OTHER' where stream_id = '{copy.mug()}'",
        f"""update ledger.stream set identity_hash = sha256(convert_to(concat_ws(E'\\n', 'stream', tenant, sku, site,
            location_id, kind, lot, serial_number, stock_status), 'UTF8')) where stream_id = '{copy.mug()}'""",
    )

    assert (copy.mug(), 1) in _places(verify(copy.url))


@pytest.mark.parametrize(
    "change",
    [
        "idempotency_key = 'another'",
        "actor = 'nobody'",
        "reason = 'pick'",
        "evidence = 'inferred'",
        "answer = '{}'",
        "answer = 'no json'",
        "request_digest = sha256('x')",
        "occurred_at = occurred_at - interval '1 day'",
        "recorded_at = recorded_at - interval '1 us'",
        "tenant = 'rival'",
    ],
)
def test_an_edited_posting_is_found(copy: Copy, change: str) -> None:
    mug = copy.mug()
    copy.damage(
        f"""update ledger.posting set {change}
            where posting_id = (select posting_id from ledger.entry where stream_id = '{mug}' and seq = 3)"""
    )

    report = verify(copy.url)

    assert (mug, 3) in _places(report)
    assert "I6" in _rules(report)


def test_a_stream_without_entries_is_found(copy: Copy) -> None:
    copy.damage(f"delete from ledger.entry where stream_id = '{copy.mug()}'")

    assert any(f.stream_id == copy.mug() and "no entry" in f.words for f in verify(copy.url).findings)


@pytest.mark.parametrize(
    "change",
    [
        "reserved = reserved - 1, cancelled = cancelled + 1, picked = least(picked, reserved - 1)",
        "to_put_back = to_put_back + 1",
        "ordered = ordered + 1, shipped = shipped + 1",
        "returned = returned - 1",
        "delivered = delivered - 1",
    ],
)
def test_a_line_that_does_not_say_what_its_entries_do_is_found(copy: Copy, change: str) -> None:
    order = "SO-1" if any(word in change for word in ("shipped", "returned", "delivered")) else "SO-2"
    copy.damage(f"update ledger.order_line set {change} where order_ref = '{order}' and sku = 'MUG'")

    report = verify(copy.url)

    assert _rules(report) == {"I7"}
    assert all(order in finding.words for finding in report.findings)


def test_a_line_that_is_gone_is_found(copy: Copy) -> None:
    copy.damage("delete from ledger.order_line where order_ref = 'SO-2'")

    assert "I7" in _rules(verify(copy.url))


def test_an_amendment_that_released_what_it_took_again_is_found(copy: Copy) -> None:
    copy.damage("update ledger.posting set reason = 'amendment' where reason = 'pick'")

    assert "I8" in _rules(verify(copy.url))


def test_an_amendment_that_let_go_of_what_another_line_of_its_order_waits_for_is_found(copy: Copy) -> None:
    waits = """'"lines":[{"line_no":3,"sku":"MUG","waits_for":{"site":"HAM"}},'"""
    copy.damage(
        f"update ledger.posting set answer = replace(answer, '\"lines\":[', {waits}) where reason = 'amendment'"
    )

    assert any("lets go of what a line of order SO-1 waits for" in one.words for one in verify(copy.url).findings)


def test_a_flag_that_contradicts_the_balance_is_found_and_put_right(copy: Copy) -> None:
    copy.damage("update ledger.stream set open = not open where serial_number = ''")
    assert {finding.rule for finding in verify(copy.url).findings} == {"I2"}

    streams, differences = rebuild(copy.url)

    assert 0 < len(differences) < streams
    assert not any(difference.balance_differs for difference in differences)
    assert verify(copy.url).findings == []


def test_a_rebuild_finds_a_balance_that_its_deltas_do_not_add_up_to(copy: Copy) -> None:
    copy.damage(
        f"""update ledger.entry set on_hand = on_hand + 1
            where stream_id = '{copy.mug()}'
              and seq = (select max(seq) from ledger.entry where stream_id = '{copy.mug()}')"""
    )

    _, differences = rebuild(copy.url)

    assert [(difference.stream_id, difference.balance_differs) for difference in differences] == [(copy.mug(), True)]


def test_the_command_says_what_it_found_and_where(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings.model_construct(database_url=copy.url)
    ledger_checks.verify(settings)
    assert "ledger verified: " in capsys.readouterr().out

    copy.damage(f"update ledger.entry set reserved = reserved + 1 where stream_id = '{copy.mug()}' and seq = 4")
    with pytest.raises(ledger_checks.typer.Exit) as leaving:
        ledger_checks.verify(settings)

    assert leaving.value.exit_code == 1
    said = capsys.readouterr().out
    assert f"stream {copy.mug()}, entry 4" in said
    assert "findings in" in said


async def test_a_ledger_at_work_is_verified_without_findings(warehouse: Warehouse, database: BackingServices) -> None:
    await warehouse.post(warehouse.receipt("MUG", 50))
    working = asyncio.gather(*(warehouse.post(warehouse.order(f"SO-{n}", (1, "MUG", 1))) for n in range(100)))

    report = await asyncio.to_thread(verify, database.database_url)
    await working

    assert report.findings == []


_DAMAGES = (
    "update ledger.entry set on_hand = on_hand + 1 where seq = 4",
    "update ledger.entry set reserved_delta = -reserved_delta where reserved_delta <> 0 and seq % 2 = 0",
    "update ledger.entry set recorded_at = recorded_at + interval '1 hour' where seq = 3",
    "update ledger.entry set order_ref = 'SO-9' where order_ref = 'SO-1'",
    "update ledger.entry set seq = seq + 10 where seq > 2",
    "update ledger.entry set posting_id = gen_random_uuid() where seq = 3",
    "update ledger.entry set stream_id = gen_random_uuid() where seq = 2",
    "update ledger.entry set hash = sha256(hash) where seq = 2",
    "delete from ledger.posting where reason = 'reservation'",
    "update ledger.posting set reason = 'amendment'",
    "update ledger.posting set answer = replace(answer, '[[', '[ [')",
    "update ledger.stream set kind = 'customer' where kind = 'storage'",
    "delete from ledger.stream where kind = 'staging'",
    "delete from ledger.order_line where line_no = 1",
)


@pytest.mark.parametrize("damage", _DAMAGES)
def test_the_first_look_passes_over_nothing_that_the_second_would_find(copy: Copy, damage: str) -> None:
    copy.damage(damage)

    found = verify(copy.url).findings

    everything = _second_look_at_everything(copy.url)
    assert everything
    assert everything <= {(finding.rule, finding.stream_id, finding.seq) for finding in found}


def _second_look_at_everything(url: str) -> set[tuple[str, UUID | None, int | None]]:
    """Ask the queries that name what is broken about every entry, posting and order."""
    with psycopg.connect(url) as connection:
        keys = connection.execute(
            "select array_agg(stream_id), array_agg(seq), array(select posting_id from ledger.posting), "
            "array(select order_ref from ledger.order_line union select order_ref from ledger.entry) from ledger.entry"
        ).fetchone()
        assert keys is not None
        asked = dict(zip(("streams", "seqs", "postings", "orders"), keys, strict=True)) | {"tenant": TENANT}
        chains = connection.execute(queries.CHAINS, asked).fetchall()
        found = {("hash", *row[:2]) for row in chains if "hash" in row[4]}
        found |= {("misfit", *row[:2]) for row in chains if "misfit" in row[4]}
        rules = {"hash": "I6", "misfit": "I3"}
        places = {(rules[fault], stream_id, seq) for fault, stream_id, seq in found}
        for rule, query in (("I4", queries.CONSERVATION), ("I5", queries.ANSWERS), ("I8", queries.AMENDMENTS)):
            places |= {(rule, row[1], row[2]) for row in connection.execute(query, asked)}
        return places | {("I7", row[7], row[8]) for row in connection.execute(queries.ORDER_LINES, asked)}


@pytest.mark.parametrize("workers", [1, 3])
def test_a_ledger_in_many_parts_is_verified_like_one_in_one(copy: Copy, workers: int) -> None:
    whole = verify(copy.url)

    parted = verify(copy.url, workers=workers, rows_a_part=2)

    assert parted.findings == []
    assert (parted.entries, parted.streams, parted.postings) == (whole.entries, whole.streams, whole.postings)

    copy.damage("update ledger.entry set on_hand = on_hand + 1 where seq = 2 and not serial")
    assert verify(copy.url, workers=workers, rows_a_part=2).findings == verify(copy.url).findings != []


def test_an_interrupted_run_goes_on_where_it_was(copy: Copy, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    whole = verify(copy.url)
    _interrupt(copy, notes)
    assert notes.exists()

    report = verify(copy.url, resume=notes, rows_a_part=2)

    assert report.findings == []
    assert 0 < report.taken_over < report.entries == whole.entries
    assert str(report).endswith(f"; {report.taken_over} entries were checked by an earlier run")
    assert not notes.exists()


def _interrupt(copy: Copy, notes: Path) -> None:
    """Verify, and press Ctrl-C when a third is done."""

    def press(_part: str, done: float) -> None:
        if done > 1 / 3:
            raise KeyboardInterrupt

    with psycopg.connect(copy.url, autocommit=True) as connection:
        connection.execute("analyze ledger.entry, ledger.posting, ledger.stream, ledger.order_line")
    with pytest.raises(KeyboardInterrupt):
        verify(copy.url, press, resume=notes, rows_a_part=2)


def test_what_grew_since_it_was_checked_is_checked_again(copy: Copy, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    _interrupt(copy, notes)
    copy.damage("delete from ledger.entry where seq = 1")

    report = verify(copy.url, resume=notes, rows_a_part=2)

    assert (copy.mug(), 1) in _places(report)


def test_a_part_with_findings_is_checked_again(copy: Copy, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    copy.damage(f"update ledger.entry set reserved = reserved + 1 where stream_id = '{copy.mug()}' and seq = 2")
    _interrupt(copy, notes)

    assert (copy.mug(), 2) in _places(verify(copy.url, resume=notes, rows_a_part=2))


def test_a_note_that_was_cut_off_does_not_count(copy: Copy, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    _interrupt(copy, notes)
    notes.write_text(notes.read_text()[:-5])

    assert verify(copy.url, resume=notes, rows_a_part=2).findings == []


def test_notes_of_another_ledger_are_refused(copy: Copy, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.write_text('{"ledger": "another"}\n')

    with pytest.raises(OtherLedgerError):
        verify(copy.url, resume=notes)


def test_a_ledger_of_many_streams_is_verified_by_looking_them_up(copy: Copy) -> None:
    copy.damage("update pg_class set reltuples = 1e9 where oid = 'ledger.stream'::regclass")

    assert verify(copy.url).findings == []

    copy.damage("update ledger.stream set kind = 'transit' where kind = 'storage'")
    assert {"I3", "I6"} <= _rules(verify(copy.url))


def test_a_number_far_off_is_one_of_a_thousand_findings_at_most(copy: Copy) -> None:
    copy.damage(f"update ledger.entry set seq = 1e18 where stream_id = '{copy.mug()}' and seq = 4")

    assert len(verify(copy.url).findings) == 1000


def test_progress_tells_the_rate(copy: Copy) -> None:
    with psycopg.connect(copy.url, autocommit=True) as connection:
        connection.execute("analyze")
    told: list[str] = []

    verify(copy.url, lambda part, _done: told.append(part))

    assert any(words.startswith("postings, ") and words.endswith(" entries/s") for words in told)
