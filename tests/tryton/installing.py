"""Tryton's packages, in an environment of their own: it runs beside our program, never inside it."""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
CACHE: Final = ROOT / ".stockbridge" / "tryton"
REQUIREMENTS: Final = Path(__file__).with_name("requirements.txt")

OUT_OF_REACH: Final = re.compile(
    r"failed to fetch|error sending request|client error \(connect\)|dns error|timed out|disabled|in the cache",
    re.IGNORECASE,
)
"""What uv says when it cannot reach the package index, unlike when a pin or a hash of ours is wrong."""


class CannotInstallError(Exception):
    """Tryton's packages cannot be had here; the message says why."""


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Be the only one on this machine who makes `name` in the cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def digest(*parts: bytes) -> str:
    """Return a short name for what these bytes make."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def environment() -> Path:
    """Return the folder of the environment with the pinned packages, made if it is not there yet.

    Raises `CannotInstallError` where there is no uv, or no way to the packages.
    """
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = CACHE / f"env-{digest(REQUIREMENTS.read_bytes(), python.encode())}"
    with locked(folder.name):
        ready = folder / ".ready"
        if not ready.exists():
            uv = _uv()
            _run(uv, "venv", "--clear", "--python", sys.executable, str(folder))
            wanted = ("--require-hashes", "--compile-bytecode", str(REQUIREMENTS))
            _run(uv, "pip", "sync", "--python", str(folder / "bin" / "python"), *wanted)
            ready.touch()
    return folder


def _uv() -> str:
    """Return the uv that set us up."""
    ours = ROOT / ".stockbridge" / "tools" / "bin" / "uv"
    found = shutil.which("uv") or (str(ours) if ours.exists() else None)
    if found is None:
        raise CannotInstallError(f"there is no uv on PATH, nor {ours}")
    return found


def _run(*command: str) -> None:
    """Run uv."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    if OUT_OF_REACH.search(done.stderr):
        raise CannotInstallError(f"uv cannot reach its packages: {done.stderr.strip()[-600:]}")
    raise RuntimeError(f"{' '.join(command)} failed ({done.returncode}):\n{done.stderr}")
