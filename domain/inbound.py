"""Purchase orders: what is still expected of a line, and how it is amended and cancelled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from domain.errors import Fault


@dataclass(frozen=True)
class InboundLine:
    """What is expected of a sku, what of it was cancelled, and what has arrived, in base units."""

    line_no: int
    sku: str
    uom: str
    factor: int
    expected: int
    received: int = 0
    cancelled: int = 0

    @property
    def wanted(self) -> int:
        """What is to arrive in all."""
        return self.expected - self.cancelled

    @property
    def missing(self) -> int:
        """What is still to arrive. More may have arrived than was wanted."""
        return max(0, self.wanted - self.received)

    def amended(self, line: InboundLine) -> InboundLine:
        """Return what it is once it is to be another one. The difference counts: the same again revives nothing.

        Less is taken from what was cancelled first.
        """
        if line.sku != self.sku:
            return line
        less = max(0, self.expected - line.expected)
        return replace(line, received=self.received, cancelled=max(0, self.cancelled - less))


def amend(known: Iterable[InboundLine], asked: Sequence[InboundLine]) -> tuple[list[InboundLine], list[Fault]]:
    """Bring lines to what is asked now, and say where that is less than has arrived.

    A line that is left out is not expected any more.
    """
    former = {line.line_no: line for line in known}
    lines: list[InboundLine] = []
    faults: list[Fault] = []
    for index, line in enumerate(asked):
        before = former.pop(line.line_no, line)
        lines.append(before.amended(line))
        faults += _arrived(f"/lines/{index}", before, lines[-1])
    for gone in former.values():
        lines.append(replace(gone, expected=0, cancelled=0))
        faults += _arrived("", gone, lines[-1])
    return lines, faults


def _arrived(pointer: str, before: InboundLine, after: InboundLine) -> Iterable[Fault]:
    """Say that a line can't become this, since goods of it have arrived."""
    there = f"{before.received} of {before.sku} have arrived"
    if before.received and before.sku != after.sku:
        yield Fault(f"{pointer}/sku", "already_received", f"{there}, so it can't be a line of {after.sku}")
    elif after.wanted < min(before.wanted, before.received):
        if pointer:
            yield Fault(f"{pointer}/quantity", "already_received", f"{there}, so no less can be expected")
        else:
            yield Fault("/lines", "already_received", f"{there}, so line {before.line_no} can't be left out")


def cancel(lines: Iterable[InboundLine], quantities: Mapping[int, int]) -> list[InboundLine]:
    """Return the lines of which so much is cancelled."""
    return [replace(line, cancelled=line.cancelled + quantities.get(line.line_no, 0)) for line in lines]


def share_out(lines: Iterable[InboundLine], quantities: Mapping[str, int]) -> dict[int, int]:
    """Say which lines goods of these skus had arrived of, where nobody kept it: of the first ones first."""
    left = dict(quantities)
    shares: dict[int, int] = {}
    for line in lines:
        if part := min(left.get(line.sku, 0), line.received):
            shares[line.line_no] = part
            left[line.sku] -= part
    return shares


def status_of(lines: Iterable[InboundLine]) -> str:
    """Say how far a purchase order is: `expected`, `partly_received`, `received` or `cancelled`."""
    meant = [line for line in lines if line.wanted or line.received]
    if not meant:
        return "cancelled"
    if not any(line.missing for line in meant):
        return "received"
    return "partly_received" if any(line.received for line in meant) else "expected"
