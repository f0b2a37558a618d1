"""The labels that were ever bought for a shipment: which of them its parcels go by, once the carrier has scanned one.

A label that was replaced may be the one that left: nobody has to have stuck the new one on. Its scan is a fact about
its parcel. Which label a shipment goes by is computed from all that was scanned, never from what came last, so that
scans in any order, and any number of times, end in the same state.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from domain.characters import seen


def matched_as(tracking_number: str) -> str:
    """Return what a tracking number is matched by: people, scanners and carriers write it with blanks, in either case.

    What can't be seen in it is not in it. The only place that says so.
    """
    return "".join(seen(tracking_number).split()).upper()


@dataclass(frozen=True)
class Label:
    """A label as it was bought. `packing` is the parcel's of then, `noted` whether a person took note of its scan."""

    version: int
    parcel_no: int
    tracking_number: str
    packing: int
    scanned: bool
    noted: bool


@dataclass(frozen=True)
class Labels:
    """All labels of a shipment, beside its parcels as they are: their packings, and the numbers that they go by."""

    bought: Collection[Label]
    packings: Mapping[int, int]
    numbers: Mapping[int, str | None]

    def of(self, tracking_number: str) -> Label | None:
        """Return the label with a number."""
        return next((label for label in self.bought if label.tracking_number == tracking_number), None)

    def fits(self, version: int) -> bool:
        """Say whether the shipment's parcels hold what they held when that version of its labels was bought."""
        packed = {label.parcel_no: label.packing for label in self.bought if label.version == version}
        return packed == self.packings

    @property
    def in_use(self) -> int | None:
        """Return the version that the parcels go by; None where it is not bought yet."""
        versions = {
            label.version for label in self.bought if self.numbers.get(label.parcel_no) == label.tracking_number
        }
        return max(versions, default=None)

    def is_scanned(self, version: int | None) -> bool:
        """Say whether the carrier has scanned a label of a version."""
        return any(label.scanned for label in self.bought if label.version == version)

    @property
    def newest_scanned(self) -> int | None:
        """Return the newest version that the carrier has parcels of which hold what they hold now."""
        scanned = {label.version for label in self.bought if label.scanned}
        return max(filter(self.fits, scanned), default=None)

    @property
    def strays(self) -> list[Label]:
        """Return the labels that the carrier has scanned though their parcels do not go by them, and nobody knows."""
        return [
            x for x in self.bought if x.scanned and not x.noted and self.numbers.get(x.parcel_no) != x.tracking_number
        ]
