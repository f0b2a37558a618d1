"""A shipment and a carrier that scans it, without a database: what is decided of each scan is done at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from domain.attention import Ask
from domain.carriers import PHYSICAL, TrackingStatus
from domain.labels import Label, Labels
from domain.packing import Content
from domain.shipping.parcels import Parcel, Shipment
from domain.shipping.replaced import ask_about_strays, over_once_told, without_cancellations
from domain.shipping.scans import (
    REPLACED,
    Departure,
    Ignored,
    Proof,
    Scan,
    Stray,
    arrival_by,
    goes_by,
    meaning_of,
)
from domain.shipping.shipment_state import ShipmentState, advance
from domain.shipping.stuck import NeedNobody, after_scan
from domain.shipping.tracking import concerns_its_order
from domain.stock import Evidence

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
MUGS = Content(1, "MUG", "HAM", 2)


def parcel(parcel_no: int = 1, tracking_number: str | None = "TN-1", lines: Iterable[Content] = (MUGS,)) -> Parcel:
    """Return a parcel that was packed and labeled."""
    return Parcel(
        tenant="acme",
        order_ref="SO-1",
        shipment_no="SH-1",
        parcel_no=parcel_no,
        weight_g=500,
        length_mm=None,
        width_mm=None,
        height_mm=None,
        lines=tuple(lines),
        packing=1,
        tracking_number=tracking_number,
        label_media_type=None,
        tracking_status=TrackingStatus.PENDING,
        last_heard_at=None,
        delivered_at=None,
        lost_at=None,
        loss=None,
        came_back_at=None,
        intercepted_at=None,
    )


def shipment(*parcels: Parcel, **changed: object) -> ShipmentState:
    """Return a shipment that is made and here, unless it is `changed`."""
    row = Shipment(
        tenant="acme",
        order_ref="SO-1",
        shipment_no="SH-1",
        site="HAM",
        carrier="sandbox",
        service_level="standard",
        tracking_status="pending",
        handed_over_at=None,
        handover_evidence=None,
        delivered_at=None,
        proof_of_delivery=None,
        dissolved_at=None,
        created_at=AT,
    )
    return ShipmentState(replace(row, **changed), parcels or (parcel(),))


@dataclass
class Heard:
    """A scan that came in, and what it changed; None while nobody has dealt with it."""

    scan: Scan
    effect: str | None = None


@dataclass
class Carried:
    """A shipment whose carrier is listened to. `flag` is the step that a person is needed for, `posted` what moved."""

    state: ShipmentState
    bought: list[Label]
    flag: str | None = None
    posted: list[str] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)

    @property
    def labels(self) -> Labels:
        """All labels beside the parcels as they are."""
        boxes = self.state.parcels
        packings = {box.parcel_no: box.packing for box in boxes if box.lines}
        return Labels(self.bought, packings, {box.parcel_no: box.tracking_number for box in boxes})

    @property
    def end(self) -> tuple[object, ...]:
        """Return where everything is, without when."""
        row = self.state.shipment
        boxes = [
            (box.tracking_status, box.tracking_number, box.delivered_at is not None, box.lost_at is not None)
            for box in self.state.parcels
        ]
        return row.tracking_status, row.handover_evidence, boxes, self.flag, sorted(self.posted)

    def hear_all(self, scans: Sequence[Scan]) -> tuple[object, ...]:
        """Hear scans, one after the other, and return where everything is then."""
        for scan in scans:
            self._hear(scan)
        return self.end

    def _hear(self, scan: Scan) -> None:
        if scan.status in PHYSICAL:
            self.bought = [
                replace(label, scanned=label.scanned or label.tracking_number == scan.tracking_number)
                for label in self.bought
            ]
        self.heard.append(Heard(scan))
        while waiting := [heard for heard in self.heard if heard.effect is None]:
            waiting[0].effect = self._effect(waiting[0].scan)

    def _effect(self, scan: Scan) -> str:
        meaning = meaning_of(scan, self.state, self.labels)
        if isinstance(meaning, Ignored):
            self._tell(meaning.ask)
            return meaning.words
        if isinstance(meaning, Stray):
            self._tell(ask_about_strays("SH-1", self.labels))
            return REPLACED
        return self._believe(scan, meaning)

    def _believe(self, scan: Scan, meaning: Proof) -> str:
        if meaning.proves is not None and meaning.proves.under is not None:
            self._leave_under(meaning.proves.under)
        if isinstance(meaning.proves, Departure):
            self.posted.append("goods_issue")
            self.state = self.state.left(AT, Evidence.INFERRED.value, [list(box.lines) for box in self.state.parcels])
        return self._place(scan, was_replaced=meaning.was_replaced)

    def _leave_under(self, version: int) -> None:
        known = self.labels
        self.state = without_cancellations(self.state)
        for label in (label for label in known.bought if label.version == version):
            self.state = self.state.with_parcel(label.parcel_no, tracking_number=label.tracking_number)
            for heard in self.heard:
                if heard.scan.tracking_number == label.tracking_number and (heard.effect or "").startswith("nothing: "):
                    heard.effect = None
        if self.flag in over_once_told("SH-1", known):
            self.flag = None

    def _place(self, scan: Scan, *, was_replaced: bool) -> str:
        box = self._box(scan)
        if arrival_by(scan, box) is not None:
            self.posted.append(f"delivery {box.parcel_no}")
            self.state = self.state.delivered(box.parcel_no, AT, list(box.lines))
        advanced = advance(self.state, self._box(scan), scan.status)
        self.state = advanced.state
        strays = ask_about_strays("SH-1", self.labels) if was_replaced else None
        if strays is not None:
            self._tell(strays)
        elif advanced.is_news:
            self._tell(after_scan(self.state.shipment, self._box(scan), self.flag))
        return advanced.words

    def _box(self, scan: Scan) -> Parcel:
        box = self.state.parcel(scan.parcel_no)
        assert box is not None
        return box

    def _tell(self, found: Ask | NeedNobody | None) -> None:
        if isinstance(found, Ask):
            self.flag = found.step
        elif found is not None:
            self.flag = None


def needs_no_order(carried: Carried, scan: Scan) -> bool:
    """Say whether a scan is dealt with where it comes in: then it proves nothing that the order must hear of."""
    box = carried.state.parcel(scan.parcel_no)
    assert box is not None
    return goes_by(carried.state, scan) and not concerns_its_order(scan.status, carried.state.shipment, box)
