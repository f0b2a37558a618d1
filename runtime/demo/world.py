"""The demo's world: what can be ordered, where it lies, and who orders what. All of it is drawn from one seed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product
from random import Random
from typing import Any, Final

Json = dict[str, Any]

SITE: Final = "HAM"
RETURNS: Final = "HAM-RET"
LOCATIONS: Final[tuple[Json, ...]] = (
    {
        "location_id": SITE,
        "type": "site",
        "time_zone": "Europe/Berlin",
        "address": {
            "name": "Stockbridge Hamburg",
            "street": ["Am Sandtorkai 1"],
            "postal_code": "20457",
            "city": "Hamburg",
            "country": "DE",
        },
    },
    {"location_id": "HAM-REC", "site": SITE, "parent": SITE, "type": "receiving"},
    {"location_id": "HAM-STAGE", "site": SITE, "parent": SITE, "type": "staging"},
    {"location_id": RETURNS, "site": SITE, "parent": SITE, "type": "returns"},
)
BINS: Final = tuple(f"HAM-A-{number:02d}" for number in range(1, 11))

FEWEST_ORDERS: Final = 20
"""So many the story needs: each of its characters, and enough others for the carrier and the ERP to fail at."""

_GOODS: Final = ("MUG", "TRAY", "LAMP", "VASE", "BOWL", "CLOCK", "TEA", "COFFEE", "COCOA", "HONEY")
_KINDS: Final = ("WHITE", "BLUE", "GREEN", "BLACK")
_TRACED: Final = frozenset({"TEA", "COFFEE", "COCOA", "HONEY"})
_CASES: Final = 0.4
"""How many of the order lines are in cases."""
_FIRST_EXPIRY: Final = date(2031, 1, 31)
_ORDERED_AT: Final = "2026-11-20T14:03:00+01:00"
_PEOPLE: Final = (
    "Ida Holm",
    "Mads Berg",
    "Ana Ruiz",
    "Leo Martin",
    "Eva Novak",
    "Tom Visser",
    "Lea Keller",
    "Ole Dahl",
)
_CITIES: Final = (
    ("20457", "Hamburg", "DE"),
    ("1050", "København", "DK"),
    ("28013", "Madrid", "ES"),
    ("69002", "Lyon", "FR"),
)


NEW_HOME: Final[Json] = {
    "name": "Ida Holm",
    "street": ["Sandtorkai 30"],
    "postal_code": "20457",
    "city": "Hamburg",
    "country": "DE",
}
"""Where a customer moves to, in the middle of an order."""


@dataclass(frozen=True)
class Item:
    """A sku: how many are in a case, what one weighs and costs, and whether its lots are traced."""

    sku: str
    case: int
    weight_g: int
    price: str
    traced: bool

    def as_product(self) -> Json:
        """Write the item as master data."""
        goods, kind = self.sku.split("-")
        return {
            "sku": self.sku,
            "description": f"{goods.capitalize()}, {kind.lower()}",
            "base_uom": "EA",
            "packagings": [{"uom": "CASE", "factor": self.case}, {"uom": "PALLET", "factor": self.case * 40}],
            "tracking": "lot" if self.traced else "none",
            "shelf_life_days": 365 if self.traced else None,
            "weight_g": self.weight_g,
        }


@dataclass(frozen=True)
class Stock:
    """What of an item is delivered to a bin at the start, in pieces or in cases."""

    item: Item
    bin_id: str
    quantity: int
    uom: str = "CASE"
    lot: str | None = None
    expires_on: str | None = None

    @property
    def pieces(self) -> int:
        """The quantity in base units."""
        return self.quantity * (self.item.case if self.uom == "CASE" else 1)


@dataclass(frozen=True)
class Cast:
    """The orders that something happens to, as they are first pushed. The rest of the story is about the others."""

    amended: Json
    strict: Json
    holder: Json
    early: Json
    waiting: Json
    last: Json
    short: Json
    missing: Json
    regretted: Json

    def __iter__(self) -> Iterator[Json]:
        return iter(vars(self).values())


@dataclass(frozen=True)
class World:
    """Everything that the story starts from. `scarce` ... `rare` are the items that stock is short of."""

    items: tuple[Item, ...]
    stocks: tuple[Stock, ...]
    scarce: Item
    awaited: Item
    scattered: Item
    rare: Item
    cast: Cast
    others: tuple[Json, ...]

    @property
    def orders(self) -> list[Json]:
        """Every order that the ERP pushes at the start."""
        return [*self.cast, *self.others]

    @property
    def plenty(self) -> tuple[Item, ...]:
        """The items that there is enough of."""
        return self.items[4:]

    def pieces(self, line: Json) -> int:
        """Return what an order line asks for, in base units."""
        case = next(item.case for item in self.items if item.sku == line["sku"])
        return int(line["quantity"]) * (case if line["uom"] == "CASE" else 1)


def make_world(seed: int, orders: int) -> World:
    """Draw a world with so many orders."""
    draw = Random(seed)  # noqa: S311 - a story, not a secret
    items = _items(draw)
    scarce, awaited, scattered, rare, *plenty = items
    cast = _cast(draw, items)
    others = tuple(_other(draw, number, plenty) for number in range(10 + 1, 10 + 1 + orders - len(list(cast))))
    return World(items, tuple(_stocks(draw, items, 1 + orders // 100)), scarce, awaited, scattered, rare, cast, others)


def _items(draw: Random) -> tuple[Item, ...]:
    """Draw 40 items; the first four, which stock will be short of, are not traced by lot."""
    drawn = [
        Item(
            sku=f"{goods}-{kind}",
            case=draw.choice((6, 10, 12, 24)),
            weight_g=draw.randrange(80, 900, 10),
            price=f"{draw.randrange(200, 4000) / 100:.2f}",
            traced=goods in _TRACED,
        )
        for goods, kind in product(_GOODS, _KINDS)
    ]
    short = draw.sample([item for item in drawn if not item.traced], 4)
    return (*short, *(item for item in drawn if item not in short))


def _stocks(draw: Random, items: tuple[Item, ...], times: int) -> Iterator[Stock]:
    scarce, awaited, scattered, rare, *plenty = items
    yield Stock(scarce, BINS[0], 40, "EA")
    yield Stock(awaited, BINS[1], 10, "EA")
    yield Stock(scattered, BINS[2], 12, "EA")
    yield Stock(scattered, BINS[3], 12, "EA")
    yield Stock(rare, BINS[4], 6, "EA")
    for number, item in enumerate(plenty):
        bin_id = BINS[number % len(BINS)]
        if not item.traced:
            yield Stock(item, bin_id, draw.randint(20, 40) * times)
            continue
        for lot in (1, 2):
            expires_on = _FIRST_EXPIRY + timedelta(days=90 * lot + number)
            cases = draw.randint(10, 20) * times
            yield Stock(item, bin_id, cases, lot=f"L-{number:02d}{lot}", expires_on=str(expires_on))


def _cast(draw: Random, items: tuple[Item, ...]) -> Cast:
    scarce, awaited, scattered, rare, *plenty = items
    a, b, c, d, e, f = draw.sample(plenty, 6)
    return Cast(
        amended=_order(draw, 1, [line_of(1, a, 2, "CASE"), line_of(2, b, 10), line_of(3, c, 6)]),
        strict=_order(draw, 2, [line_of(1, d, 5)], shortage_policy="reject"),
        holder=_order(draw, 3, [line_of(1, scarce, 40), line_of(2, e, 4)]),
        early=_order(draw, 4, [line_of(1, awaited, 10)]),
        waiting=_order(draw, 5, [line_of(1, awaited, 8)]),
        last=_order(draw, 6, [line_of(1, awaited, 5)]),
        short=_order(draw, 7, [line_of(1, scattered, 8)]),
        missing=_order(draw, 8, [line_of(1, rare, 6)]),
        regretted=_order(draw, 9, [line_of(1, f, 1, "CASE"), line_of(2, a, 3)]),
    )


def _other(draw: Random, number: int, plenty: Iterable[Item]) -> Json:
    picked = draw.sample(list(plenty), draw.randint(1, 4))
    lines = [
        line_of(line_no, item, draw.randint(1, 2), "CASE")
        if draw.random() < _CASES
        else line_of(line_no, item, draw.randint(1, 9))
        for line_no, item in enumerate(picked, 1)
    ]
    return _order(draw, number, lines)


def line_of(line_no: int, item: Item, quantity: int, uom: str = "EA") -> Json:
    """Write an order line."""
    price = {"amount": item.price, "currency": "EUR"}
    return {"line_no": line_no, "sku": item.sku, "quantity": quantity, "uom": uom, "unit_price": price}


def _order(draw: Random, number: int, lines: list[Json], *, shortage_policy: str = "backorder") -> Json:
    """Write an order as the ERP first pushes it."""
    postal_code, city, country = draw.choice(_CITIES)
    return {
        "order_no": f"SO-{10_000 + number}",
        "revision": 1,
        "site": SITE,
        "ordered_at": _ORDERED_AT,
        "shortage_policy": shortage_policy,
        "customer_no": f"C-{draw.randrange(100, 999)}",
        "requested_delivery": "2026-11-24",
        "carrier": "sandbox",
        "service_level": draw.choice(("ground", "express")),
        "note": None,
        "ship_to": {
            "name": draw.choice(_PEOPLE),
            "street": [f"Kehrwieder {draw.randint(1, 90)}"],
            "postal_code": postal_code,
            "city": city,
            "country": country,
        },
        "lines": lines,
    }


def revised(order: Json, **changes: Any) -> Json:
    """Write the next revision of an order: the whole order, as it should be now."""
    return {**order, "revision": order["revision"] + 1, **changes}


def with_lines(order: Json, *lines: Json) -> Json:
    """Write the next revision of an order with these lines in place of those with their numbers, or added."""
    by_number = {line["line_no"]: line for line in (*order["lines"], *lines)}
    return revised(order, lines=list(by_number.values()))


def without_line(order: Json, line_no: int) -> Json:
    """Write the next revision of an order without a line."""
    return revised(order, lines=[line for line in order["lines"] if line["line_no"] != line_no])
