"""What is sealed opens at its place, with its key, and nowhere else."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from domain.errors import Unavailable
from records.access.sealing import Place, Sealed, SealingKeys

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PLACES = st.builds(Place, TEXT, TEXT, TEXT, TEXT)


def key(byte: bytes) -> str:
    return b64encode(byte * 32).decode()


OLD, NEW = SealingKeys.parse(f"old:{key(b'0')}"), SealingKeys.parse(f"new:{key(b'1')},old:{key(b'0')}")
PLACE = Place("acme", "erp", "erp", "password")


@given(PLACES, PLACES, st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50))
def test_it_opens_at_its_own_place_alone(place: Place, other: Place, secret: str) -> None:
    sealed = NEW.seal(place, SecretStr(secret))
    assert NEW.open(place, sealed).get_secret_value() == secret
    if other != place:
        with pytest.raises(Unavailable):
            NEW.open(other, sealed)


def test_the_first_key_seals_and_all_open() -> None:
    assert NEW.seal(PLACE, SecretStr("s")).key_id == "new"
    assert NEW.open(PLACE, OLD.seal(PLACE, SecretStr("s"))).get_secret_value() == "s"
    with pytest.raises(Unavailable, match="no key new is in"):
        OLD.open(PLACE, NEW.seal(PLACE, SecretStr("s")))


def test_what_was_tampered_with_or_has_anothers_key_does_not_open() -> None:
    sealed = OLD.seal(PLACE, SecretStr("s"))
    broken = replace(sealed, ciphertext=bytes([sealed.ciphertext[0] ^ 1]) + sealed.ciphertext[1:])
    for wrong in (broken, replace(sealed, nonce=b"0" * 12), Sealed("old", b"0" * 12, b"")):
        with pytest.raises(Unavailable, match="does not open"):
            OLD.open(PLACE, wrong)
    with pytest.raises(Unavailable, match="does not open"):
        SealingKeys.parse(f"old:{key(b'2')}").open(PLACE, sealed)


def test_without_a_key_nothing_is_sealed() -> None:
    with pytest.raises(Unavailable, match="STOCKBRIDGE_SEALING_KEYS"):
        SealingKeys().seal(PLACE, SecretStr("s"))


def test_no_key_is_in_what_is_printed() -> None:
    assert key(b"1") not in repr(NEW) + str(NEW)
    assert "s3cret" not in repr(NEW.seal(PLACE, SecretStr("s3cret")))
