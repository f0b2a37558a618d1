"""Timestamped HMAC signatures: what is accepted, what isn't, and what a stranger learns."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.carriers.signatures import TimestampedSignature, timestamped_digest, verify_timestamped
from domain.errors import Kind, Rejected

SHIPPO = Path(__file__).parents[3] / "shared" / "contracts" / "webhooks" / "shippo-track-updated.json"
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
BODY = b'{"event_id": "E-1"}'
SECRET = "s\u00e9cret"
GOOD = hmac.new(SECRET.encode(), STAMP.encode() + b"." + BODY, hashlib.sha256).hexdigest()


def outcome(value: str, body: bytes = BODY, now: datetime = NOW, name: str = "X-Signature") -> str:
    try:
        verify_timestamped(body, {"Other": "x", name: value}, "X-Signature", SECRET, now)
    except Rejected as refusal:
        return refusal.code if refusal.kind is Kind.UNPROVEN else f"{refusal.code} as {refusal.kind}"
    return "accepted"


@pytest.mark.parametrize(
    "value",
    [
        f"t={STAMP},v1={GOOD}",
        f"v1={GOOD},t={STAMP}",
        f" t = {STAMP} , v1 = {GOOD} ",
        f"t={STAMP},v1={'0' * 64},v1={GOOD}",
        f"t={STAMP},v0=old,v1={GOOD}",
        f"t={STAMP},v1={GOOD.upper()}",
    ],
)
def test_a_right_signature_is_accepted_however_it_is_written(value: str) -> None:
    assert outcome(value) == "accepted"


@pytest.mark.parametrize("name", ["x-signature", "X-SIGNATURE", "X-Signature"])
def test_the_header_is_found_whatever_its_case(name: str) -> None:
    assert outcome(f"t={STAMP},v1={GOOD}", name=name) == "accepted"


@pytest.mark.parametrize(
    "value",
    [
        "",
        GOOD,
        f"v1={GOOD}",
        f"t={STAMP}",
        f"t={STAMP},v1=",
        f"t={STAMP},v0={GOOD}",
        f"t={STAMP},v1={GOOD[:-1]}",
        f"t={STAMP},v1={GOOD}0",
        f"t={STAMP},t={STAMP},v1={GOOD}",
        f"t=+{STAMP},v1={GOOD}",
        f"t={STAMP}.0,v1={GOOD}",
        f"t={int(STAMP) + 1},v1={GOOD}",
        f"t={'9' * 400},v1={GOOD}",
        "t=\u0661\u0662,v1=\u00e9\udcff",
    ],
)
def test_whatever_else_stands_in_the_header_is_invalid(value: str) -> None:
    assert outcome(value) == "invalid_signature"


def test_a_missing_header_is_invalid() -> None:
    assert outcome(f"t={STAMP},v1={GOOD}", name="Y-Signature") == "invalid_signature"


@pytest.mark.parametrize("sign", [1, -1])
def test_the_window_is_five_minutes_to_either_side(sign: int) -> None:
    value = f"t={STAMP},v1={GOOD}"
    assert outcome(value, now=NOW + sign * timedelta(minutes=5)) == "accepted"
    assert outcome(value, now=NOW + sign * timedelta(minutes=5, seconds=1)) == "stale_signature"


def test_who_does_not_know_the_secret_does_not_learn_that_it_was_stale_too() -> None:
    assert outcome(f"t={STAMP},v1={'0' * 64}", now=NOW + timedelta(days=1)) == "invalid_signature"


@given(st.binary(min_size=1), st.data())
def test_a_signature_is_over_every_byte_of_the_body(body: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(body) - 1))
    changed = body[:place] + bytes([body[place] ^ data.draw(st.integers(1, 255))]) + body[place + 1 :]
    value = f"t={STAMP},v1={timestamped_digest(SECRET, STAMP, body)}"
    assert outcome(value, body) == "accepted"
    assert outcome(value, changed) == "invalid_signature"


@given(st.text())
def test_no_header_whatever_breaks_the_check(value: str) -> None:
    assert outcome(value) == "invalid_signature"


def test_shippos_header_has_the_same_form() -> None:
    if not SHIPPO.is_file():
        pytest.skip(f"{SHIPPO} is missing: the real webhooks aren't shipped with the project")
    header = json.loads(SHIPPO.read_text())["headers"]["Shippo-Auth-Signature"]
    assert TimestampedSignature.parse(header) == TimestampedSignature("1688493073", ("<hex>",))
