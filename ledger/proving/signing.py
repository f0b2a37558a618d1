"""Ed25519 signatures (RFC 8032): who may sign a checkpoint, and whether somebody did."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from hashlib import sha256
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_KEY_BYTES: Final = 32


class SigningKey:
    """A key that signs, made from its seed of 32 bytes."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key: Final = self._key.public_key().public_bytes_raw()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a seed from base64. Raises `ValueError`."""
        return cls(key_bytes(text))

    def sign(self, form: bytes) -> bytes:
        """Sign."""
        return self._key.sign(form)


def is_signed(form: bytes, signature: bytes, public_key: bytes) -> bool:
    """Say whether the owner of a public key signed a form."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, form)
    except (InvalidSignature, ValueError):
        return False
    return True


def key_bytes(text: str) -> bytes:
    """Read a key, public or not, from base64. Raises `ValueError`."""
    try:
        key = b64decode(text, validate=True)
    except NotBase64:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ValueError("a key is 32 bytes in base64")
    return key


def key_text(key: bytes) -> str:
    """Write a key as settings and people do."""
    return b64encode(key).decode()


def key_id(public_key: bytes) -> str:
    """Name a key in a few letters."""
    return sha256(public_key).hexdigest()[:16]
