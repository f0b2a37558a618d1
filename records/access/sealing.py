"""Secrets at rest: sealed by a key of the deployment, each for one place alone. No I/O.

AES-256-GCM, and what it is bound to is where the secret belongs: moved to another row, it does not open.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from domain.errors import Unavailable

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_BOUND_AS: Final = "stockbridge/connection-secret/1"


@dataclass(frozen=True)
class Place:
    """Where a secret belongs: a field of a connection of a tenant."""

    tenant: str
    kind: str
    name: str
    field: str

    def canonical(self) -> bytes:
        """Write it so that no two places are written alike."""
        parts = [_BOUND_AS, self.tenant, self.kind, self.name, self.field]
        return json.dumps(parts, ensure_ascii=True, separators=(",", ":")).encode()

    def __str__(self) -> str:
        return f"{self.field} of {self.kind}/{self.name} of {self.tenant}"


@dataclass(frozen=True)
class Sealed:
    """A secret that nobody can read without the key of that id."""

    key_id: str
    nonce: bytes
    ciphertext: bytes


@dataclass(frozen=True)
class SealingKeys:
    """The keys of a deployment, by their ids: the first one seals, all open."""

    _keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `id:base64-of-32-bytes`, separated by commas. Raises `ValueError`, which shows none of them."""
        keys: dict[str, bytes] = {}
        for part in filter(None, map(str.strip, text.split(","))):
            key_id, _, written = part.partition(":")
            try:
                key = b64decode(written, validate=True)
            except NotBase64:
                key = b""
            if not key_id.strip() or len(key) != _KEY_BYTES:
                raise ValueError("a sealing key is written id:key, and the key is 32 bytes in base64")
            if key_id in keys:
                raise ValueError(f"two sealing keys have the id {key_id}")
            keys[key_id] = key
        return cls(keys)

    @property
    def first(self) -> str:
        """The id of the key that seals. Raises `Unavailable` where there is none."""
        if not self._keys:
            raise Unavailable("There is no key to seal secrets with: STOCKBRIDGE_SEALING_KEYS is not set.", ours=True)
        return next(iter(self._keys))

    def seal(self, place: Place, secret: SecretStr) -> Sealed:
        """Seal a secret for its place under the first key. Raises `Unavailable` where there is none."""
        key_id, nonce = self.first, os.urandom(_NONCE_BYTES)
        cipher = AESGCM(self._keys[key_id])
        return Sealed(key_id, nonce, cipher.encrypt(nonce, secret.get_secret_value().encode(), place.canonical()))

    def open(self, place: Place, sealed: Sealed) -> SecretStr:
        """Open a secret. Raises `Unavailable` where its key is not here, or it was sealed for another place."""
        key = self._keys.get(sealed.key_id)
        if key is None:
            raise Unavailable(
                f"The secret {place} can't be opened: no key {sealed.key_id} is in STOCKBRIDGE_SEALING_KEYS.", ours=True
            )
        try:
            opened = AESGCM(key).decrypt(sealed.nonce, sealed.ciphertext, place.canonical())
        except InvalidTag:
            raise Unavailable(
                f"The secret {place} does not open: the key {sealed.key_id} is another one, or it was sealed for "
                "another place.",
                ours=True,
            ) from None
        return SecretStr(opened.decode())
