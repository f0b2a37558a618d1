"""The sandbox carrier behind the carrier port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from adapters.carriers.sandbox import mapping
from adapters.carriers.sandbox.client import SandboxCarrierClient
from adapters.carriers.signatures import verify_timestamped
from adapters.egress import Egress
from adapters.wire import unheard_answers
from domain.carriers import Booking, BookingRequest, TrackingEvent

_SYSTEM = "The sandbox carrier"
_SIGNATURE_HEADER = "X-Sandbox-Signature"
_NUMBERS_A_CALL = 50


class SandboxCarrierSettings(BaseModel):
    """One account: where the carrier is, the token that we call it with, the secret that it signs callbacks with.

    `egress` says which networks it may be in.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    base_url: str = Field(pattern=r"^https?://")
    token: SecretStr = Field(min_length=1)
    secret: SecretStr = Field(min_length=1)
    timeout_s: float = Field(gt=0)
    egress: Egress


class SandboxCarrier:
    """Implements `CarrierPort` and `InterceptingCarrier`. One for each account and event loop; `aclose` when done."""

    def __init__(self, settings: SandboxCarrierSettings) -> None:
        self._secret = settings.secret.get_secret_value()
        token = settings.token.get_secret_value()
        self._client = SandboxCarrierClient(settings.base_url, token, settings.timeout_s, settings.egress)

    async def book(self, request: BookingRequest) -> Booking:
        """Book a shipment and buy its labels. The carrier is not idempotent: `find` before a second attempt."""
        with unheard_answers(_SYSTEM, changes=True):
            answer = await self._client.post("/v1/shipments", mapping.booking_request(request))
            return mapping.booking(answer, request)

    async def find(self, reference: str) -> Booking | None:
        """Return the first live booking with our reference."""
        with unheard_answers(_SYSTEM, changes=False):
            answer = await self._client.get("/v1/shipments", {"reference": reference})
            return mapping.live_booking(answer, reference)

    async def void(self, booking_id: str) -> None:
        """Cancel a booking and its labels. `Rejected` with code `already_shipped` where the carrier has the parcels."""
        with unheard_answers(_SYSTEM, changes=True):
            answer = await self._client.post(f"/v1/shipments/{quote(booking_id, safe='')}/void")
            mapping.check_voided(answer, booking_id)

    async def intercept(self, tracking_number: str, reference: str) -> None:
        """Have a parcel stopped and sent back. `Rejected` with code `too_late` where it can't be any more."""
        with unheard_answers(_SYSTEM, changes=True):
            path = f"/v1/parcels/{quote(tracking_number, safe='')}/intercept"
            answer = await self._client.post(path, {"reference": reference})
            mapping.check_intercepted(answer, tracking_number)

    async def is_intercepted(self, reference: str) -> bool:
        """Say whether the carrier has an intercept with our reference."""
        with unheard_answers(_SYSTEM, changes=False):
            answer = await self._client.get("/v1/intercepts", {"reference": reference})
            return mapping.has_intercept(answer, reference)

    async def track(self, tracking_numbers: Sequence[str]) -> list[TrackingEvent]:
        """Return all scans of these parcels, oldest first, asking for as many at a time as the carrier allows."""
        events: list[TrackingEvent] = []
        numbers = list(dict.fromkeys(tracking_numbers))
        for start in range(0, len(numbers), _NUMBERS_A_CALL):
            events += await self._track_some(numbers[start : start + _NUMBERS_A_CALL])
        return mapping.oldest_first(events)

    def verify_callback(self, body: bytes, headers: Mapping[str, str], now: datetime) -> None:
        """Check a callback's signature. `Rejected` as unproven: `invalid_signature` or `stale_signature`."""
        verify_timestamped(body, headers, _SIGNATURE_HEADER, self._secret, now)

    def parse_callback(self, body: bytes) -> list[TrackingEvent]:
        """Read the one scan in a callback. `Rejected` with code `malformed`, naming the fields at fault."""
        return [mapping.callback_event(body)]

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _track_some(self, tracking_numbers: Sequence[str]) -> list[TrackingEvent]:
        with unheard_answers(_SYSTEM, changes=False):
            answer = await self._client.get("/v1/tracking", {"numbers": ",".join(tracking_numbers)})
            return mapping.tracking_events(answer)
