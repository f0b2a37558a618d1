"""Any ERP behind the ERP port, by its mapping."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter, ValidationError

from adapters.erp.engine.connected import SYSTEM, ConnectedErp
from adapters.erp.engine.hearing import Ears
from adapters.erp.engine.mapped import mapped
from adapters.erp.engine.polling import Poller
from adapters.erp.engine.reading import Reader
from adapters.erp.engine.speaking import Speaker, settled
from adapters.erp.engine.telling import Teller
from adapters.erp.language.values import MISSING, Result, Value, is_there
from adapters.erp.mapping.steps import Recall
from adapters.erp.port import Gives, Hint, InboundKind, Page, Polling
from domain.erp import ErpDocument, ErpMessage, ErpReceipt
from domain.errors import Rejected


class MappedErp:
    """Implements `ErpPort` and `ErpSource`. Threads may share one; `close` when done."""

    def __init__(self, erp: ConnectedErp) -> None:
        """Open it. Raises `Rejected` where the connection doesn't fit its mapping, or may not go where it says."""
        self._recalls = erp.mapping.file.recalls
        self._speaker = Speaker(erp)
        self._teller = Teller(erp.mapping.file, self._speaker)
        self._poller = Poller(erp.mapping, self._speaker)
        self._reader = Reader(erp.mapping.file, self._speaker)
        self._ears = Ears(erp)
        self.digest = erp.mapping.digest

    def tell(self, message: ErpMessage) -> ErpReceipt:
        """Tell the ERP one message, unless it has it."""
        return ErpReceipt(message.reference, self._teller.tell(message))

    def find(self, reference: str) -> ErpReceipt | None:
        """Return the receipt of the oldest document under this reference.

        An ERP whose mapping doesn't say how it is asked is `Rejected` with code `erp_cannot_recall`.
        """
        if not self._recalls:
            detail = f"{SYSTEM} can't be asked by our reference: a person looks it up there."
            raise Rejected("erp_cannot_recall", detail)
        found = [receipt for recall in self._recalls for receipt in self._recalled(recall, reference)]
        return min(found, key=_made_at, default=None)

    def polling(self) -> Mapping[InboundKind, Polling]:
        """Return the kinds that are polled, and how."""
        return self._poller.polling()

    def page(self, kind: InboundKind, since: datetime, following: str | None) -> Page:
        """Return a page of what changed since then.

        A row that wasn't asked for is `Rejected` with code `erp_filter_ignored`, a page that comes again and again with
        `erp_pages_repeat`, a row without an id or a stamp with `erp_mapping`; with each the whole page.
        """
        return self._poller.page(kind, since, following)

    def read(self, kind: InboundKind, their_id: str, row: Value | None) -> Value | None:
        """Return all that `gives` needs of a document, or None where it isn't there any more."""
        return self._reader.read(kind, their_id, row)

    def gives(self, kind: InboundKind, document: Value, *, known: bool) -> Gives:
        """Return what a document is here. Where the mapping doesn't say, it is `Rejected` with code `erp_mapping`."""
        return self._reader.gives(kind, document, known=known)

    def heard(
        self, headers: Mapping[str, str], body: bytes, secret_in_path: str | None, *, now: datetime
    ) -> Hint | None:
        """Return what the ERP's own call hints at, which proves first that it is the ERP's."""
        return self._ears.heard(headers, body, secret_in_path, now=now)

    def admit(
        self, headers: Mapping[str, str], body: bytes, secret_in_path: str | None, *, now: datetime
    ) -> tuple[InboundKind, ...]:
        """Return the kinds that a call may be about: the first half of `heard`, before it is kept and answered."""
        return self._ears.admit(headers, body, secret_in_path, now=now)

    def hint(self, kinds: Collection[InboundKind], body: bytes) -> Hint | None:
        """Return what a call hints at that was let in for these kinds: the second half of `heard`, also much later."""
        return self._ears.hint(kinds, body)

    def answer(self) -> tuple[str, bytes] | None:
        """Return what the ERP wants to hear when its call was taken."""
        return self._ears.answer()

    def close(self) -> None:
        """Close the connections."""
        self._speaker.close()

    def _recalled(self, recall: Recall, reference: str) -> Iterator[ErpReceipt]:
        """Yield the receipts of what the ERP has, in one of its places, under this reference."""
        scope = self._speaker.scope(reference=reference)
        told = settled(lambda: self._speaker.call(recall.call, scope, scope, changes=False))
        with mapped():
            rows = MISSING if told.absent else recall.rows.value(scope.within(answer=told.answer))
            found = [recall.into.render(scope.within(row=row)) for row in _rows(rows)]
        yield from (receipt for receipt in map(_receipt, found) if receipt.reference == reference)


def _rows(found: Result) -> list[Value]:
    if not is_there(found):
        return []
    if not isinstance(found, list):
        raise Rejected("erp_mapping", "What the mapping finds again is no list of documents.")
    return found


def _made_at(receipt: ErpReceipt) -> Any:
    assert receipt.document is not None
    return receipt.document.made_at


_DOCUMENT = TypeAdapter(ErpDocument)
_TEXT = TypeAdapter(str)


def _receipt(found: Any) -> ErpReceipt:
    try:
        fields = _numbers(found)
        reference, document_no = (_TEXT.validate_python(fields.pop(name)) for name in ("reference", "document_no"))
        return ErpReceipt(reference, document_no, _DOCUMENT.validate_python(fields))
    except (ValidationError, KeyError, AttributeError, TypeError) as error:
        detail = "What the mapping says of a document found again is none."
        raise Rejected("erp_mapping", detail, said=str(error)) from None


def _numbers(value: Value) -> Any:
    """Make whole numbers what Python has for them."""
    if isinstance(value, dict):
        return {name: _numbers(inside) for name, inside in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value
