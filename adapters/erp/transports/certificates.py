"""Whom a connection trusts, and as whom it shows itself: its own authority, its own certificate."""

from __future__ import annotations

import secrets
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from adapters.wire import tls
from domain.errors import Rejected

UNREADABLE = "certificate_unreadable"


@dataclass(frozen=True)
class Certificate:
    """As whom we show ourselves: our certificate, and those that lead up to its authority, and its key, all PEM."""

    chain: str
    key: str = field(repr=False)


def trust(authority: str | None, certificate: Certificate | None) -> ssl.SSLContext:
    """Return the trust in one authority (PEM) and no other, or in those that the system trusts.

    Raises `Rejected` with code `certificate_unreadable`.
    """
    if authority is None and certificate is None:
        return tls()
    context = httpx.create_ssl_context() if authority is None else _trust_in(authority)
    if certificate:
        _show(context, certificate)
    return context


def _trust_in(authority: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which trusts nobody yet
    try:
        context.load_verify_locations(cadata=authority)
    except (ssl.SSLError, ValueError):
        raise Rejected(UNREADABLE, "The authority's certificate can't be read: it is to be PEM") from None
    return context


def _show(context: ssl.SSLContext, certificate: Certificate) -> None:
    """Load a certificate, which Python does from files only: the key is in there under a password that nobody keeps."""
    password = secrets.token_bytes(32).hex().encode()
    try:
        key = load_pem_private_key(certificate.key.encode(), None)
        sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
        with TemporaryDirectory() as folder:
            path = Path(folder) / "shown.pem"
            path.write_bytes(certificate.chain.encode() + b"\n" + sealed)
            context.load_cert_chain(path, password=password)
    except (ssl.SSLError, ValueError, TypeError, UnsupportedAlgorithm):
        raise Rejected(UNREADABLE, "Our certificate and its key can't be read, or don't belong together") from None
