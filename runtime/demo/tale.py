"""What every chapter is told with: the world, the doors, and the promises; and the floor's daily work."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.demo.checks import Checks, watch
from runtime.demo.hub import Hub, UnexpectedAnswerError, side_by_side
from runtime.demo.partners import Carrier, Erp
from runtime.demo.world import SITE, Json, World


@dataclass(frozen=True)
class Tale:
    """The tools of a chapter."""

    world: World
    hub: Hub
    erp: Erp
    carrier: Carrier
    checks: Checks

    # -- the floor's daily work: each of it may be told twice --------------------------------------------------------

    async def pick(self, order_no: str) -> Json:
        """Pick all that an order holds in bins, if anything."""
        lines = [
            {"line_no": line["line_no"], "quantity": line["reserved"] - line["picked"]}
            for line in (await self.hub.order(order_no))["lines"]
            if line["reserved"] > line["picked"]
        ]
        if not lines:
            return await self.hub.order(order_no)
        body = {"pick_no": f"P-{order_no}", "lines": lines, "device": "scanner-7"}
        return (await self.hub.tell_order(order_no, "picks", body)).accepted

    async def label(self, order_no: str) -> str:
        """Have all that is picked labeled as one parcel, and return its tracking number."""
        shipment = (await self.hub.tell_order(order_no, "shipments", {"shipment_no": f"{order_no}-1"})).accepted
        return str(shipment["parcels"][0]["tracking_number"])

    async def hand_over(self, order_no: str) -> Json:
        """Give an order's parcel to the carrier: the goods leave."""
        path = f"shipments/{order_no}-1/handover"
        return (await self.hub.tell_order(order_no, path, {"handover_no": f"H-{order_no}"})).accepted

    async def send_off(self, order_no: str) -> str:
        """Pick, label and hand over an order, and return its tracking number."""
        await self.pick(order_no)
        tracking_number = await self.label(order_no)
        await self.hand_over(order_no)
        return tracking_number

    async def dispatch(self, order_no: str) -> str:
        """Send an order off, and have the carrier collect it."""
        tracking_number = await self.send_off(order_no)
        await self.carrier.collect(tracking_number)
        return tracking_number

    # -- looking -----------------------------------------------------------------------------------------------------

    async def status(self, order_no: str) -> str:
        """Return an order's status."""
        return str((await self.hub.order(order_no))["status"])

    async def statuses(self, order_nos: list[str]) -> dict[str, str]:
        """Return the status of each of the orders."""
        found = {order["order_no"]: order["status"] for order in await self.hub.every("/api/orders")}
        return {order_no: found.get(order_no, "unknown") for order_no in order_nos}

    async def all_delivered(self, order_nos: list[str], limit_s: float) -> tuple[bool, dict[str, str]]:
        """Wait until the orders are delivered. Returns whether they are, and the status of each."""
        held, seen, _ = await watch(
            lambda: self.statuses(order_nos), lambda seen: set(seen.values()) == {"delivered"}, limit_s
        )
        return held, seen

    async def level(self, sku: str) -> Json:
        """Return the stock level of a sku."""
        return await self.hub.level(SITE, sku)

    async def fed(self, order_no: str) -> list[str]:
        """Return the references of an order's ERP messages, in the order of its feed."""
        messages = await self.hub.timeline(order_no, "erp_message")
        return [item["data"]["reference"] for item in sorted(messages, key=lambda item: item["data"]["number"])]

    async def fed_and_booked(self, order_nos: list[str]) -> dict[str, tuple[list[str], list[str]]]:
        """Return each order's ERP messages beside the documents that the ERP made of them, by their references."""
        feeds = await side_by_side(self.fed(order_no) for order_no in order_nos)
        booked: dict[str, list[str]] = {order_no: [] for order_no in order_nos}
        for document in await self.erp.documents():
            booked.setdefault(document["order_no"], []).append(document["reference"])
        return {order_no: (feed, booked[order_no]) for order_no, feed in zip(order_nos, feeds, strict=True)}

    async def behind(self, order_nos: list[str]) -> dict[str, tuple[int, int]]:
        """Return how many messages and documents there are of orders where they aren't the same, in the same order."""
        found = await self.fed_and_booked(order_nos)
        return {order_no: (len(fed), len(booked)) for order_no, (fed, booked) in found.items() if fed != booked}

    async def bin_of(self, order_no: str, line_no: int) -> str:
        """Return the bin that an order line holds most in."""
        held: dict[str, int] = {}
        for item in await self.hub.timeline(order_no, "posting"):
            for entry in item["data"]["entries"]:
                if entry["line_no"] == line_no:
                    held[entry["location_id"]] = held.get(entry["location_id"], 0) + entry["reserved_delta"]
        if not held:
            raise UnexpectedAnswerError(f"{order_no} holds nothing for line {line_no}")
        return max(held, key=lambda location_id: held[location_id])
