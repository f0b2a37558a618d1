"""What the ERP is told: one message of an order's feed at a time, each exactly once in effect.

ERPs are called from threads, so these are plain functions on the worker's pool of those, with a plain engine of their
own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from time import monotonic
from typing import Final, NoReturn

import structlog
from sqlalchemy import Engine

from adapters.erp.port import ErpPort, Erps, NotThereYet
from commands.hearing import hearing_at_once
from commands.orders import close
from domain import messages as m
from domain.erp import ErpMessage, ErpReceipt, told_before
from domain.errors import OutcomeUnknown, Rejected, StockbridgeError, Unavailable
from domain.linked_lines import main_line_of
from ledger.writing.writer import translating
from queries.orders import order_work
from records.erp import erp_feed
from records.erp.erp_feed import ErpMessageRow
from records.partner_words import Asked
from records.restorations import note_missing_at_once, words_of

ENOUGH_S: Final = 5.0
"""After so long a run tells nothing more: it ends well before its time is up."""

FORGOTTEN_NUMBERS: Final = 3
"""So many numbers of a feed may be missing at the ERP, as skipped ones are, before it has heard no more."""

log = structlog.get_logger(__name__)


class ErpFeed:
    """Tells tenants' ERPs what they are to hear."""

    def __init__(self, engine: Engine, erps: Erps) -> None:
        self._transacting = engine
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._erps = erps

    def tell(self, step: m.ErpStep) -> m.Told:
        """Tell the ERP a message of the feed, and what waits behind it. Who tells the last of an order closes it.

        Told again is no harm: the port sees to it that nothing comes of what the ERP has. What goes wrong with a later
        message ends this run well; it is the next one's.
        """
        return self._tell_feed(step, monotonic() + ENOUGH_S)

    def _tell_feed(self, step: m.ErpStep, until: float) -> m.Told:
        row = self._claim(step)
        if row is None and self._is_gone(step):
            return m.Told(number=0, work=self._work(step))
        behind = self._tell(row, until, step.epoch) if row else None
        told, last = step.number, row
        while (row := behind) is not None:
            try:
                with translating():
                    behind = self._tell(row, until)
            except StockbridgeError as error:
                log.warning("erp.feed_stopped", order_ref=step.order_ref, number=row.number, reason=str(error))
                break
            told, last = row.number, row
        ends = last is None or last.status in order_work.DONE
        return m.Told(number=told, closed=ends and self._close_if_done(step))

    def _close_if_done(self, step: m.ErpStep) -> bool:
        """Close the order if this was the last there was to do. Where it can't be, its workflow sees to it."""
        try:
            with translating(), self._transacting.begin() as connection:
                return close.close_if_done(connection, step.order)
        except StockbridgeError as error:
            log.warning("order.not_closed", order_ref=step.order_ref, reason=str(error))
            return False

    def _claim(self, step: m.ErpStep) -> ErpMessageRow | None:
        with self._engine.connect() as connection:
            return erp_feed.claim(connection, step.order, step.number)

    def _is_gone(self, step: m.ErpStep) -> bool:
        """Say whether a message is remembered from before a restore that was told of. Raises where none was."""
        with self._engine.connect() as connection:
            epoch = erp_feed.gone(connection, step.order, step.number)
        if epoch is not None and step.epoch >= epoch:
            self._miss(step.order, f"message {step.number} of order {step.order_ref}")
        return epoch is not None

    def _miss(self, order: m.OrderId, what: str) -> NoReturn:
        with self._engine.connect() as connection:
            note_missing_at_once(connection, order, what)
        raise Unavailable(words_of(what))

    def _work(self, step: m.ErpStep) -> m.OrderWork:
        with self._engine.connect() as connection:
            return order_work.read_work_at_once(connection, step.order)

    def _tell(self, row: ErpMessageRow, until: float, remembered: int = 0) -> ErpMessageRow | None:
        """Tell the ERP a message that was claimed. Returns the next one, claimed, if there is one and time for it."""
        self._check_may_tell(row, remembered)
        if row.label_is_to_come:
            # Handed over before the carrier had answered: the ERP's delivery note needs the tracking numbers.
            self._failed(row, row.state, "waits for the label")
            raise Unavailable(f"Shipment {row.telling.shipment_no} is not labeled yet.")
        with hearing_at_once(self._engine, _asked(row)), self._port(row) as port:
            receipt = self._ask(port, row)
        with self._engine.connect() as connection:
            return erp_feed.done(connection, row.order, row.number, receipt.document_no, go_on=monotonic() < until)

    def _ask(self, port: ErpPort, row: ErpMessageRow) -> ErpReceipt:
        """Tell the ERP a message, unless it has it."""
        receipt, message = self._recall(port, row) if row.asks_first else (None, row)
        return self._send(port, message) if receipt is None else receipt

    def _check_may_tell(self, row: ErpMessageRow, remembered: int) -> None:
        """Raise `Unavailable` where something is missing, and nobody has said yet that PostgreSQL was restored."""
        if row.stopped is not None:
            self._failed(row, row.state, words_of(row.stopped))
            raise Unavailable(words_of(row.stopped))
        if remembered > row.epoch:
            self._miss(row.order, f"the restore of epoch {remembered}")

    def _recall(self, port: ErpPort, row: ErpMessageRow) -> tuple[ErpReceipt | None, ErpMessageRow]:
        """Find the message among all that the ERP may have heard in a life that was forgotten, by what it says.

        The number of a message is another one's there. What the ERP has under this reference, and is not this message,
        leaves that reference to it: the message goes on under another.
        """
        with self._engine.connect() as connection:
            known = erp_feed.known(connection, row.order)
        stem = f"{row.tenant}/{row.order_ref}"
        found = list(recalled(port.find, stem, known.from_number, known.last_number))
        message = _message(row)
        receipt = told_before(message, found, known.document_nos)
        if receipt is not None:
            return receipt, row
        self._check_agreed(row, message, found, known.document_nos)
        taken = {receipt.reference for receipt in found}
        reference = row.reference
        while reference in taken:
            reference += "+"
        if reference != row.reference:
            with self._engine.connect() as connection:
                erp_feed.refer(connection, row.order, row.number, reference)
        return None, replace(row, reference=reference)

    def _check_agreed(
        self, row: ErpMessageRow, message: ErpMessage, found: Sequence[ErpReceipt], known: Collection[str]
    ) -> None:
        """Refuse to tell what the ERP has heard otherwise of the same shipment: its stock would move twice."""
        for receipt in found:
            told = receipt.document
            if told and receipt.document_no not in known and told.contradicts(message):
                detail = f"The ERP has a document of {message.shipment_no} that says something else."
                self._failed(row, "intended", detail)
                raise Rejected("told_otherwise", detail, said=f"document {receipt.document_no}: {told}")

    @contextmanager
    def _port(self, row: ErpMessageRow) -> Iterator[ErpPort]:
        """Lend the ERP's port. Where nothing leaves to it now, the message says so, and waits."""
        with ExitStack() as lent:
            try:
                port = lent.enter_context(self._erps.of(row.tenant, row.source))
            except Unavailable as waits:
                self._failed(row, row.state, str(waits))
                raise
            yield port

    def _send(self, port: ErpPort, row: ErpMessageRow) -> ErpReceipt:
        if row.mapping_digest != port.digest:
            with self._engine.connect() as connection:
                erp_feed.by_mapping(connection, row.order, row.number, port.digest)
        try:
            return port.tell(_message(row))
        except NotThereYet as missing:
            self._wait(row, missing)
            raise
        except OutcomeUnknown as error:
            self._failed(row, "unknown", str(error))
            raise
        except Rejected as error:
            self._failed(row, "intended", error.detail)
            raise

    def _wait(self, row: ErpMessageRow, missing: NotThereYet) -> None:
        """Let a message wait for what the ERP is to make; refuse it, for a person to look, where that is too long."""
        with self._engine.connect() as connection:
            over = erp_feed.waits(connection, row.order, row.number, row.state, str(missing), missing.wait_s)
        if over:
            raise Rejected("erp_waited", f"{missing} It was waited for long enough: have it made there.") from missing

    def _failed(self, row: ErpMessageRow, state: str, reason: str) -> None:
        with self._engine.connect() as connection:
            erp_feed.failed(connection, row.order, row.number, state, reason)


def recalled(find: Callable[[str], ErpReceipt | None], order: str, first: int, last: int) -> Iterator[ErpReceipt]:
    """Ask the ERP for all that it has of an order's feed from a number on, beyond the last that is known."""
    number, missing = first, 0
    while number <= last or missing < FORGOTTEN_NUMBERS:
        reference = f"{order}/{number}"
        missing += 1
        while (receipt := find(reference)) is not None:
            yield receipt
            reference, missing = f"{reference}+", 0
        number += 1


def _asked(row: ErpMessageRow) -> Asked:
    return Asked(row.order, f"erp/{row.number}", row.source)


def _message(row: ErpMessageRow) -> ErpMessage:
    told = row.telling
    return ErpMessage(
        reference=row.reference,
        order_no=row.order_no,
        number=row.number,
        kind=row.kind,
        revision=told.revision,
        occurred_at=_happened_at(row).isoformat(),
        lines=tuple(replace(line, main_line_no=main_line_of(line.line_no)) for line in told.lines),
        shipment_no=told.shipment_no,
        carrier=told.carrier,
        parcels=row.parcels,
        signed_by=told.signed_by,
        reason=told.reason,
        replaces=told.replaces,
        repeated=row.mapping_digest is not None,
    )


def _happened_at(row: ErpMessageRow) -> datetime:
    """Return when what a message tells happened: no later than it was written, whatever an older build was told."""
    told = row.telling.occurred_at
    return min(told, row.created_at) if told else row.created_at
