"""A payload codec: with a key set, what Temporal keeps is encrypted by AES-256-GCM. Off by default."""

from __future__ import annotations

import os
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from runtime.errors import StartupError

ENCODING: Final = b"binary/encrypted-aes-256-gcm"
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32


class EncryptingCodec(PayloadCodec):
    """Encrypts each payload under one key. What was written before the key was set stays readable."""

    def __init__(self, key: str) -> None:
        """Take a base64 key of 32 bytes. Raises `StartupError`."""
        try:
            raw = b64decode(key, validate=True)
        except NotBase64 as error:
            raise StartupError("STOCKBRIDGE_PAYLOAD_KEY is not base64.") from error
        if len(raw) != _KEY_BYTES:
            raise StartupError("STOCKBRIDGE_PAYLOAD_KEY must be 32 bytes in base64.")
        self._cipher = AESGCM(raw)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt payloads."""
        return [self._encrypted(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt what is encrypted; pass on what is not."""
        return [self._decrypted(p) if p.metadata.get("encoding") == ENCODING else p for p in payloads]

    def _encrypted(self, payload: Payload) -> Payload:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, payload.SerializeToString(), None)
        return Payload(metadata={"encoding": ENCODING}, data=sealed)

    def _decrypted(self, payload: Payload) -> Payload:
        nonce, sealed = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
        return Payload.FromString(self._cipher.decrypt(nonce, sealed, None))
