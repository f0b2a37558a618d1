"""Keys that the environment names: which are good enough, and that none is two.

The embedded stack has keys that everybody knows, so that what is written about it works as it stands. It takes them
since it listens to its own machine only; nobody else does.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final

from domain.api_keys import WELL_KNOWN, is_guessable, is_misspelt, is_sendable
from runtime.errors import StartupError
from runtime.settings import ApiKey, Settings

HOW_TO_MAKE_ONE: Final = "Make one with `stockbridge keys add`, or `openssl rand -hex 24`."


def insist_on_good_keys(settings: Settings) -> None:
    """Raise `StartupError` with all that is wrong with the keys; it shows none of them."""
    faults = [*_faults_of_each(settings), *_named_twice(settings.api_keys)]
    if faults:
        raise StartupError(f"STOCKBRIDGE_API_KEYS: {' '.join(faults)}")


def whose(key: ApiKey) -> str:
    """Name a key by whom it speaks for."""
    return f"tenant {key.tenant}, source {key.source}" if key.source else f"tenant {key.tenant}, no source"


def _faults_of_each(settings: Settings) -> Iterator[str]:
    for key in settings.api_keys:
        fault = _well_known_fault(settings) if key.key in WELL_KNOWN else _fault_of(key.key)
        if fault:
            yield f"The key of {whose(key)} {fault}"


def _well_known_fault(settings: Settings) -> str | None:
    if not settings.well_known_keys:
        return f"is one that everybody knows: the embedded stack's. {HOW_TO_MAKE_ONE}"
    if not _is_loopback(settings.api_host):
        return (
            f"is one that everybody knows, and STOCKBRIDGE_API_HOST ({settings.api_host}) lets others call. "
            f"{HOW_TO_MAKE_ONE}"
        )
    return None


def _fault_of(key: str) -> str | None:
    if not is_sendable(key):
        return "is too long, or has a character that a header can't carry: only visible ASCII can be sent."
    if is_misspelt(key):
        return "was mistyped or cut off: its checksum does not match."
    if is_guessable(key):
        return f"is too short to be random: it has {len(key)} characters, which can't be 128 bits. {HOW_TO_MAKE_ONE}"
    return None


def _named_twice(given: tuple[ApiKey, ...]) -> Iterator[str]:
    """Say which keys are named for two: nobody could say whom such a key speaks for."""
    first: dict[str, ApiKey] = {}
    for key in given:
        known = first.setdefault(key.key, key)
        if known != key:
            yield f"One key is named for two: {whose(known)}, and {whose(key)}. Give each its own."


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
