from __future__ import annotations

import re
import secrets

import pytest

from domain.api_keys import SECRET_BYTES, is_guessable, is_misspelt, is_sendable, numbered, written


def test_a_key_of_ours_is_known_by_its_form_and_has_256_bits() -> None:
    ends = [written(bytes(SECRET_BYTES)), written(b"\xff" * SECRET_BYTES), written(secrets.token_bytes(SECRET_BYTES))]
    assert all(re.fullmatch(r"stockbridge_[0-9A-Za-z]{49}", key) for key in ends)
    assert len({key[:-6] for key in ends}) == 3
    assert not any(is_guessable(key) or is_misspelt(key) for key in ends)
    assert all(map(is_sendable, ends))


def test_any_slip_in_a_key_of_ours_shows() -> None:
    key = written(b"\x17" * SECRET_BYTES)
    slips = [key[:at] + other + key[at + 1 :] for at in range(12, len(key)) for other in "0aZ" if key[at] != other]
    slips += [key[:-1], key + "0", key[:20] + key[21:], "stockbridge_", key.replace(key[30:32], key[31] + key[30])]
    assert [slip for slip in slips if slip != key and not is_misspelt(slip)] == []


def test_what_was_made_elsewhere_has_no_checksum_of_ours() -> None:
    assert not is_misspelt("key-of-the-shop-at-8900")


@pytest.mark.parametrize(
    ("key", "guessable"),
    [
        ("", True),
        ("demo-erp-key", True),
        ("change-me-api-key", True),
        ("x" * 21, True),
        ("x" * 22, False),
        ("0123456789abcdef" + "0123456789abcde", True),
        ("0123456789abcdef" * 2, False),
        ("0123456789ABCDEF" + "0123456789ABCDE", True),
        ("7" * 38, True),
        ("7" * 39, False),
    ],
)
def test_a_key_is_guessable_that_cannot_have_128_bits(key: str, guessable: bool) -> None:
    assert is_guessable(key) is guessable


@pytest.mark.parametrize(
    "key", ["", "with space in the middle 22", "schl\u00fcssel-schl\u00fcssel-22", "a\n" * 20, "k" * 513]
)
def test_what_no_header_carries_is_no_key(key: str) -> None:
    assert not is_sendable(key)


def test_successors_are_numbered_and_pass_what_is_taken() -> None:
    assert numbered("erp", set()) == "erp-2"
    assert numbered("erp-2", {"erp", "erp-2"}) == "erp-3"
    assert numbered("erp", {"erp-2", "erp-3"}) == "erp-4"
    assert len(numbered("e" * 64, set())) == 64
