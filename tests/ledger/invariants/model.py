"""An independent model of the ledger: plain dictionaries, no code shared. It says what every request must lead to.

One site, one staging place; all of a sku that is available lies in one bin, and moves with what is promised.
Bin stock is `free + promised`; what each line has is in its own numbers. Of what is perishable there is one lot, which
expires as a whole: one day after it was produced, until somebody tells. Days are numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Line = dict[str, Any]
Key = tuple[str, int, str]
"""order, line number, sku"""

NOTHING: Line = {
    "ordered": 0,
    "reserved": 0,
    "backordered": 0,
    "picked": 0,
    "to_put_back": 0,
    "shipped": 0,
    "delivered": 0,
    "returned": 0,
    "cancelled": 0,
    "underway": 0,
    "lost": 0,
    "place": 0,
    "later": (),
    "partial": 0,
    "reject": 0,
    "priority": 0,
}


PERISHABLE = "MILK"
ALLOWS_EXPIRED = "SO-3"
"""The one order that takes what has expired."""
KEEPS = 1
"""By its shelf life, the last day on which what is perishable may be used."""


class Refused(Exception):  # noqa: N818 - an answer
    """The request must be refused, and nothing may change."""


def _first(line: Line) -> int:
    """Return what waits at the line's own place, not at that of an increase."""
    return int(line["backordered"] - sum(quantity for _, quantity in line["later"]))


def _wait_less(line: Line, quantity: int) -> None:
    """Let a line wait for less: the latest increase goes first."""
    first = _first(line)
    line["backordered"] -= quantity
    left = max(0, line["backordered"] - first)
    later = []
    for place, waits in line["later"]:
        later.append((place, min(waits, left)))
        left -= min(waits, left)
    line["later"] = tuple((place, waits) for place, waits in later if waits)


def _take_back(line: Line, quantity: int) -> int:
    """Let a line want again what lies in staging for it. Returns how much."""
    back = min(quantity, int(line["to_put_back"]))
    line["to_put_back"] -= back
    line["picked"] += back
    line["reserved"] += back
    return back


def _serve(line: Line, place: int, quantity: int) -> None:
    """Let a line wait for less of what it has waited for since then."""
    line["backordered"] -= quantity
    line["later"] = tuple((p, q - quantity * (p == place)) for p, q in line["later"] if q > quantity * (p == place))


@dataclass
class Model:
    """What should be there."""

    free: dict[str, int] = field(default_factory=dict)
    elsewhere: dict[tuple[str, str], int] = field(default_factory=dict)
    lines: dict[Key, Line] = field(default_factory=dict)
    freed: set[str] = field(default_factory=set)
    bins: dict[str, str] = field(default_factory=dict)
    clock: int = 0
    day: int = 0
    last_day: int | None = None
    told: bool = False

    # -- words ------------------------------------------------------------------------------------------------------

    def bin_of(self, sku: str) -> str:
        """Name the bin where all of a sku that is available lies."""
        return self.bins.get(sku, "A-01")

    def put(self, sku: str, place: str, quantity: int) -> None:
        self.elsewhere[sku, place] = self.elsewhere.get((sku, place), 0) + quantity

    def of(self, sku: str) -> list[tuple[Key, Line]]:
        return [(key, line) for key, line in self.lines.items() if key[2] == sku]

    def bin(self, sku: str) -> int:
        return self.free.get(sku, 0) + sum(line["reserved"] - line["picked"] for _, line in self.of(sku))

    def staged(self, sku: str) -> int:
        return sum(line["picked"] + line["to_put_back"] for _, line in self.of(sku))

    def expired(self, sku: str) -> bool:
        return sku == PERISHABLE and self.last_day is not None and self.last_day < self.day

    def suits(self, key: Key) -> bool:
        """Say whether an order takes what there is of a sku."""
        return key[0] == ALLOWS_EXPIRED or not self.expired(key[2])

    def promise(self, key: Key, quantity: int) -> int:
        """Take what is free for a line that can use it."""
        return self.take_free(key[2], quantity) if self.suits(key) else 0

    def take_free(self, sku: str, quantity: int) -> int:
        got = min(quantity, self.free.get(sku, 0))
        self.free[sku] = self.free.get(sku, 0) - got
        return got

    def give_free(self, sku: str, quantity: int) -> None:
        self.free[sku] = self.free.get(sku, 0) + quantity
        if quantity > 0:
            self.freed.add(sku)

    def serve(self) -> None:
        """Give stock to who waits, wherever some became free. What a picker did not find makes nobody wait less."""
        for sku in self.freed:
            self._serve(sku)
        self.freed.clear()

    def _serve(self, sku: str) -> None:
        waiting = [
            (-line["priority"], place, key[0], key[1], quantity, line)
            for key, line in self.of(sku)
            if self.suits(key)
            for place, quantity in ((line["place"], _first(line)), *line["later"])
        ]
        for _, place, _, _, quantity, line in sorted(waiting, key=lambda w: w[:4]):
            got = self.take_free(sku, quantity)
            line["reserved"] += got
            _serve(line, place, got)

    # -- requests -----------------------------------------------------------------------------------------------------

    def receive(self, sku: str, quantity: int, last_day: int | None = None) -> None:
        """Take stock in, and learn when it expires, if somebody tells. What was told stands."""
        if sku == PERISHABLE:
            if self.told and last_day not in {None, self.last_day}:
                raise Refused
            self._learn(last_day)
        self.put(sku, "supplier/HAM", -quantity)
        self.give_free(sku, quantity)
        self.serve()

    def take_back(self, sku: str, quantity: int, place: str) -> None:
        """Take a receipt back: what is not free any more was promised last."""
        if place != self.bin_of(sku) or quantity > self.bin(sku):
            raise Refused
        self._lose(sku, quantity)
        self.put(sku, "supplier/HAM", quantity)

    def _learn(self, last_day: int | None) -> None:
        before = self.last_day
        self.told = self.told or last_day is not None
        self.last_day = last_day if last_day is not None else KEEPS if before is None else before
        if self.last_day != before:
            self._let_go_of_expired()

    def expire(self) -> None:
        """Let holds in what has expired give way."""
        self._let_go_of_expired()
        self.serve()

    def _let_go_of_expired(self) -> None:
        for key, _ in self.of(PERISHABLE):
            self._let_go(key)

    def _let_go(self, key: Key) -> None:
        """Let a line go of what it can't use any more; what of it is picked is to be put back."""
        line = self.lines[key]
        if not self.suits(key):
            self.give_free(key[2], line["reserved"] - line["picked"])
            line["to_put_back"] += line["picked"]
            line["backordered"] += line["reserved"]
            line["reserved"] = line["picked"] = 0

    def order(self, order: str, wanted: dict[tuple[int, str], int], policy: str, priority: int) -> None:
        """Bring an order to what is wanted now."""
        self.clock += 1
        before = {key: dict(line) for key, line in self.lines.items()}
        free, in_bins = dict(self.free), self._in_bins(order)
        try:
            self._lower(order, wanted)
            self._raise(order, wanted, policy, priority)
        except Refused:
            self.lines, self.free = before, free
            self.freed.clear()
            raise
        if self.lines != before:
            self._keep(order, in_bins)
        self.serve()

    def _in_bins(self, order: str) -> dict[str, int]:
        """Count what an order has been promised of each sku and nobody has picked."""
        promised: dict[str, int] = {}
        for (name, _, sku), line in self.lines.items():
            if name == order:
                promised[sku] = promised.get(sku, 0) + line["reserved"] - line["picked"]
        return promised

    def _keep(self, order: str, before: dict[str, int]) -> None:
        """Let an order's own lines have what it lets go of and they wait for, before anybody else."""
        own = [(key, line) for key, line in self.lines.items() if key[0] == order]
        for key, line in own:
            for place, quantity in ((line["place"], _first(line)), *line["later"]) if self.suits(key) else ():
                _serve(line, place, _take_back(line, quantity))
        waiting = [
            (place, key[1], quantity, key, line)
            for key, line in own
            for place, quantity in ((line["place"], _first(line)), *line["later"])
        ]
        for place, _, quantity, key, line in sorted(waiting, key=lambda turn: turn[:2]):
            staged = self._take_over(key, line, quantity)
            let_go = before.get(key[2], 0) - self._in_bins(order).get(key[2], 0)
            got = self.promise(key, min(quantity - staged, max(0, let_go)))
            line["reserved"] += got
            _serve(line, place, staged + got)

    def _take_over(self, key: Key, line: Line, quantity: int) -> int:
        """Let a line have what lies in staging for others of its order that do not want it any more."""
        taken = 0
        for (name, number, sku), other in sorted(self.lines.items()):
            if (name, sku) == (key[0], key[2]) and number != key[1] and self.suits(key):
                part = min(other["to_put_back"], quantity - taken)
                other["to_put_back"] -= part
                taken += part
        line["picked"] += taken
        line["reserved"] += taken
        return taken

    def _lower(self, order: str, wanted: dict[tuple[int, str], int]) -> None:
        for (name, number, sku), line in self.lines.items():
            less = line["ordered"] - wanted.get((number, sku), 0)
            if name != order or less <= 0:
                continue
            if line["ordered"] - less < line["shipped"]:
                raise Refused
            line["ordered"] -= less
            forgotten = min(less, line["cancelled"])
            line["cancelled"] -= forgotten
            self._give_up(sku, line, less - forgotten)

    def _give_up(self, sku: str, line: Line, quantity: int) -> None:
        waiting = min(quantity, line["backordered"])
        _wait_less(line, waiting)
        unpicked = min(quantity - waiting, line["reserved"] - line["picked"])
        line["reserved"] -= unpicked
        self.give_free(sku, unpicked)
        picked = quantity - waiting - unpicked
        line["picked"] -= picked
        line["reserved"] -= picked
        line["to_put_back"] += picked

    def _raise(self, order: str, wanted: dict[tuple[int, str], int], policy: str, priority: int) -> None:
        short = False
        raised: list[tuple[int, str, int, bool]] = []
        for (number, sku), quantity in wanted.items():
            new = (order, number, sku) not in self.lines
            line = self.lines.setdefault((order, number, sku), {**NOTHING, "place": self.clock})
            line |= {"partial": int(policy == "partial"), "reject": int(policy == "reject"), "priority": priority}
            more = quantity - line["ordered"]
            if more <= 0:
                continue
            if line["shipped"] and not line["reserved"] and not line["backordered"]:
                raise Refused  # all of it has left: nobody works on it any more
            line["ordered"] += more
            back = _take_back(line, more) if self.suits((order, number, sku)) else 0
            raised.append((number, sku, more - back, new))
        for number, sku, more, new in raised:
            line = self.lines[order, number, sku]
            over = self._take_over((order, number, sku), line, more)
            got = self.promise((order, number, sku), more - over)
            line["reserved"] += got
            missing = more - over - got
            short = short or (missing > 0 and policy == "reject")
            if policy == "partial":
                line["cancelled"] += missing
            elif missing:
                line["backordered"] += missing
                line["later"] += () if new else ((self.clock, missing),)
        if short:
            raise Refused

    def cancel(self, key: Key, quantity: int) -> None:
        line, in_bins = self.lines[key], self._in_bins(key[0])
        if quantity > line["reserved"] + line["backordered"]:
            raise Refused
        self._give_up(key[2], line, quantity)
        line["cancelled"] += quantity
        self._keep(key[0], in_bins)
        self.serve()

    def pick(self, key: Key, quantity: int, *, short: bool) -> None:
        line = self.lines[key]
        if quantity > line["reserved"] - line["picked"] or not self.suits(key):
            raise Refused
        line["picked"] += quantity
        rest = line["reserved"] - line["picked"] if short else 0
        if not rest:
            return
        self.put(key[2], f"{self.bin_of(key[2])}/inspection", rest)
        line["reserved"] -= rest
        if line["partial"]:
            line["cancelled"] += rest
        else:
            line["backordered"] += rest

    def put_back(self, key: Key, quantity: int) -> None:
        line = self.lines[key]
        if quantity > line["to_put_back"]:
            raise Refused
        line["to_put_back"] -= quantity
        self.give_free(key[2], quantity)
        self._let_go(key)
        self.serve()

    def count_missing(self, sku: str, missing: int, found: int) -> None:
        put_aside = f"{self.bin_of(sku)}/inspection"
        if missing > self.elsewhere.get((sku, put_aside), 0):
            raise Refused
        self.put(sku, put_aside, -missing)
        self.put(sku, "adjustment/HAM", missing - found)
        self.give_free(sku, found)
        self.serve()

    def damage(self, sku: str, quantity: int) -> None:
        if quantity > self.bin(sku):
            raise Refused
        self._lose(sku, quantity)
        self.put(sku, f"{self.bin_of(sku)}/damaged", quantity)

    def repair(self, sku: str, quantity: int) -> None:
        damaged = f"{self.bin_of(sku)}/damaged"
        if quantity > self.elsewhere.get((sku, damaged), 0):
            raise Refused
        self.put(sku, damaged, -quantity)
        self.give_free(sku, quantity)
        self.serve()

    def adjust(self, sku: str, delta: int) -> None:
        if self.bin(sku) + delta < 0:
            raise Refused
        self.put(sku, "adjustment/HAM", -delta)
        if delta > 0:
            self.give_free(sku, delta)
            self.serve()
        else:
            self._lose(sku, -delta)

    def count(self, sku: str, counted: int) -> None:
        """Correct the bin to what was counted there, if it differs."""
        if counted != self.bin(sku):
            self.adjust(sku, counted - self.bin(sku))

    def move(self, sku: str, to: str) -> None:
        """Move all of a sku to another bin, what is promised with it."""
        self.bins[sku] = to
        if self.free.get(sku, 0):
            self.freed.add(sku)
        self.serve()

    def _lose(self, sku: str, quantity: int) -> None:
        """Take stock out of the bin: what is free, then what was promised last."""
        quantity -= self.take_free(sku, quantity)
        self._displace(sku, quantity, lambda line: line["reserved"] - line["picked"], None)

    def _displace(self, sku: str, quantity: int, held: object, keep: Line | None) -> int:
        gone = 0
        for key, line in sorted(self.of(sku), key=lambda found: (found[1]["place"], *found[0]), reverse=True):
            part = min(held(line), quantity - gone)  # type: ignore[operator]
            if line is not keep and part > 0:
                line["reserved"] -= part
                line["backordered"] += part
                gone += part
                self._let_go(key)
        return gone

    def issue(self, key: Key, quantity: int) -> None:
        line, sku = self.lines[key], key[2]
        line["shipped"] += quantity
        line["underway"] += quantity
        quantity -= self._issue_own(line, sku, quantity)
        free = self.take_free(sku, quantity)
        self._absorb(line, sku, free)
        unpicked = self._displace(sku, quantity - free, lambda other: other["reserved"] - other["picked"], line)
        self._absorb(line, sku, unpicked)
        staged = self._displace_staged(sku, quantity - free - unpicked, line)
        self._absorb(line, sku, staged)
        lost = quantity - free - unpicked - staged
        self._absorb(line, sku, lost)
        self.put(sku, "adjustment/HAM", -lost)
        self.serve()

    def _issue_own(self, line: Line, sku: str, quantity: int) -> int:
        picked = min(quantity, line["picked"])
        line["picked"] -= picked
        line["reserved"] -= picked
        unwanted = min(quantity - picked, line["to_put_back"])
        line["to_put_back"] -= unwanted
        self._absorb(line, sku, unwanted)
        unpicked = min(quantity - picked - unwanted, line["reserved"] - line["picked"])
        line["reserved"] -= unpicked
        return picked + unwanted + unpicked

    def _displace_staged(self, sku: str, quantity: int, keep: Line) -> int:
        gone = 0
        for key, line in sorted(self.of(sku), key=lambda found: (found[1]["place"], *found[0]), reverse=True):
            part = min(line["picked"] + line["to_put_back"], quantity - gone)
            if line is keep or part <= 0:
                continue
            unwanted = min(part, line["to_put_back"])
            line["to_put_back"] -= unwanted
            line["picked"] -= part - unwanted
            line["reserved"] -= part - unwanted
            line["backordered"] += part - unwanted
            gone += part
            self._let_go(key)
        return gone

    def _absorb(self, line: Line, sku: str, quantity: int) -> None:
        """Goods left beyond the hold: less is waited for, held in the bin, or cancelled; or more was ordered."""
        waiting = min(quantity, line["backordered"])
        _wait_less(line, waiting)
        unpicked = min(quantity - waiting, line["reserved"] - line["picked"])
        line["reserved"] -= unpicked
        self.give_free(sku, unpicked)
        picked = min(quantity - waiting - unpicked, line["picked"])
        line["picked"] -= picked
        line["reserved"] -= picked
        line["to_put_back"] += picked
        cancelled = min(quantity - waiting - unpicked - picked, line["cancelled"])
        line["cancelled"] -= cancelled
        line["ordered"] += quantity - waiting - unpicked - picked - cancelled

    def deliver(self, key: Key, quantity: int) -> None:
        line = self.lines[key]
        arrived = min(quantity, line["underway"])
        line["underway"] -= arrived
        line["delivered"] += arrived

    def lose(self, key: Key, quantity: int, *, resend: bool) -> None:
        """Lose what is underway, and want it again, at the line's old place, or not."""
        line, sku = self.lines[key], key[2]
        lost = min(quantity, line["underway"])
        self._off_the_way(line, sku, lost, resend=resend)
        line["lost"] += lost
        self.put(sku, "adjustment/HAM", lost)
        self.serve()

    def find(self, key: Key, quantity: int, *, sent_again: bool) -> None:
        """What was lost is with the customer after all."""
        line, sku = self.lines[key], key[2]
        line["lost"] -= quantity
        line["shipped"] += quantity
        line["delivered"] += quantity
        self.put(sku, "adjustment/HAM", -quantity)
        given_up = 0 if sent_again else min(quantity, line["cancelled"])
        line["cancelled"] -= given_up
        self._absorb(line, sku, quantity - given_up)
        self.serve()

    def come_back(self, key: Key, quantity: int, *, resend: bool) -> None:
        """Take in what never arrived."""
        line, sku = self.lines[key], key[2]
        if quantity > line["underway"]:
            raise Refused
        self._off_the_way(line, sku, quantity, resend=resend)
        self.put(sku, "RET/inspection", quantity)
        self.serve()

    def _off_the_way(self, line: Line, sku: str, quantity: int, *, resend: bool) -> None:
        line["underway"] -= quantity
        line["shipped"] -= quantity
        line["backordered" if resend else "cancelled"] += quantity
        if resend:
            self.freed.add(sku)

    def give_back(self, key: Key, quantity: int) -> None:
        line = self.lines[key]
        if quantity > line["delivered"] - line["returned"]:
            raise Refused
        line["returned"] += quantity
        self.put(key[2], "RET/inspection", quantity)

    # -- what the ledger must show ----------------------------------------------------------------------------------

    def places(self, sku: str) -> dict[str, tuple[int, int]]:
        """Return on hand and reserved of each place that holds something."""
        promised = sum(line["reserved"] - line["picked"] for _, line in self.of(sku))
        found = {place: (quantity, 0) for (of, place), quantity in self.elsewhere.items() if of == sku}
        found[self.bin_of(sku)] = (self.bin(sku), promised)
        found["STAGE"] = (self.staged(sku), self.staged(sku))
        for (order, _, _), line in self.of(sku):
            for place, quantity in (("transit/" + order, line["underway"]), ("customer/" + order, _kept(line))):
                on_hand, _ = found.get(place, (0, 0))
                found[place] = (on_hand + quantity, 0)
        return {place: state for place, state in found.items() if state != (0, 0)}


def _kept(line: Line) -> int:
    return line["delivered"] - line["returned"]
