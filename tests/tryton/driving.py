"""A clerk at Tryton: what people do there, and what they see. It speaks REST by itself and shares nothing with ours."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final

import httpx

from tests.tryton.server import TrytonServer

COMPANY: Final = 1
CUSTOMER: Final = "Acme Retail"
"""Two addresses in Austin, the first on Main St. The other customer is Müller GmbH in Berlin."""

SHIPMENT: Final = "stock.shipment.out"
RETURN: Final = "stock.shipment.out.return"
WORKER_LIMIT_S: Final = 30.0


@dataclass(frozen=True)
class Line:
    """A line of a sale: `unit` by its symbol (`u`, `m`, and `bx`, which holds 12 u)."""

    sku: str
    quantity: str
    unit: str = "u"
    price: str = "10.00"


@dataclass(frozen=True)
class Move:
    """Goods that go out, or come back: `lot` by its number."""

    sku: str
    quantity: Decimal
    unit: str
    lot: str | None
    state: str


@dataclass(frozen=True)
class Package:
    """A parcel, and what is in it."""

    tracking_number: str | None
    moves: tuple[Move, ...]


@dataclass(frozen=True)
class Shipment:
    """A shipment to a customer, or a return from one, which has no packages."""

    id: int
    number: str | None
    reference: str | None
    state: str
    moves: tuple[Move, ...]
    packages: tuple[Package, ...] = ()
    carrier: str | None = None
    move_ids: tuple[int, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class SaleLine:
    """A line as the sale has it; `id` stays while the line is edited."""

    id: int
    sku: str
    quantity: Decimal
    unit: str
    price: Decimal


@dataclass(frozen=True)
class Sale:
    """A sale and all that came of it."""

    id: int
    number: str | None
    reference: str | None
    state: str
    shipment_state: str
    lines: tuple[SaleLine, ...]
    shipments: tuple[Shipment, ...] = field(default=())
    returns: tuple[Shipment, ...] = field(default=())


class TrytonError(Exception):
    """Tryton answered with an error; the text is its own."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status
        self.text = text


class Tryton:
    """The clerk. Ids are Tryton's own; what is not asked for stays as Tryton makes it."""

    def __init__(self, server: TrytonServer, client: httpx.AsyncClient) -> None:
        self.server = server
        self._client = client

    @classmethod
    @asynccontextmanager
    async def at(cls, server: TrytonServer) -> AsyncIterator[Tryton]:
        """Sit down at a server."""
        headers = {"Authorization": f"Bearer {server.clerk_key}", "X-Tryton-Context": _b64({"company": COMPANY})}
        address = f"{server.url}/{server.database}/rest/model/"
        async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60, trust_env=False) as client:
            yield cls(server, client)

    # --- sales ---

    async def draft_sale(self, *lines: Line, customer: str = CUSTOMER, reference: str | None = None) -> int:
        """Write a sale; nobody has confirmed it yet."""
        party = await self._one("party.party", [["name", "=", customer]], "addresses.id")
        warehouse = await self._one("stock.location", [["type", "=", "warehouse"]], "name")
        address = party["addresses"][0]["id"]
        sale = {
            "party": party["id"],
            "company": COMPANY,
            "currency": 1,
            "warehouse": warehouse["id"],
            "invoice_address": address,
            "shipment_address": address,
            "reference": reference,
            "lines": [["create", [await self._line(line) for line in lines]]],
        }
        return int((await self.create("sale.sale", sale))["id"])

    async def confirmed_sale(self, *lines: Line, customer: str = CUSTOMER, reference: str | None = None) -> int:
        """Write a sale and confirm it: from now on it has a number, and for a day it can go back to draft."""
        sale = await self.draft_sale(*lines, customer=customer, reference=reference)
        await self.confirm(sale)
        return sale

    async def confirm(self, sale: int) -> None:
        """Quote a draft, and confirm it."""
        await self.click("sale.sale", sale, "quote")
        await self.click("sale.sale", sale, "confirm")

    async def process(self, sale: int) -> None:
        """Go on with a confirmed sale before its day of grace is over: now there are shipments."""
        await self.click("sale.sale", sale, "process")

    async def back_to_draft(self, sale: int) -> None:
        """Take a confirmed sale back, to edit it."""
        await self.click("sale.sale", sale, "draft")

    async def cancel(self, sale: int) -> None:
        """Cancel a sale that is a draft, or quoted."""
        await self.click("sale.sale", sale, "cancel")

    async def edit_line(self, sale: int, sku: str, **values: Any) -> None:
        """Change a draft's line, which keeps its id: `quantity=3.0`."""
        await self.write("sale.sale", sale, {"lines": [["write", [await self._line_id(sale, sku)], values]]})

    async def add_line(self, sale: int, line: Line) -> None:
        """Add a line to a draft."""
        await self.write("sale.sale", sale, {"lines": [["create", [await self._line(line)]]]})

    async def remove_line(self, sale: int, sku: str) -> None:
        """Delete a line of a draft."""
        await self.write("sale.sale", sale, {"lines": [["delete", [await self._line_id(sale, sku)]]]})

    async def send_to(self, sale: int, street: str) -> None:
        """Let a draft go to another address of its customer."""
        address = await self._one("party.address", [["street", "=", street]], "street")
        await self.write("sale.sale", sale, {"shipment_address": address["id"]})

    async def sale(self, sale: int) -> Sale:
        """Look at a sale and all that came of it, in the order of its making."""
        fields = ("number", "reference", "state", "shipment_state", "shipments.id")
        line_fields = ("product.code", "quantity", "unit.symbol", "unit_price")
        seen = await self.get("sale.sale", sale, *fields, *(f"lines.{name}" for name in line_fields))
        shipments = tuple([await self.shipment(each["id"]) for each in sorted(seen["shipments"], key=_id)])
        moves = [move for shipment in shipments for move in shipment.move_ids]
        returns = await self.find(RETURN, [["moves.origin.id", "in", moves, "stock.move"]])
        return Sale(
            id=sale,
            number=seen["number"],
            reference=seen["reference"],
            state=seen["state"],
            shipment_state=seen["shipment_state"],
            lines=tuple(_sale_line(line) for line in seen["lines"]),
            shipments=shipments,
            returns=tuple([await self.shipment(each["id"], RETURN) for each in returns]),
        )

    async def sales(self, reference: str) -> list[int]:
        """Return the sales with an outside reference: Tryton itself lets there be several."""
        return [found["id"] for found in await self.find("sale.sale", [["reference", "=", reference]])]

    # --- the floor ---

    async def shipment(self, shipment: int, model: str = SHIPMENT) -> Shipment:
        """Look at a shipment to a customer, or at a return."""
        of_move = ("product.code", "quantity", "unit.symbol", "lot.number", "state")
        moves = "outgoing_moves" if model == SHIPMENT else "incoming_moves"
        fields = ["number", "reference", "state", *(f"{moves}.{name}" for name in of_move)]
        if model == SHIPMENT:
            fields += [
                "carrier.rec_name",
                "packages.shipping_reference",
                *(f"packages.moves.{name}" for name in of_move),
            ]
        seen = await self.get(model, shipment, *fields)
        return Shipment(
            id=shipment,
            number=seen["number"],
            reference=seen["reference"],
            state=seen["state"],
            moves=_moves(seen[moves]),
            packages=tuple(
                Package(package["shipping_reference"], _moves(package["moves"])) for package in seen.get("packages", ())
            ),
            carrier=(seen.get("carrier") or {}).get("rec_name"),
            move_ids=tuple(move["id"] for move in seen[moves]),
        )

    async def ship(self, sale: int, **quantities: float) -> None:
        """Ship a part of a processed sale by hand, as people did before there was a hub: `GADGET=2.0`.

        What is left of it is a new shipment, once the worker has seen to it.
        """
        open_ones = [
            ["moves.origin.sale.id", "=", sale, "sale.line"],
            ["state", "in", ["draft", "waiting", "assigned"]],
        ]
        shipment = await self._one(SHIPMENT, open_ones, "state", "outgoing_moves.product.code")
        moves = {move["product"]["code"]: move["id"] for move in shipment["outgoing_moves"]}
        for button in ("wait", "draft"):
            await self.click(SHIPMENT, shipment["id"], button)
        changes: list[Any] = [["write", [moves.pop(sku)], {"quantity": of}] for sku, of in quantities.items()]
        (carrier, *_) = await self.find("carrier", [])
        part = {"carrier": carrier["id"], "outgoing_moves": [*changes, ["delete", list(moves.values())]]}
        await self.write(SHIPMENT, shipment["id"], part)
        for button in ("wait", "assign_try", "pick", "pack", "do"):
            await self.click(SHIPMENT, shipment["id"], button)
        await self.settle()

    async def settle(self) -> None:
        """Wait until Tryton's worker has done what it can do now: it makes the shipment of what is left, for one."""
        due = [["finished_at", "=", None], ["scheduled_at", "=", None]]
        deadline = time.monotonic() + WORKER_LIMIT_S
        while await self.find("ir.queue", due):
            if time.monotonic() > deadline:
                raise TimeoutError("Tryton's worker does not come to an end.")
            await asyncio.sleep(0.05)

    # --- products ---

    async def new_product(self, sku: str, *, name: str = "Thing", like: str = "WIDGET") -> int:
        """Make a product in the same unit and with the same accounts as another; return its template's id."""
        fields = ("template.default_uom.id", "template.sale_uom.id", "template.account_category.id")
        pattern = (await self._one("product.product", [["code", "=", like]], *fields))["template"]
        template = {
            "name": name,
            "type": "goods",
            "salable": True,
            "list_price": money("10.00"),
            "default_uom": pattern["default_uom"]["id"],
            "sale_uom": pattern["sale_uom"]["id"],
            "account_category": pattern["account_category"]["id"],
            "products": [["create", [{"suffix_code": sku}]]],
        }
        return int((await self.create("product.template", template))["id"])

    async def rename_product(self, sku: str, name: str) -> None:
        """Give a product another name: in Tryton it is its template's."""
        product = await self._one("product.product", [["code", "=", sku]], "template.id")
        await self.write("product.template", product["template"]["id"], {"name": name})

    async def on_hand(self, sku: str) -> Decimal:
        """Return how much lies in the storage of the warehouse."""
        storage = await self._one("stock.location", [["code", "=", "STO"]], "code")
        within = {"X-Tryton-Context": _b64({"company": COMPANY, "locations": [storage["id"]], "with_childs": True})}
        query = {"d": _b64([["code", "=", sku]]), "f": ["quantity"]}
        (product,) = _checked(await self._client.get("product.product", params=query, headers=within)).json()
        return Decimal(str(product["quantity"]))

    # --- anything else ---

    async def find(self, model: str, domain: Sequence[Any], *fields: str) -> list[dict[str, Any]]:
        """Search, in the order of the ids."""
        query = {"d": _b64(list(domain)), "o": _b64([["id", "ASC"]]), "f": list(fields) or ["id"]}
        found: list[dict[str, Any]] = _checked(await self._client.get(model, params=query)).json()
        return found

    async def get(self, model: str, record: int, *fields: str) -> dict[str, Any]:
        """Read one record."""
        read: dict[str, Any] = _checked(await self._client.get(f"{model}/{record}", params={"f": list(fields)})).json()
        return read

    async def create(self, model: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Make a record."""
        made: dict[str, Any] = _checked(await self._client.post(model, json=values, params={"f": ["id"]})).json()
        return made

    async def write(self, model: str, record: int, values: Mapping[str, Any]) -> None:
        """Change a record."""
        _checked(await self._client.put(f"{model}/{record}", json=values, params={"f": ["id"]}))

    async def click(self, model: str, record: int, button: str) -> None:
        """Press a button of a record. Raises `TrytonError` where the record's state has no such button."""
        _checked(await self._client.post(f"{model}/{record}/{button}", json={}, params={"f": ["id"]}))

    async def _one(self, model: str, domain: Sequence[Any], *fields: str) -> dict[str, Any]:
        (found,) = await self.find(model, domain, *fields)
        return found

    async def _line(self, line: Line) -> dict[str, Any]:
        product = await self._one("product.product", [["code", "=", line.sku]], "code")
        unit = await self._one("product.uom", [["symbol", "=", line.unit]], "symbol")
        return {
            "type": "line",
            "product": product["id"],
            "quantity": float(line.quantity),
            "unit": unit["id"],
            "unit_price": money(line.price),
        }

    async def _line_id(self, sale: int, sku: str) -> int:
        found = await self._one("sale.line", [["sale", "=", sale], ["product.code", "=", sku]], "id")
        return int(found["id"])


def money(amount: str) -> dict[str, str]:
    """Return an amount as Tryton's JSON has it."""
    return {"__class__": "Decimal", "decimal": amount}


def day(when: date) -> dict[str, Any]:
    """Return a date as Tryton's JSON has it."""
    return {"__class__": "date", "year": when.year, "month": when.month, "day": when.day}


def _b64(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    raise TrytonError(answer.status_code, answer.text)


def _id(record: Mapping[str, Any]) -> int:
    return int(record["id"])


def _sale_line(line: Mapping[str, Any]) -> SaleLine:
    return SaleLine(
        id=line["id"],
        sku=line["product"]["code"],
        quantity=Decimal(str(line["quantity"])),
        unit=line["unit"]["symbol"],
        price=Decimal(line["unit_price"]["decimal"]),
    )


def _moves(moves: Sequence[Mapping[str, Any]]) -> tuple[Move, ...]:
    """Return the moves in an order of their own: Tryton's is by id, which says nothing."""
    seen = [
        Move(
            sku=move["product"]["code"],
            quantity=Decimal(str(move["quantity"])),
            unit=move["unit"]["symbol"],
            lot=(move["lot"] or {}).get("number"),
            state=move["state"],
        )
        for move in moves
    ]
    return tuple(sorted(seen, key=lambda move: (move.sku, move.lot or "", move.quantity)))
